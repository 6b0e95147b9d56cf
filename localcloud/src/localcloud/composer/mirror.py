"""An environment's bucket and what Airflow sees of it on disk: dags/ and plugins/ one way, data/ both, logs/ back."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.errors import ApiError
from localcloud.files import write_private

# On Composer a change of dags/ or plugins/ takes about so long until Airflow sees it.
DELAY_SECONDS = 180.0
FOLDERS = ("dags", "plugins", "data", "logs")
_DELAYED = ("dags", "plugins")
_WRITTEN_BACK = ("data", "logs")
# A local file that nobody has open for writing, and that has not changed for so long, is complete; in real seconds.
_STABLE_SECONDS = 0.5
_PIECE = 256 << 10
_F_SETSIG = 10
_log = logging.getLogger("localcloud")


@dataclass(frozen=True)
class Known:
    """What a local file was when it was last the same as its object."""

    generation: int
    size: int
    modified: int


class Mirror:
    """Keeps one environment's local files and its bucket alike. Its methods are called on the event loop."""

    def __init__(self, storage: Any, clock: Any, bucket: str, directory: Path) -> None:
        """Mirror `bucket` at `directory`, beside which it keeps what it knows."""
        self._storage = storage
        self._clock = clock
        self._bucket = bucket
        self._directory = directory
        self._file = directory.with_name("mirror.json")
        self._incoming = directory.with_name("incoming")
        self._known = self._load()
        # What has changed in the bucket, and when Airflow is to see it.
        self._waiting: dict[str, tuple[int | None, float]] = {}
        self._refused: set[tuple[str, int]] = set()

    def pull(self) -> None:
        """Bring what has changed in the bucket, and whose time has come, to the disk; complete files only."""
        changed = False
        for folder in ("dags", "plugins", "data"):
            live = self._storage.list_objects(self._bucket, f"{folder}/")
            for name, generation in live.items():
                known = self._known.get(name)
                if (known is None or known.generation != generation) and self._is_due(folder, name, generation):
                    changed = self._fetch(name) or changed
            for name in [name for name in self._known if name.startswith(f"{folder}/") and name not in live]:
                if self._is_due(folder, name, None):
                    self._remove(name)
                    changed = True
            for name in [name for name in self._waiting if name.startswith(f"{folder}/")]:
                known = self._known.get(name)
                if live.get(name) == (known.generation if known else None):
                    # It was changed back before its time came.
                    del self._waiting[name]
        if changed:
            self._save()

    def push(self) -> None:
        """Bring what has changed on the disk, where that counts, to the bucket."""
        changed = False
        now = time.time_ns()
        for folder in _WRITTEN_BACK:
            found = dict(self._local_files(folder))
            for name, status in found.items():
                known = self._known.get(name)
                same = known is not None and (known.size, known.modified) == (status.st_size, status.st_mtime_ns)
                settled = now - status.st_mtime_ns > _STABLE_SECONDS * 1e9
                if not same and settled and not _is_being_written(self._directory / name):
                    self._upload(name, status)
                    changed = True
            for name in [name for name in self._known if name.startswith(f"{folder}/") and name not in found]:
                with contextlib.suppress(ApiError):
                    self._storage.delete_object(self._bucket, name)
                del self._known[name]
                changed = True
        if changed:
            self._save()

    def _is_due(self, folder: str, name: str, generation: int | None) -> bool:
        if folder not in _DELAYED:
            return True
        seen, due = self._waiting.get(name, (-1, 0.0))
        now = self._clock.now().timestamp()
        if seen != generation:
            due = self._clock.after(DELAY_SECONDS).timestamp()
            self._waiting[name] = (generation, due)
        return now >= due

    def _fetch(self, name: str) -> bool:
        """Write an object's content aside and put it in place; return whether it is there."""
        self._waiting.pop(name, None)
        target = self._path(name)
        generation, pieces = self._storage.read_chunks(self._bucket, name)
        if target is None:
            self._refuse(name, generation, "no file can have this name")
            return False
        self._incoming.mkdir(mode=0o700, exist_ok=True)
        temporary = self._incoming / secrets.token_hex(8)
        try:
            with temporary.open("wb") as stream:
                for piece in pieces:
                    stream.write(piece)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # By its descriptor: once it is in place, somebody may put another there.
            with temporary.open("rb") as written:
                size = os.fstat(written.fileno()).st_size
                temporary.replace(target)
                # Who read the file before while this one was written takes it for another only if it is newer. The
                # kernel's own time would be some milliseconds behind.
                now = time.time_ns()
                os.utime(written.fileno(), ns=(now, now))
                modified = os.fstat(written.fileno()).st_mtime_ns
        except OSError as problem:
            temporary.unlink(missing_ok=True)
            self._refuse(name, generation, str(problem))
            return False
        self._known[name] = Known(generation, size, modified)
        return True

    def _refuse(self, name: str, generation: int, why: str) -> None:
        """Say once that an object does not reach the disk."""
        if (name, generation) not in self._refused and not name.endswith("/"):
            _log.warning("gs://%s/%s does not reach Airflow: %s", self._bucket, name, why)
        self._refused.add((name, generation))

    def _remove(self, name: str) -> None:
        self._waiting.pop(name, None)
        del self._known[name]
        target = self._path(name)
        if target is None:
            return
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        # A directory is there as long as something is in it.
        for parent in target.parents:
            if parent.parent == self._directory:
                return
            try:
                parent.rmdir()
            except OSError:
                return

    def _upload(self, name: str, status: os.stat_result) -> None:
        path = self._directory / name
        try:
            generation = self._storage.write_object(self._bucket, name, _pieces(path))
        except (ApiError, FileNotFoundError):
            # The bucket was deleted, or the file a moment ago.
            return
        self._known[name] = Known(generation, status.st_size, status.st_mtime_ns)

    def _local_files(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        for parent, _directories, files in os.walk(self._directory / folder):
            for file in files:
                path = Path(parent) / file
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    if path.is_file() and not path.is_symlink():
                        yield path.relative_to(self._directory).as_posix(), status

    def _path(self, name: str) -> Path | None:
        """Return where an object is on the disk; None where no file can have its name."""
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            return None
        return self._directory.joinpath(*parts)

    def _load(self) -> dict[str, Known]:
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return {name: Known(*values) for name, values in stored.items()}

    def _save(self) -> None:
        stored = {name: [known.generation, known.size, known.modified] for name, known in self._known.items()}
        write_private(self._file, json.dumps(stored).encode())


def _is_being_written(path: Path) -> bool:
    """Return whether a process has the file open for writing: only then the kernel refuses a lease on it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        # Whoever opens it meanwhile waits until the lease is given back; the signal that says so is ignored by default.
        fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as problem:
        # Any other error: this file system has no leases.
        return problem.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
