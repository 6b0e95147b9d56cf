"""The directory a run keeps its key, the script and scratch files in; it does not outlive the run.

A launcher that is killed cannot remove it: then the guard of the script does, and what was left because that was
killed, too, is removed by the next run of the same account. A lock on the directory tells a running launcher from a
dead one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "dask-run-"
#: A launcher locks its directory right after making it; younger ones may not be locked yet. Seconds.
YOUNG_SECONDS = 60.0


@contextlib.contextmanager
def run_directory() -> Iterator[Path]:
    """Make the directory, readable by this account only, and remove it in the end."""
    remove_leftovers(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def remove_leftovers(parent: Path) -> None:
    """Remove the directories of launchers of this account that are gone."""
    for directory in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, locked by a running launcher, or gone by now
            state = directory.lstat()
            ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
            if ours and time.time() - state.st_mtime > YOUNG_SECONDS:
                _remove_unlocked(directory)


def _remove_unlocked(directory: Path) -> None:
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)
