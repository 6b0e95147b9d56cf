"""Which image a cluster is made of, and whether it may be."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from localcloud.clock import Clock
from localcloud.compute.images import Image, Images
from localcloud.compute.releases import DEFAULT_VERSION, TRACKS
from localcloud.compute.versions import parse_requested
from localcloud.dataproc.names import COMPUTE_URL, Location, expanded_url
from localcloud.errors import invalid_argument

CUSTOM_IMAGE_DAYS = 365
_WARNING_DAYS = 10
_TOKEN = "dataproc:dataproc.custom.image.expiration.token"  # noqa: S105  (the name of a property)
_PATH = re.compile(r"projects/(?P<project>[^/]+)/global/images/(?P<name>[^/]+)")
_GROUPS = ("masterConfig", "workerConfig", "secondaryWorkerConfig")


@dataclass(frozen=True)
class ChosenImage:
    """The image of a cluster: its version in full, its address, and what its user is warned of."""

    version: str
    url: str
    warnings: tuple[str, ...] = ()


class ClusterImages:
    """Chooses images for clusters from those there are."""

    def __init__(self, images: Images, clock: Clock) -> None:
        """Choose from `images`, as things stand at the time of `clock`."""
        self._images = images
        self._clock = clock

    def choose(self, config: dict[str, Any], location: Location) -> ChosenImage:
        """Return the image that a cluster's `config` asks for.

        Raises ApiError 400 when there is no such, or when it is too late to make clusters of it.
        """
        software = config.get("softwareConfig", {})
        requested = software.get("imageVersion") or ""
        uris = _uris(config)
        if not uris:
            image = self._release(requested or DEFAULT_VERSION)
            return ChosenImage(str(image.version), image.url)
        named = [self._named(uri, location) for uri in sorted(uris)]
        versions = {str(image.version) for image in named} | ({requested} if requested else set())
        if len(versions) > 1:
            raise invalid_argument(
                f"The images of a cluster must be of one version, but are {', '.join(sorted(versions))}."
            )
        for image in named:
            self._require_creatable(image)
        token = software.get("properties", {}).get(_TOKEN, "")
        warnings = [warning for image in named if image.is_custom for warning in self._age_warnings(image, token)]
        return ChosenImage(versions.pop(), named[0].url, tuple(warnings))

    def in_front(self, cluster: dict[str, Any]) -> dict[str, str]:
        """Return the directories that stand in front of search paths on a cluster's nodes, by variable."""
        image = self._images.at(cluster["config"]["masterConfig"]["imageUri"])
        return image.in_front if image else {}

    def _release(self, requested: str) -> Image:
        """Return the release of a version in full, or the newest of a track. Raises ApiError 400."""
        asked = parse_requested(requested)
        if asked is None:
            raise invalid_argument(f"Invalid image version '{requested}', expected for example '2.3.11-debian12'.")
        track = TRACKS.get(asked.track)
        system = asked.system or (track.systems[0] if track else "")
        known = [image for image in self._images.releases(asked.track) if image.version.system == system]
        found = [image for image in known if asked.build in (None, image.version.build)]
        if not found:
            raise invalid_argument(
                f"Selected software image version '{requested}' was not found. Please select a supported image."
            )
        usable = [image for image in found if self._is_creatable(image)]
        if not usable:
            raise _no_longer(requested if asked.build is None else str(found[0].version))
        return usable[-1]

    def _named(self, uri: str, location: Location) -> Image:
        """Return the image at an address. Raises ApiError 400."""
        path = expanded_url(uri, f"projects/{location.project}/global/images/").removeprefix(COMPUTE_URL)
        found = _PATH.fullmatch(path)
        image = self._images.get(found["project"], found["name"]) if found else None
        if image is None:
            raise invalid_argument(f"The resource '{path}' was not found")
        return image

    def _is_creatable(self, image: Image) -> bool:
        today = self._clock.now().date()
        return image.withdrawn is None and today <= TRACKS[image.version.track].creatable_until

    def _require_creatable(self, image: Image) -> None:
        """Refuse an image that is withdrawn, or builds on a release that is. Raises ApiError 400."""
        releases = self._images.releases(image.version.track)
        bases = [release for release in releases if release.version == image.version]
        if image.withdrawn or not any(map(self._is_creatable, bases)):
            raise _no_longer(str(image.version))

    def _age_warnings(self, image: Image, token: str) -> list[str]:
        """Return what there is to say about a custom image's age. Raises ApiError 400 for one that is too old."""
        expires = image.created + timedelta(days=CUSTOM_IMAGE_DAYS)
        left = expires - self._clock.now()
        needed = hashlib.sha256(image.path.encode()).hexdigest()[:32]
        if left >= timedelta(days=_WARNING_DAYS) or token == needed:
            return []
        way_out = f"To create clusters with it nevertheless, set the property {_TOKEN}={needed}"
        if left < timedelta(0):
            raise invalid_argument(f"Custom image '{image.path}' expired on {expires:%Y-%m-%d}. {way_out}")
        return [f"Custom image '{image.path}' expires on {expires:%Y-%m-%d}. {way_out}"]


def names_image(config: dict[str, Any]) -> bool:
    """Return whether a cluster's `config` says which image it wants."""
    return bool(config.get("softwareConfig", {}).get("imageVersion") or _uris(config))


def _uris(config: dict[str, Any]) -> set[str]:
    return {uri for group in _GROUPS if (uri := config.get(group, {}).get("imageUri"))}


def _no_longer(version: str) -> Exception:
    return invalid_argument(
        f"Selected software image version '{version}' can no longer be used to create new clusters. "
        "Please select a more recent image."
    )
