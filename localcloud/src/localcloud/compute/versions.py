"""Versions of Dataproc's images: `2.3.11-debian12`, their tracks, and how names and labels of images spell them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

# The label by which Dataproc knows an image, its own and other people's. Values of labels have no dots.
LABEL = "goog-dataproc-version"
_FULL = re.compile(r"(?P<track>\d+\.\d+)\.(?P<build>\d+)-(?P<system>[a-z][a-z0-9-]*)")
_REQUESTED = re.compile(r"(?P<track>\d+\.\d+)(?:\.(?P<build>\d+))?(?:-(?P<system>[a-z][a-z0-9-]*))?")
_SHORT_SYSTEMS = {"debian": "deb", "ubuntu": "ubu", "rocky": "roc"}


@dataclass(frozen=True, order=True)
class Version:
    """A version in full; versions of one track and system are in order."""

    track: str
    system: str
    build: int

    def __str__(self) -> str:
        """Return the version as `softwareConfig.imageVersion` has it."""
        return f"{self.track}.{self.build}-{self.system}"

    @property
    def label(self) -> str:
        """The value of the label of images of this version."""
        return str(self).replace(".", "-")

    def image_name(self, created: datetime, candidate: int) -> str:
        """Return the name that Dataproc gives the image of this version, the `candidate`-th that was built then."""
        system = self.system
        for long, short in _SHORT_SYSTEMS.items():
            system = system.replace(long, short)
        return f"dataproc-{self.track.replace('.', '-')}-{system}-{created:%Y%m%d-%H%M%S}-rc{candidate:02d}"


@dataclass(frozen=True)
class Requested:
    """What a request names: a track, and perhaps one build of it and a system."""

    track: str
    build: int | None
    system: str | None


def parse_version(text: str) -> Version | None:
    """Return a version that is given in full, or None."""
    found = _FULL.fullmatch(text)
    return Version(found["track"], found["system"], int(found["build"])) if found else None


def parse_requested(text: str) -> Requested | None:
    """Return what a request's `imageVersion` names, or None for what is no version."""
    found = _REQUESTED.fullmatch(text)
    return (
        Requested(found["track"], int(found["build"]) if found["build"] else None, found["system"]) if found else None
    )
