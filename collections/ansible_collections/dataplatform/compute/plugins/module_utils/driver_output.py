# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The output of a Dataproc driver: a series of objects in the staging bucket, read as lines while it grows.

Dataproc writes ``<driverOutputResourceUri>.000000000``, ``.000000001`` and so on; an empty object closes the series.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_GCS_URI = re.compile(r"gs://(?P<bucket>[^/]+)/(?P<name>.+)")
_PART = re.compile(r"\.\d{9}$")
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

CHUNK_BYTES = 4 * 1024 * 1024
"""Most bytes asked for in one request, so that a huge log never has to fit into memory at once."""

LONGEST_LINE = 16 * 1024
"""Characters after which a line without an end is shown as it is."""


@dataclass(frozen=True)
class OutputPart:
    """One object of the series: its name and its size in bytes."""

    name: str
    size: int


class ObjectReader(Protocol):
    """The two calls on Cloud Storage that reading a driver's output takes."""

    def list_objects(self, bucket: str, prefix: str) -> Iterable[OutputPart]:
        """All objects whose name starts with the prefix; nothing when the bucket or the objects do not exist."""

    def read_range(self, bucket: str, name: str, start: int, end: int) -> bytes:
        """The bytes from start up to, not including, end."""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and object name of a ``gs://`` address. Raises ValueError naming the address."""
    match = _GCS_URI.fullmatch(uri)
    if match is None:
        raise ValueError(f"{uri!r} is no address of the form gs://bucket/name")
    return match["bucket"], match["name"]


def printable(line: str) -> str:
    """A line of somebody else's program as it may safely reach a terminal.

    Escape sequences and control characters go; of a line that was overwritten with carriage returns
    (progress bars) the last version stays.
    """
    visible = [part for part in line.rstrip("\r").split("\r") if part]
    return _CONTROL.sub("", _ESCAPE_SEQUENCE.sub("", visible[-1] if visible else ""))


class LineAssembler:
    """Turns bytes that arrive in pieces into whole, printable lines."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """The lines that these bytes complete."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = ""
        return [printable(line) for line in lines]

    def finish(self) -> list[str]:
        """What is left when no more bytes come: the last line, if it had no line end."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        return [printable(rest)] if rest else []


class DriverOutput:
    """Follows one driver's output. ``tail`` holds the last lines seen, ``closed`` tells that no more will come.

    Reading raises ValueError when the uri is no address in Cloud Storage.
    """

    def __init__(self, objects: ObjectReader, uri: str, tail_lines: int) -> None:
        self.uri = uri
        self.closed = False
        self.tail: deque[str] = deque(maxlen=tail_lines or None)
        self._objects = objects
        self._assembler = LineAssembler()
        self._read: dict[str, int] = {}

    def poll(self) -> list[str]:
        """The lines that have arrived since the last call; nothing while there is no output yet."""
        lines: list[str] = []
        bucket, _prefix = split_uri(self.uri)
        for part in self._parts():
            position = self._read.get(part.name, 0)
            while position < part.size:
                end = min(part.size, position + CHUNK_BYTES)
                data = self._objects.read_range(bucket, part.name, position, end)
                if not data:
                    break
                position += len(data)
                lines += self._assembler.feed(data)
            self._read[part.name] = position
            self.closed = part.size == 0
        self.tail.extend(lines)
        return lines

    def finish(self) -> list[str]:
        """The last line, if the driver ended without a line end."""
        lines = self._assembler.finish()
        self.tail.extend(lines)
        return lines

    def skip_to_tail(self, most_bytes: int) -> None:
        """Start reading no more than this many bytes before the present end, for a caller who wants the end only."""
        left = most_bytes
        for part in reversed(self._parts()):
            skipped = max(0, part.size - left)
            left -= part.size - skipped
            self._read[part.name] = skipped

    def _parts(self) -> list[OutputPart]:
        bucket, prefix = split_uri(self.uri)
        found = self._objects.list_objects(bucket, f"{prefix}.")
        return sorted((part for part in found if _PART.fullmatch(part.name[len(prefix) :])), key=lambda part: part.name)
