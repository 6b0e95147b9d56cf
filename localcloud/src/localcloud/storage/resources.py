"""JSON resources of buckets and objects: etags, links, times, and which fields a client may write."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from localcloud.errors import ApiError

API = "https://www.googleapis.com/storage/v1"
DOWNLOAD = "https://storage.googleapis.com/download/storage/v1"
STORAGE_CLASSES = (
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
)
# Object fields that insert, patch, update, copy and compose take from the caller.
_TEXT_FIELDS = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType")
OBJECT_FIELDS = (*_TEXT_FIELDS, "customTime", "metadata", "temporaryHold", "eventBasedHold", "retention", "contexts")
LARGEST_NAME = 1024
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")


def dump(value: Any) -> str:
    """Render JSON compactly."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def timestamp(moment: datetime) -> str:
    """Render an instant as Cloud Storage does: UTC, milliseconds, `Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_timestamp(text: str) -> datetime:
    """Parse an RFC 3339 instant of a stored resource."""
    return datetime.fromisoformat(text)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def object_etag(generation: int, metageneration: int) -> str:
    """Return the entity tag of an object: Google's is the base64 of a message with both numbers."""
    return base64.b64encode(b"\x08" + _varint(generation) + b"\x10" + _varint(metageneration)).decode()


def bucket_etag(metageneration: int) -> str:
    """Return the entity tag of a bucket."""
    return base64.b64encode(b"\x08" + _varint(metageneration)).decode()


def check_object_name(name: str) -> None:
    """Refuse names Cloud Storage refuses. Raises ApiError 400."""
    if not name:
        raise ApiError(400, "Required parameter: name", reason="invalid")
    if len(name) > LARGEST_NAME // 4 and len(name.encode()) > LARGEST_NAME:
        size = len(name.encode())
        raise ApiError(400, f"The maximum object length is {LARGEST_NAME} bytes, but '{name[:64]}...' has {size}.")
    if name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise ApiError(400, f"Invalid object name: '{name}'")
    if "\r" in name or "\n" in name:
        raise ApiError(400, f"Disallowed unicode characters present in object name {name!a}")


def writable_metadata(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an Object body that a caller may set, checked; null means: remove.

    Output-only and unknown fields are ignored, as Cloud Storage does. Raises ApiError 400 for a wrong type.
    """
    metadata = {field: body[field] for field in OBJECT_FIELDS if field in body}
    for field in _TEXT_FIELDS:
        if not isinstance(metadata.get(field, ""), str | None):
            raise _invalid(field, metadata[field])
    for field in ("temporaryHold", "eventBasedHold"):
        if not isinstance(metadata.get(field), bool | None):
            raise _invalid(field, metadata[field])
    if metadata.get("customTime") is not None and not (
        isinstance(metadata["customTime"], str) and _RFC3339.match(metadata["customTime"])
    ):
        raise _invalid("customTime", metadata["customTime"])
    custom = metadata.get("metadata") or {}
    if not isinstance(custom, dict) or not all(isinstance(value, str | None) for value in custom.values()):
        raise _invalid("metadata", custom)
    return metadata


def _invalid(field: str, value: Any) -> ApiError:
    return ApiError(400, f"Invalid value for field {field}: {dump(value)}", reason="invalid")


def check_storage_class(value: Any) -> str:
    """Return a storage class in capitals. Raises ApiError 400 when there is no such class."""
    if not isinstance(value, str) or value.upper() not in STORAGE_CLASSES:
        raise ApiError(
            400, f"Invalid argument: storage class {dump(value)}, expected one of: {', '.join(STORAGE_CLASSES)}"
        )
    return value.upper()


def merge_metadata(current: dict[str, Any], change: dict[str, Any]) -> None:
    """Apply a patch to an object resource in place: null removes, `metadata` and `contexts` merge key by key."""
    for field, value in change.items():
        if value is None:
            current.pop(field, None)
        elif isinstance(value, dict) and isinstance(current.get(field), dict):
            merged = {**current[field], **value}
            current[field] = {key: item for key, item in merged.items() if item is not None}
        elif isinstance(value, dict):
            current[field] = {key: item for key, item in value.items() if item is not None}
        else:
            current[field] = value
        if current.get(field) == {}:
            del current[field]


def object_resource(bucket: str, name: str, generation: int, now: str) -> dict[str, Any]:
    """Return the fields that every new object generation has by its name and time; the caller adds the others."""
    escaped = quote(name, safe="")
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": f"{API}/b/{bucket}/o/{escaped}",
        "mediaLink": f"{DOWNLOAD}/b/{bucket}/o/{escaped}?generation={generation}&alt=media",
        "name": name,
        "bucket": bucket,
        "generation": str(generation),
        "metageneration": "1",
        "etag": object_etag(generation, 1),
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
        "timeFinalized": now,
    }
