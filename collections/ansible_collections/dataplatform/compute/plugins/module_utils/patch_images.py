# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Dataproc images Google offers: those of its public image project that carry a Dataproc version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError

IMAGE_PROJECT = "cloud-dataproc"
VERSION_LABEL = "goog-dataproc-version"

_COMPUTE = "https://compute.googleapis.com/compute/v1/projects"
# Of hundreds of images only these fields are of use.
_FIELDS = f"nextPageToken,items(name,labels/{VERSION_LABEL},status,deprecated/state,creationTimestamp)"
_IMAGE_PATH = re.compile(r"projects/(?P<project>[^/]+)/global/images/(?P<image>[^/]+)$")
# Early access and intermediate images carry a version's label, too, and are none that a cluster gets for it.
_NO_RELEASE = re.compile(r"-(eap|tmp)$")
_LABEL = re.compile(r"^(\d+)-(\d+)-(\d+)-([a-z]+\d*)$")
_VERSION = re.compile(r"^(\d+)\.(\d+)\.(\d+)-([a-z]+\d*)$")


@dataclass(frozen=True)
class Image:
    """One version that new clusters can have, and when its image was made."""

    version: str
    created: datetime


def list_images(client: GoogleClient) -> list[Image]:
    """Return every image that is ready and not deprecated, by one list call (and one for each further page)."""
    query = {"filter": f"labels.{VERSION_LABEL}:*", "fields": _FIELDS}
    return usable_images(client.pages(f"{_COMPUTE}/{IMAGE_PROJECT}/global/images", "items", params=query))


def custom_image_created(client: GoogleClient, uri: str) -> datetime | None:
    """Return when a custom image was made; None when it does not exist, or is named by its family only."""
    path = _IMAGE_PATH.search(uri)
    if path is None:
        return None
    try:
        image = client.request("GET", f"{_COMPUTE}/{path['project']}/global/images/{path['image']}")
    except NotFoundError:
        return None
    return datetime.fromisoformat(image["creationTimestamp"])


def usable_images(items: Iterable[Mapping[str, Any]]) -> list[Image]:
    """Return the images of a listing that can be used, oldest version first; a version once, with its newest image."""
    found: dict[str, Image] = {}
    for item in items:
        version = version_of_label(str((item.get("labels") or {}).get(VERSION_LABEL, "")))
        state = (item.get("deprecated") or {}).get("state", "ACTIVE")
        released = not _NO_RELEASE.search(str(item.get("name", "")))
        if not (version and released) or item.get("status") != "READY" or state != "ACTIVE":
            continue
        image = Image(version, datetime.fromisoformat(item["creationTimestamp"]))
        if version not in found or image.created > found[version].created:
            found[version] = image
    return sorted(found.values(), key=lambda image: _order(image.version))


def version_of_label(label: str) -> str:
    """Return 2.3.11-debian12 for 2-3-11-debian12; empty for what is no version of three numbers and a system."""
    match = _LABEL.match(label)
    return "{}.{}.{}-{}".format(*match.groups()) if match else ""


def newest_of_track(images: Iterable[Image], version: str) -> Image | None:
    """Return the newest image of the same track and system as a version; None where there is none."""
    wanted = _VERSION.match(version)
    if wanted is None:
        return None
    major, minor, _build, system = wanted.groups()
    same = [image for image in images if re.match(rf"^{major}\.{minor}\.\d+-{system}$", image.version)]
    return max(same, key=lambda image: _order(image.version), default=None)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
