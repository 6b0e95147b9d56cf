"""Bytes of objects: small ones in the database, larger ones as files, complete before a row names them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from localcloud.errors import ApiError
from localcloud.store import require_disk_space

# Up to here a content lives in the database: one row costs less than creating, renaming and unlinking a file.
LARGEST_INLINE = 64 << 10
CHUNK = 256 << 10


class Content(NamedTuple):
    """A complete content that no row names yet: `data` for an inline one, else `file` relative to the directory."""

    size: int
    md5: str | None
    crc32c: str
    data: bytes | None
    file: str | None


class Hashes:
    """Running MD5 and CRC32C of a content."""

    def __init__(self) -> None:
        """Start with the empty content."""
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32c = 0
        self.size = 0

    def update(self, data: bytes) -> None:
        """Append `data`."""
        self._md5.update(data)
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self.size += len(data)

    @property
    def md5(self) -> str:
        """The MD5 in base64, as the JSON API spells it."""
        return base64.b64encode(self._md5.digest()).decode()

    @property
    def crc32c(self) -> str:
        """The big-endian CRC32C in base64, as the JSON API spells it."""
        return base64.b64encode(self._crc32c.to_bytes(4)).decode()


class Progress:
    """What memory holds of a resumable upload: one request at a time, and hashes that need no second reading."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self.lock = asyncio.Lock()
        self.hashes = Hashes()


class ContentWriter:
    """Takes a content piece by piece; `finish` makes it survive the process, `discard` forgets it."""

    def __init__(self, store: ContentStore) -> None:
        """Write into the directory of `store`."""
        self._store = store
        self._hashes = Hashes()
        self._pieces: list[bytes] = []
        self._temporary: Path | None = None
        self._descriptor = -1

    def write(self, data: bytes) -> None:
        """Append `data`. Raises OSError, for example ENOSPC."""
        self._hashes.update(data)
        if self._temporary is None:
            self._pieces.append(data)
            if self._hashes.size <= LARGEST_INLINE:
                return
            self._temporary = self._store.incoming / secrets.token_hex(16)
            self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            data = b"".join(self._pieces)
            self._pieces = []
        write_all(self._descriptor, data)

    def finish(self) -> Content:
        """Return the complete content; a file already has its final name. Raises OSError."""
        require_disk_space()
        hashes = self._hashes
        if self._temporary is None:
            return Content(hashes.size, hashes.md5, hashes.crc32c, b"".join(self._pieces), None)
        os.close(self._descriptor)
        self._descriptor = -1
        file = self._store.adopt(self._temporary)
        return Content(hashes.size, hashes.md5, hashes.crc32c, None, file)

    def discard(self) -> None:
        """Remove what was written; harmless after `finish`, whose file has moved away."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    """Write `data` completely. Raises OSError, for example ENOSPC."""
    require_disk_space()
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Reader:
    """An open content; stays readable when the object is deleted meanwhile."""

    def __init__(self, data: bytes | None, descriptor: int, size: int) -> None:
        """Read from `data`, or from the file `descriptor`, which this reader closes."""
        self._data = data
        self._descriptor = descriptor
        self.size = size

    def __del__(self) -> None:
        """Release the file of a reader that was never read: its client was gone before the answer began."""
        self.close()

    @property
    def inline(self) -> bytes | None:
        """The whole content when it is in memory anyway."""
        return self._data

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` up to, not including, `end`; closes the reader at the end."""
        position, end = start, self.size if end is None else end
        try:
            if self._data is not None:
                yield self._data[start:end]
                return
            while position < end:
                chunk = os.pread(self._descriptor, min(CHUNK, end - position), position)
                if not chunk:
                    raise OSError(f"a stored content is {position} bytes long, expected {self.size}")
                position += len(chunk)
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Release the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class ContentStore:
    """The contents of one instance: table `storage_contents` and files below `directory`."""

    def __init__(self, connection: sqlite3.Connection, directory: Path) -> None:
        """Create the directories when absent."""
        self._connection = connection
        self.directory = directory
        self.incoming = directory / "incoming"
        self.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)

    def writer(self) -> ContentWriter:
        """Return a writer for a new content."""
        return ContentWriter(self)

    def adopt(self, temporary: Path) -> str:
        """Rename a complete temporary file to its final place and return that, relative to the directory."""
        file = f"{temporary.name[:2]}/{temporary.name}"
        target = self.directory / file
        try:
            temporary.rename(target)
        except FileNotFoundError:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            temporary.rename(target)
        return file

    def insert(self, content: Content) -> int:
        """Add the row of a content inside the caller's transaction and return its id."""
        cursor = self._connection.execute(
            "INSERT INTO storage_contents (data, file) VALUES (?, ?)", (content.data, content.file)
        )
        return cursor.lastrowid

    def drop(self, content: Content) -> None:
        """Remove the file of a content that got no row after all."""
        if content.file is not None:
            (self.directory / content.file).unlink(missing_ok=True)

    def open(self, identifier: int, size: int) -> Reader:
        """Open the content of an object of `size` bytes. Raises OSError when its file is gone."""
        data, file = self._connection.execute(
            "SELECT data, file FROM storage_contents WHERE id = ?", (identifier,)
        ).fetchone()
        if file is None:
            return Reader(data, -1, size)
        return Reader(None, os.open(self.directory / file, os.O_RDONLY | os.O_CLOEXEC), size)

    def release(self, identifiers: Iterable[int]) -> list[str]:
        """Delete the rows of contents that no object refers to any more, inside the caller's transaction.

        Returns the files to `unlink` once that is committed.
        """
        files = []
        for identifier in identifiers:
            used = self._connection.execute(
                "SELECT 1 FROM storage_objects WHERE content = ? LIMIT 1", (identifier,)
            ).fetchone()
            if used is None:
                row = self._connection.execute(
                    "DELETE FROM storage_contents WHERE id = ? RETURNING file", (identifier,)
                ).fetchone()
                if row and row[0] is not None:
                    files.append(row[0])
        return files

    def unlink(self, files: Iterable[str]) -> None:
        """Remove files of released contents; one that is gone already is no error."""
        for file in files:
            with suppress(FileNotFoundError):
                (self.directory / file).unlink()

    def sweep(self) -> int:
        """Remove files that no row names, as a killed server leaves them; returns how many."""
        known = {
            file for (file,) in self._connection.execute("SELECT file FROM storage_contents WHERE file IS NOT NULL")
        }
        known.update(
            f"incoming/{file}"
            for (file,) in self._connection.execute("SELECT file FROM storage_uploads WHERE result IS NULL")
        )
        removed = 0
        for path in self.directory.glob("*/*"):
            if path.relative_to(self.directory).as_posix() not in known:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def verify_hashes(content: Content, md5: str | None, crc32c: str | None) -> None:
    """Compare with the checksums a client sent (base64). Raises ApiError 400 with Google's text when one differs."""
    if md5 and md5 != content.md5:
        raise ApiError(400, f'Provided MD5 hash "{md5}" doesn\'t match calculated MD5 hash "{content.md5}".')
    if crc32c and crc32c != content.crc32c:
        raise ApiError(400, f'Provided CRC32C "{crc32c}" doesn\'t match calculated CRC32C "{content.crc32c}".')
