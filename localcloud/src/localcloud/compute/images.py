"""The images there are: Dataproc's releases and what was added to them, by project and name; kept in the store."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.clock import Clock, format_timestamp
from localcloud.compute.releases import PROJECT, TRACKS, other_images, releases
from localcloud.compute.versions import Version, parse_version
from localcloud.store import Store

_COLLECTION = "compute/images"
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_URL = "https://www.googleapis.com/compute/v1/"


class ImageError(ValueError):
    """An image cannot be added or withdrawn; the message is for the person who asked for it."""


@dataclass(frozen=True)
class Image:
    """One image. `withdrawn` is the instant since which no cluster may be made of it.

    `in_front` are directories of this machine that stand in front of a variable's others (PATH, PYTHONPATH) on nodes
    of this image. An image in another project than Dataproc's is a custom one; `version` then is that of its base.
    """

    project: str
    name: str
    version: Version
    created: datetime
    withdrawn: datetime | None = None
    in_front: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its relative resource name."""
        return f"projects/{self.project}/global/images/{self.name}"

    @property
    def url(self) -> str:
        """Its address, as Dataproc and Compute Engine give it."""
        return _URL + self.path

    @property
    def is_custom(self) -> bool:
        """Whether it is somebody's own."""
        return self.project != PROJECT

    @property
    def is_release(self) -> bool:
        """Whether a version of Dataproc stands for it: it has a release's name, not only the label."""
        candidate = self.name.rpartition("-rc")[2]
        return (
            not self.is_custom
            and candidate.isdigit()
            and self.name == self.version.image_name(self.created, int(candidate))
        )


class Images:
    """A view of the store: what is added and withdrawn is there at once, and after a restart."""

    def __init__(self, store: Store, clock: Clock, project: str) -> None:
        """Look at `store`; custom images belong to `project`."""
        self._store = store
        self._clock = clock
        self._project = project

    def all(self) -> list[Image]:
        """Return all images, oldest first."""
        found = {image.path: image for image in _at_first()}
        found |= {image.path: image for image in self._stored()}
        return sorted(found.values(), key=lambda image: (image.created, image.name))

    def of_project(self, project: str) -> list[Image]:
        """Return the images of one project, ordered by name."""
        return sorted((image for image in self.all() if image.project == project), key=lambda image: image.name)

    def get(self, project: str, name: str) -> Image | None:
        """Return an image, or None."""
        return next((image for image in self.of_project(project) if image.name == name), None)

    def at(self, url: str) -> Image | None:
        """Return the image at an address, or None."""
        return next((image for image in self.all() if image.url == url), None)

    def releases(self, track: str) -> list[Image]:
        """Return the releases of a track, withdrawn ones too, by system and build."""
        found = (image for image in self.all() if image.is_release and image.version.track == track)
        return sorted(found, key=lambda image: image.version)

    def add(self, what: str, *, base: str = "", created: str = "", in_front: dict[str, str] | None = None) -> Image:
        """Add a release, such as 2.3.12-debian12; with `base`, a version, a custom image that builds on it.

        A version that was withdrawn may be released again, as another image.

        `created` is a date or an instant (RFC 3339), by default now. Raises ImageError.
        """
        instant = self._instant(created)
        directories = {variable: _directory(path) for variable, path in (in_front or {}).items()}
        image = self._custom(what, base, instant) if base else self._release(what, instant)
        image = dataclasses.replace(image, in_front=directories)
        self._save(image)
        return image

    def withdraw(self, what: str) -> Image:
        """Let no more clusters be made of a release, or of a custom image. Raises ImageError."""
        # Of several images of a version, the one that is not withdrawn yet.
        images = sorted(self.all(), key=lambda image: image.withdrawn is None)
        known = {str(image.version) if image.is_release else image.name: image for image in images}
        image = known.get(what)
        if image is None:
            close = difflib.get_close_matches(what, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else "; see `localcloud image list`"
            raise ImageError(f"there is no image {what}{hint}")
        if image.withdrawn is None:
            image = dataclasses.replace(image, withdrawn=self._clock.now())
            self._save(image)
        return image

    def _release(self, what: str, created: datetime) -> Image:
        version = parse_version(what)
        if version is None:
            raise ImageError(f"{what!r} is no version in full, expected one such as 2.3.12-debian12")
        if version.track not in TRACKS:
            raise ImageError(f"{what} is of track {version.track}, expected one of {', '.join(TRACKS)}")
        if any(image.version == version and not image.withdrawn for image in self.releases(version.track)):
            raise ImageError(f"there is an image {what} already; add one of another number, or withdraw that one first")
        taken = {image.name for image in self.of_project(PROJECT)}
        names = (version.image_name(created, candidate) for candidate in itertools.count(1))
        name = next(name for name in names if name not in taken)
        return Image(PROJECT, name, version, created)

    def _custom(self, name: str, base: str, created: datetime) -> Image:
        if not _NAME.fullmatch(name):
            raise ImageError(f"{name!r} is no image name, expected up to 63 of a-z, 0-9 and '-', a letter first")
        version = parse_version(base)
        if version is None or not any(image.version == version for image in self.releases(version.track)):
            raise ImageError(f"there is no image {base} to be the base of {name}; see `localcloud image list`")
        if self.get(self._project, name):
            raise ImageError(f"there is an image {name} in {self._project} already")
        return Image(self._project, name, version, created)

    def _instant(self, text: str) -> datetime:
        now = self._clock.now()
        if not text:
            return now.replace(microsecond=0)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise ImageError(f"{text!r} is no date, expected one such as 2026-11-29") from None
        instant = instant if instant.tzinfo else instant.replace(tzinfo=now.tzinfo)
        if instant > now:
            raise ImageError(f"{text} is in the future; an image cannot have been created then")
        return instant.astimezone(now.tzinfo).replace(microsecond=0)

    def _stored(self) -> Iterator[Image]:
        for _key, body in self._store.list(_COLLECTION):
            yield _from_body(body)

    def _save(self, image: Image) -> None:
        self._store.put(f"{_COLLECTION}/{image.path}", _COLLECTION, _to_body(image))


def describe(image: Image) -> dict[str, Any]:
    """Return what people want to know of an image."""
    return {
        "project": image.project,
        "name": image.name,
        "version": str(image.version),
        "release": image.is_release,
        "created": format_timestamp(image.created),
        "withdrawn": image.withdrawn and format_timestamp(image.withdrawn),
        "in_front": image.in_front,
    }


def _at_first() -> Iterator[Image]:
    for name, version, created in (*releases(), *other_images()):
        yield Image(PROJECT, name, version, created)


def _directory(text: str) -> str:
    path = Path(text)
    if ":" in text or not path.is_absolute() or not path.is_dir():
        raise ImageError(f"{text!r} is no directory that can stand in a search path: absolute, there, and without ':'")
    return str(path)


def _to_body(image: Image) -> dict[str, Any]:
    body = {**vars(image), "version": vars(image.version), "created": format_timestamp(image.created)}
    return body | {"withdrawn": image.withdrawn and format_timestamp(image.withdrawn)}


def _from_body(body: dict[str, Any]) -> Image:
    withdrawn = body["withdrawn"]
    return Image(
        **body
        | {
            "version": Version(**body["version"]),
            "created": datetime.fromisoformat(body["created"]),
            "withdrawn": datetime.fromisoformat(withdrawn) if withdrawn else None,
        }
    )
