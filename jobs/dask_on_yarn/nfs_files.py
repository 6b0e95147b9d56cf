"""Gives files on NFS that fsspec opens for reading a read cache, as files from a bucket have.

fsspec hands out plain Python files for local paths, which have none. A file system object that a client sends to a
worker names its class, so registering another class for the protocol would not reach it: the method is replaced in the
class.
"""

from __future__ import annotations

import io
import os
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

from dask_on_yarn.storage_warnings import NETWORK_TYPES, mounts

READ_AHEAD_BYTES = 2**20


class NetworkDevices:
    """The devices (``st_dev``) of mounted NFS file systems; a device that is not known yet is looked up."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[int, bool] = {}

    def __contains__(self, device: int) -> bool:
        """Whether files of this device are on NFS."""
        if device not in self._known:
            self._known.update((mount.device, mount.kind in NETWORK_TYPES) for mount in mounts())
            self._known.setdefault(device, False)
        return self._known[device]


class NetworkFile(AbstractBufferedFile):
    """A file on NFS, opened for reading; ``cache_version`` changes when the file does."""

    def __init__(self, filesystem: LocalFileSystem, path: str, raw: io.FileIO) -> None:
        """Take over an open file; its attributes were revalidated by opening it."""
        self._raw = raw
        status = os.fstat(raw.fileno())
        self.cache_version = f"{status.st_dev} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns} {path}"
        super().__init__(filesystem, path, "rb", READ_AHEAD_BYTES, size=status.st_size)

    def _fetch_range(self, start: int, end: int) -> bytes:
        parts = []
        while start < end and (part := os.pread(self._raw.fileno(), end - start, start)):
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def fileno(self) -> int:
        """Return the file descriptor, as a plain file does."""
        return self._raw.fileno()

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._raw.close()
        super().close()


def install(devices: NetworkDevices | None = None) -> None:
    """Let LocalFileSystem open files on these devices (default: NFS) for reading as NetworkFile."""
    known = NetworkDevices() if devices is None else devices
    original = LocalFileSystem._open

    def _open(self: LocalFileSystem, path: str, mode: str = "rb", *args: Any, **options: Any) -> Any:
        if mode != "rb" or args or options.get("cache_type"):
            return original(self, path, mode, *args, **options)
        raw = io.FileIO(self._strip_protocol(path))
        if os.fstat(raw.fileno()).st_dev in known:
            return NetworkFile(self, path, raw)
        raw.close()
        return original(self, path, mode, **options)

    LocalFileSystem._open = _open
