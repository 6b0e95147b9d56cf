"""Hadoop's daemons as processes under supervisors: they outlive the server, and nothing outlives them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from localcloud.dataproc import supervisor
from localcloud.hadoop.configuration import MARKER
from localcloud.hadoop.errors import HadoopError
from localcloud.search_paths import PATH

_END_SECONDS = 20.0
_LOOK_SECONDS = 0.01
# Supervisors that this process started: a Popen that is asked again reaps its process when it has ended.
_children: dict[Path, subprocess.Popen[bytes]] = {}


class Daemon:
    """One JVM and all it starts, described by files in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Look after the daemon whose files are in `directory`, which may not exist yet."""
        self._directory = directory

    @property
    def log_file(self) -> Path:
        """What the daemon wrote to its output."""
        return self._directory / supervisor.OUTPUT_FILE

    def start(self, command: list[str], environment: dict[str, str], work: Path) -> None:
        """Start it, forgetting the files of an earlier run; a daemon that runs is left as it is."""
        if self.alive():
            return
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(mode=0o700, parents=True)
        plan = {"arguments": command, "directory": str(work), "environment": environment}
        supervisor.write_atomically(self._directory / supervisor.RUN_FILE, plan)
        with (self._directory / "supervisor.log").open("ab") as log:
            _children[self._directory] = subprocess.Popen(
                [sys.executable, "-m", supervisor.__name__, str(self._directory)],
                env={"PATH": PATH, "LANG": "C.UTF-8", "PYTHONPATH": str(Path(supervisor.__file__).parents[2])},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def alive(self) -> bool:
        """Return whether it runs, or is about to."""
        if not (self._directory / supervisor.RUN_FILE).exists() or (self._directory / supervisor.EXIT_FILE).exists():
            return False
        child = _children.get(self._directory)
        if child is not None and child.poll() is None:
            return True
        lock = supervisor.try_lock(self._directory)
        if lock is not None:
            os.close(lock)
            return False
        return True

    def kill(self) -> None:
        """End it and all it started at once, as a machine that loses power would. Raises HadoopError if that fails."""
        if not self._directory.exists():
            return
        # Written first: a supervisor that is only just starting finds it, and starts nothing.
        (self._directory / supervisor.TERMINATE_FILE).write_text("0", encoding="utf-8")
        watcher = self._supervisor()
        deadline = time.monotonic() + _END_SECONDS
        while self.alive():
            if watcher is None:
                watcher = self._supervisor()
            else:
                # Not SIGTERM first, on which a daemon says goodbye and cleans up: a machine that is lost does not.
                supervisor.kill_all(watcher, None, signal.SIGKILL)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(watcher, signal.SIGTERM)
            if time.monotonic() > deadline:
                raise HadoopError(
                    f"process {watcher} in {self._directory} has not ended {_END_SECONDS:.0f} s after SIGKILL"
                )
            time.sleep(_LOOK_SECONDS)
        child = _children.pop(self._directory, None)
        if child is not None:
            child.wait(_END_SECONDS)

    def _supervisor(self) -> int | None:
        """Return the supervisor's process id once it holds its lock and has written it down."""
        try:
            state = (self._directory / supervisor.STATE_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return json.loads(state).get("supervisor")

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the daemon's output."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(0, self.log_file.stat().st_size - 64 * 1024))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def failure(self) -> str:
        """Return why it ended, in its own words: the innermost cause of its last exception, or the log's tail."""
        tail = self.log_tail(400).splitlines()
        fatal = [number for number, line in enumerate(tail) if " FATAL " in line or " ERROR " in line]
        causes = [line.strip() for line in tail[fatal[0] if fatal else 0 :] if line.startswith("Caused by: ")]
        if causes:
            return causes[-1].removeprefix("Caused by: ")
        return self.log_tail()


def sweep(directory: Path) -> None:
    """Kill every process that a daemon below `directory` left behind because its supervisor was killed.

    They are known by the variable that daemons hand down; nothing else of this machine has it.
    """
    deadline = time.monotonic() + _END_SECONDS
    while left := leftovers(directory):
        if time.monotonic() > deadline:
            raise HadoopError(f"processes {left} of {directory} have not ended {_END_SECONDS:.0f} s after SIGKILL")
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


def leftovers(directory: Path) -> list[int]:
    """Return the processes whose environment says that they belong to a daemon in or below `directory`."""
    marks = (f"{MARKER}={directory}".encode() + b"\0", f"{MARKER}={directory}/".encode())
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes() + b"\0"
        except OSError:
            continue
        if any(environment.startswith(mark) or b"\0" + mark in environment for mark in marks):
            found.append(int(entry.name))
    return found
