"""Scalar values of JSON requests, as Google's front end accepts and normalises them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_INTEGER = re.compile(r"-?\d+")
_INTEGER_LIMITS = {"int32": 2**31, "uint32": 2**32, "int64": 2**63, "uint64": 2**64}

Converter = Callable[[Any, str], Any]


class RefusedError(Exception):
    """A scalar of the wrong type; `description` replaces the usual text."""

    def __init__(self, description: str = "") -> None:
        """Keep a text of its own, where the type has one."""
        super().__init__(description)
        self.description = description


def converter_for(kind: str, style: str) -> Converter | None:
    """Return what checks and normalises a value of a discovery `type` and `format`, or None where anything goes."""
    return _CONVERTERS.get(style if kind == "string" and style in _CONVERTERS else kind)


def proto_type(kind: str, style: str) -> str:
    """Return how Google's messages name a scalar type."""
    if kind == "integer" or style in _INTEGER_LIMITS:
        return f"TYPE_{(style or 'int32').upper()}"
    if kind == "number":
        return "TYPE_DOUBLE" if style == "double" else "TYPE_FLOAT"
    if kind == "boolean":
        return "TYPE_BOOL"
    return "TYPE_BYTES" if style == "byte" else "TYPE_STRING"


def _integer(value: Any, style: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    limit = _INTEGER_LIMITS.get(style, 2**63)
    least = 0 if style.startswith("u") else -limit
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < limit:
        raise RefusedError
    return value


def _integer_text(value: Any, style: str) -> str:
    return str(_integer(value, style))


def _number(value: Any, _style: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise RefusedError
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        raise RefusedError from None


def _boolean(value: Any, _style: str) -> bool:
    if value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise RefusedError
    return value


def _text(value: Any, _style: str) -> str:
    if not isinstance(value, str):
        raise RefusedError
    return value


def _duration(value: Any, _style: str) -> str:
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return value
    kind = "(type.googleapis.com/google.protobuf.Duration)"
    if isinstance(value, str) and not value.endswith("s"):
        raise RefusedError(f"{kind}, Illegal duration format; duration must end with 's'")
    raise RefusedError(f"{kind}, {json.dumps(value, ensure_ascii=False)}")


def _datetime(value: Any, _style: str) -> str:
    if not isinstance(value, str) or not _DATETIME.fullmatch(value):
        rendered = json.dumps(value, ensure_ascii=False)
        raise RefusedError(f"(type.googleapis.com/google.protobuf.Timestamp), {rendered}")
    return value


def decode_bytes(text: str) -> bytes:
    """Return the bytes of a field: both alphabets are accepted, with or without padding. Raises binascii.Error."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _bytes(value: Any, _style: str) -> str:
    if not isinstance(value, str):
        raise RefusedError
    try:
        decode_bytes(value)
    except binascii.Error:
        rendered = json.dumps(value, ensure_ascii=False)
        raise RefusedError(f"(TYPE_BYTES), Base64 decoding failed for {rendered}") from None
    return value


_CONVERTERS: dict[str, Converter] = {
    "integer": _integer,
    "int64": _integer_text,
    "uint64": _integer_text,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
    "google-duration": _duration,
    "google-datetime": _datetime,
    "byte": _bytes,
}
