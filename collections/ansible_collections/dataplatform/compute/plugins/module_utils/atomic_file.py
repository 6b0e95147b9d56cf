# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are replaced whole or not at all, whatever ends the process or the machine meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

_MODE_OF_NEW_FILES = 0o644


def replace_file(path: Path, text: str) -> None:
    """Give the file this content. It keeps its owner and mode, and a symbolic link stays one. Raises OSError.

    Until the last moment the content is in a hidden file beside it, which Ansible does not read. One that a killed
    process left there goes with the next call; of two calls at once for one file, one fails.
    """
    target = path.resolve()
    prefix, suffix = f".{target.name}.", ".new"
    for left_over in target.parent.glob(f"{prefix}*{suffix}"):
        left_over.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=suffix)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            _take_over(target, handle)
            stream.write(text)
            stream.flush()
            os.fsync(handle)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    # The new name reaches the disk, too, where the file system can promise that.
    with contextlib.suppress(OSError):
        _sync_directory(target.parent)


def _take_over(target: Path, handle: int) -> None:
    """Mode and owner of the file that is replaced."""
    if not target.exists():
        os.fchmod(handle, _MODE_OF_NEW_FILES)
        return
    present = target.stat()
    # Only root may give files away.
    with contextlib.suppress(PermissionError):
        os.fchown(handle, present.st_uid, present.st_gid)
    os.fchmod(handle, stat.S_IMODE(present.st_mode))


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
