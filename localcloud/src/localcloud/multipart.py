"""multipart/related uploads and multipart/mixed batches: pure parsing, tolerant of what Google's clients really send.

apitools (gcloud, gsutil) puts the boundary in single quotes, which are no quotes in MIME, and ends lines with LF only.
"""

from __future__ import annotations

from typing import NamedTuple

from localcloud.errors import ApiError

# A head (delimiter, headers, JSON metadata, delimiter, headers) larger than this is no upload of any known client.
LARGEST_HEAD = 2 << 20
# Bytes that may follow the last delimiter: its two dashes, a line end, an epilogue.
_TAIL = 64


class Part(NamedTuple):
    """One part of a multipart message: lower-case header names, content as sent."""

    headers: dict[str, str]
    content: bytes


class RelatedHead(NamedTuple):
    """What precedes the media of a multipart/related upload; the media starts at offset `media_start`.

    `line_end` is how the sender ends lines: media may end with a carriage return that is no part of one.
    """

    metadata: bytes
    media_headers: dict[str, str]
    media_start: int
    line_end: bytes


def boundary_of(content_type: str) -> bytes:
    """Return the boundary parameter of a multipart Content-Type. Raises ApiError 400 when there is none."""
    lower = content_type.lower()
    start = lower.find("boundary=")
    if not lower.startswith("multipart/") or start < 0:
        raise ApiError(400, f"Content-Type {content_type!r} names no multipart boundary.", reason="badContent")
    value = content_type[start + len("boundary=") :].strip()
    quoted = value[:1] in ("'", '"')
    value = value[1 : value.find(value[0], 1)] if quoted else value.split(";", 1)[0].strip()
    if not value:
        raise ApiError(400, f"Content-Type {content_type!r} names an empty multipart boundary.", reason="badContent")
    return b"--" + value.encode("latin-1")


def _after_line(data: bytes, position: int) -> int:
    """Return the offset behind the line end that follows `position`, or -1 when it has not arrived yet."""
    end = data.find(b"\n", position)
    return end + 1 if end >= 0 else -1


def _read_headers(data: bytes, position: int) -> tuple[dict[str, str], int]:
    """Read header lines up to and with the empty line; the offset is -1 when that has not arrived yet."""
    headers: dict[str, str] = {}
    while True:
        end = data.find(b"\n", position)
        if end < 0:
            return headers, -1
        line = data[position:end].strip()
        position = end + 1
        if not line:
            return headers, position
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()


def split_related_head(data: bytes, delimiter: bytes) -> RelatedHead | None:
    """Read metadata and media headers from the start of an upload; None while `data` does not hold them completely."""
    start = data.find(delimiter)
    position = _after_line(data, start + len(delimiter)) if start >= 0 else -1
    if position < 0:
        return None
    _, position = _read_headers(data, position)
    if position < 0:
        return None
    end = data.find(b"\n" + delimiter, position - 1)
    second = _after_line(data, end + 1 + len(delimiter)) if end >= 0 else -1
    if second < 0:
        return None
    headers, media_start = _read_headers(data, second)
    if media_start < 0:
        return None
    line_end = b"\r\n" if data[second - 2 : second - 1] == b"\r" else b"\n"
    return RelatedHead(data[position:end], headers, media_start, line_end)


def tail_length(delimiter: bytes) -> int:
    """Return how many bytes at the end of an upload have to be held back to find the closing delimiter in them."""
    return len(delimiter) + _TAIL


def media_end(tail: bytes, delimiter: bytes, line_end: bytes) -> int:
    """Return the offset in `tail` (the end of an upload) at which the media ends. Raises ApiError 400 when cut off."""
    position = tail.rfind(line_end + delimiter + b"--")
    if position < 0:
        # An empty media part whose headers are followed by the delimiter at once.
        if tail.startswith(delimiter + b"--"):
            return 0
        raise ApiError(400, "The multipart upload ends without its closing boundary.", reason="badContent")
    return position


def split_mixed(body: bytes, content_type: str) -> list[Part]:
    """Split a multipart/mixed message into its parts. Raises ApiError 400 when it is malformed."""
    delimiter = boundary_of(content_type)
    if body.startswith(delimiter):
        body = b"\n" + body
    pieces = body.split(b"\n" + delimiter)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise ApiError(400, "The batch ends without its closing boundary.", reason="badContent")
    parts = []
    for piece in pieces[1:-1]:
        headers, position = _read_headers(piece, _after_line(piece, 0))
        if position < 0:
            raise ApiError(400, "A part of the batch has no end of its headers.", reason="badContent")
        content = piece[position:]
        parts.append(Part(headers, content[:-1] if content.endswith(b"\r") else content))
    return parts
