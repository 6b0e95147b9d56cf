"""Payloads of secret versions: one file each, for its owner alone, so that a destroyed one leaves nothing behind."""

from __future__ import annotations

import uuid
from collections.abc import Container
from pathlib import Path

from localcloud.files import ensure_private_directory, write_private
from localcloud.store import require_disk_space


class Payloads:
    """A directory of files (0600) by random ids. SQLite would keep deleted bytes in free pages and in its log."""

    def __init__(self, directory: Path) -> None:
        """Use `directory` (0700), making it when it is missing."""
        ensure_private_directory(directory)
        self._directory = directory

    def write(self, data: bytes) -> str:
        """Keep `data`; return its id. Raises OSError when the disk is full."""
        require_disk_space()
        identifier = uuid.uuid4().hex
        write_private(self._directory / identifier, data)
        return identifier

    def read(self, identifier: str) -> bytes:
        """Return what was kept."""
        return (self._directory / identifier).read_bytes()

    def discard(self, identifier: str) -> None:
        """Delete a payload; one that is gone already is fine."""
        (self._directory / identifier).unlink(missing_ok=True)

    def sweep(self, kept: Container[str]) -> None:
        """Delete every file that no version refers to: a killed server leaves such between two steps."""
        for path in self._directory.iterdir():
            if path.name not in kept:
                path.unlink()
