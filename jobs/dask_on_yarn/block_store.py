"""A directory of blocks of files, limited in size, shared by any number of threads and processes without a lock."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

BLOCK_BYTES = 2**20
#: A file keeps so much of what it read last in memory: parsers read in small or overlapping pieces.
HOLD_BYTES = 8 * BLOCK_BYTES
#: A process looks at the directory's size again after it has written this share of the limit.
CHECK_SHARE = 0.05
#: Eviction goes down to this share of the limit, so that it does not run again at once.
KEEP_SHARE = 0.9
#: Nothing is written while the disk has less room than this share: workers spill to the same disk.
FREE_SHARE = 0.1
#: A block's last use is noted at most this often, in seconds.
TOUCH_SECONDS = 60

logger = logging.getLogger("distributed.input_cache")


class BlockStore:
    """Blocks by key; a block that is missing, incomplete or unreadable is simply not there."""

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        """Use (and create) a directory; OSError when that is not possible."""
        self.directory, self.limit_bytes = Path(directory), limit_bytes
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._unchecked = 0
        self._room = True
        self.check_size()

    def read(self, key: str, length: int) -> bytes | None:
        """Return a block, None when it is not there with that length."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                content = file.read()
                stale = time.time() - os.fstat(file.fileno()).st_mtime > TOUCH_SECONDS
            if stale:
                os.utime(path)
        except OSError:
            return None
        return content if len(content) == length else None

    def write(self, key: str, content: bytes | memoryview) -> None:
        """Keep a block; a disk that is full or broken only means that it is not kept."""
        if not self._room and not self._is_due(len(content)):
            return
        temporary = self.directory / f"{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(content)
            temporary.rename(self._path(key))
        except OSError as error:
            logger.warning("input cache: %s: %s", self.directory, error)
            temporary.unlink(missing_ok=True)
            self._room = False
        if self._is_due(len(content)):
            self.check_size()

    def check_size(self) -> None:
        """Delete the longest unused blocks while there are more than the limit, or the disk has too little room."""
        with self._lock:
            self._unchecked = 0
        entries = self._entries()
        total = sum(size for _, size, _ in entries)
        disk = shutil.disk_usage(self.directory)
        missing = disk.total * FREE_SHARE - disk.free
        excess = total - self.limit_bytes * KEEP_SHARE if total > self.limit_bytes * (1 - CHECK_SHARE) else 0
        excess = max(excess, missing)
        for _, size, path in sorted(entries):
            if excess <= 0:
                break
            Path(path).unlink(missing_ok=True)
            excess -= size
        self._room = excess <= 0

    def _is_due(self, written: int) -> bool:
        with self._lock:
            self._unchecked += written
            return self._unchecked >= self.limit_bytes * CHECK_SHARE

    def _entries(self) -> list[tuple[float, int, str]]:
        found = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError:
                    continue  # evicted by another process
                found.append((status.st_mtime, status.st_size, entry.path))
        return found

    def _path(self, key: str) -> Path:
        return self.directory / key


class FileBlocks:
    """Reads one version of one file through a store; ``fetch(start, end)`` gets what is not there."""

    def __init__(
        self,
        store: BlockStore,
        version: str,
        size: int,
        fetch: Callable[[int, int], bytes],
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        """``version`` names the content: it must change when the content does."""
        self._store, self._size, self._fetch, self._block_bytes = store, size, fetch, block_bytes
        self._prefix = hashlib.sha256(f"{version} {size} {block_bytes}".encode()).hexdigest()[:40]
        # Offset and content of whole blocks, replaced at once: threads may share a file.
        self._held: tuple[int, bytes] = (0, b"")

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from start to end; what is missing is fetched in as few requests as possible."""
        if start >= end or start >= self._size:
            return b""
        offset, content = self._held
        if offset <= start and end <= offset + len(content):
            return content[start - offset : end - offset]
        first, last = start // self._block_bytes, (end - 1) // self._block_bytes
        parts: list[bytes] = []
        missing: int | None = None
        for number in range(first, last + 2):
            block = self._known(number) if number <= last else b""
            if block is None:
                missing = number if missing is None else missing
                continue
            if missing is not None:
                fetched = self._fetch_blocks(missing, number - 1)
                if fetched is None:
                    return self._fetch(start, end)
                parts.append(fetched)
                missing = None
            parts.append(block)
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        offset = first * self._block_bytes
        kept = content if len(content) <= HOLD_BYTES else content[(last - first) * self._block_bytes :]
        self._held = (offset + len(content) - len(kept), kept)
        return content[start - offset : end - offset]

    def _known(self, number: int) -> bytes | None:
        offset, content = self._held
        start, length = number * self._block_bytes, self._length(number)
        if offset <= start and start + length <= offset + len(content):
            return content[start - offset : start - offset + length]
        return self._store.read(self._key(number), length)

    def _fetch_blocks(self, first: int, last: int) -> bytes | None:
        """Fetch and keep whole blocks; None when the file has become shorter since it was opened."""
        start = first * self._block_bytes
        end = min(self._size, (last + 1) * self._block_bytes)
        content = self._fetch(start, end)
        if len(content) != end - start:
            return None
        view = memoryview(content)
        for number in range(first, last + 1):
            block = view[(number - first) * self._block_bytes :][: self._length(number)]
            self._store.write(self._key(number), block)
        return content

    def _length(self, number: int) -> int:
        return min(self._block_bytes, self._size - number * self._block_bytes)

    def _key(self, number: int) -> str:
        return f"{self._prefix}-{number}"
