"""What the project `cloud-dataproc` holds when an instance is new.

Tracks, systems and dates of support are Google's. Which builds there are is made up but for 2.2.63 and 2.2.84, which
recordings show: the inventories' pins are among them, and the newest of every track.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from localcloud.compute.versions import Version

PROJECT = "cloud-dataproc"


@dataclass(frozen=True)
class Track:
    """Versions of one minor number: its systems, the default one first, and the last day new clusters may have it."""

    systems: tuple[str, ...]
    creatable_until: date


TRACKS = {
    "2.1": Track(("debian11", "rocky8", "ubuntu20"), date(2026, 12, 31)),
    "2.2": Track(("debian12", "rocky9", "ubuntu22"), date(2027, 12, 31)),
    "2.3": Track(("debian12", "rocky9", "ubuntu22"), date(2029, 6, 9)),
}
# The newest of it is what clusters are made of that name none.
DEFAULT_VERSION = "2.2-debian12"
_BUILT = {
    datetime(2025, 8, 17, 16, 51, tzinfo=UTC): {"2.1": 92, "2.2": 63, "2.3": 7},
    datetime(2026, 4, 17, 4, 51, tzinfo=UTC): {"2.1": 113, "2.2": 82, "2.3": 9},
    datetime(2026, 5, 15, 4, 51, tzinfo=UTC): {"2.1": 114, "2.2": 83, "2.3": 10},
    datetime(2026, 6, 19, 4, 51, tzinfo=UTC): {"2.1": 115, "2.2": 84, "2.3": 11},
}


def releases() -> Iterator[tuple[str, Version, datetime]]:
    """Yield (image name, version, creation) of every release."""
    for created, builds in _BUILT.items():
        for track, build in builds.items():
            for system in TRACKS[track].systems:
                version = Version(track, system, build)
                yield version.image_name(created, 1), version, created


def other_images() -> Iterator[tuple[str, Version, datetime]]:
    """Yield images of the project that are no releases, although they carry the label: trials of Dataproc's makers."""
    yield (
        "dataproc-2-3-deb12-20260702-045100-eap",
        Version("2.3", "debian12", 11),
        datetime(2026, 7, 2, 4, 51, tzinfo=UTC),
    )
    yield (
        "dataproc-2-3-idv-20260706-145037-debian12-tmp",
        Version("2.3", "debian12", 9),
        datetime(2026, 7, 6, 14, 50, 37, tzinfo=UTC),
    )
