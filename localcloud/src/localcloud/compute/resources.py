"""Images as the API answers them."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any

from localcloud.compute.images import Image
from localcloud.compute.versions import LABEL

URL = "https://www.googleapis.com/compute/v1/"
# Compute Engine tells the time of its makers' coast.
_ZONE = timezone(timedelta(hours=-7))
_LICENSE = f"{URL}projects/cloud-dataproc/global/licenses/dataproc"
_LICENSE_CODE = "1001006"


def render(image: Image) -> dict[str, Any]:
    """Return the Image resource."""
    labels = {LABEL: image.version.label}
    resource: dict[str, Any] = {
        "architecture": "X86_64",
        "archiveSizeBytes": "9663676416",
        "creationTimestamp": timestamp(image.created),
        "diskSizeGb": "30",
        "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}, {"type": "VIRTIO_SCSI_MULTIQUEUE"}, {"type": "GVNIC"}],
        "id": identifier(image),
        "kind": "compute#image",
        "labelFingerprint": base64.b64encode(hashlib.sha256(repr(labels).encode()).digest()[:8]).decode(),
        "labels": labels,
        "licenseCodes": [_LICENSE_CODE],
        "licenses": [_LICENSE],
        "name": image.name,
        "selfLink": image.url,
        "sourceType": "RAW",
        "status": "READY",
        "storageLocations": ["us"],
    }
    if image.withdrawn:
        resource["deprecated"] = {"state": "OBSOLETE", "obsolete": timestamp(image.withdrawn)}
    return resource


def identifier(image: Image) -> str:
    """Return the number by which the API knows an image, too."""
    return str(int.from_bytes(hashlib.sha256(image.path.encode()).digest()[:8]) >> 1 | 1 << 60)


def timestamp(instant: datetime) -> str:
    """Render an instant as Compute Engine does: with milliseconds and an offset."""
    return instant.astimezone(_ZONE).isoformat(timespec="milliseconds")
