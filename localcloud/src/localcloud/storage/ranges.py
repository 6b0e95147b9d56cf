"""Range (downloads) and Content-Range (resumable uploads) headers: pure parsing."""

from __future__ import annotations

import re
from typing import NamedTuple

from localcloud.errors import ApiError

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)$")


class ByteRange(NamedTuple):
    """Bytes `start` up to, not including, `end` of a content."""

    start: int
    end: int


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """Return the single range that `header` asks of a content of `size` bytes, or None for the whole content.

    Anything but one well-formed range is ignored, as RFC 9110 section 14.2 allows. Raises ApiError 416 when the range
    starts beyond the end.
    """
    match = _RANGE.match(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise _unsatisfiable(size)
        return ByteRange(size - length, size)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise _unsatisfiable(size)
    return ByteRange(start, min(int(match[2]) + 1, size) if match[2] else size)


def _unsatisfiable(size: int) -> ApiError:
    return ApiError(416, "The requested range cannot be satisfied.", headers={"Content-Range": f"bytes */{size}"})


class ContentRange(NamedTuple):
    """One request of a resumable upload: `first` is None for a status query; `total` None while the size is unknown."""

    first: int | None
    total: int | None
    end: int | None = None


def parse_content_range(header: str | None) -> ContentRange:
    """Parse the Content-Range of a resumable upload; without a header the request carries everything from byte 0.

    Raises ApiError 400 for a malformed header.
    """
    if header is None:
        return ContentRange(0, None)
    match = _CONTENT_RANGE.match(header.strip())
    if match is None:
        raise ApiError(400, f"Failed to parse Content-Range header: {header}", reason="badRequest")
    total = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return ContentRange(None, total)
    end = None if match[2] == "*" else int(match[2]) + 1
    return ContentRange(int(match[1]), total, end)
