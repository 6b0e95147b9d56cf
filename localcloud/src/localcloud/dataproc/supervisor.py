"""Supervisor of one job driver: `python -m localcloud.dataproc.supervisor DIRECTORY`.

It runs in a session of its own, so that it outlives the server that started it. It writes the driver's output to a file
and its exit code, atomically, to another; when asked to (SIGTERM) or when the driver ends, it ends every process the
driver started. While it lives it holds a lock in the directory: the lock, not a process id, tells whether a driver is
watched.

Only the standard library is imported: a supervisor costs a few MiB and a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"
LOCK_FILE = "supervisor.lock"
STATE_FILE = "state.json"
OUTPUT_FILE = "driveroutput"
EXIT_FILE = "exit.json"
TERMINATE_FILE = "terminate"
# How long what a driver leaves behind when it ends by itself may take to end on SIGTERM.
LEFTOVER_GRACE_SECONDS = 2.0
LOCK_PATIENCE_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_WATCHED_SIGNALS = (signal.SIGTERM, signal.SIGCHLD)
CANNOT_START_CODE = 127
UNKNOWN_CODE = 255


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a reader sees either nothing or all of it, also after a crash."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def try_lock(directory: Path) -> int | None:
    """Return a descriptor that holds the directory's lock, or None while another process holds it."""
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def descendants(root: int) -> list[int]:
    """Return the processes below `root`, as /proc knows them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # The command name, in parentheses, may hold anything; what follows it is the state and the parent's id.
        parent = int(stat.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def kill_all(root: int, group: int | None, number: signal.Signals) -> None:
    """Send a signal to the driver's process group and to every process below `root`."""
    if group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)
    for process in descendants(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _prctl(option: int, value: int) -> None:
    """Call prctl(2); a kernel that refuses only loses a safety net."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _in_driver() -> None:
    """Run in the driver's process before it becomes the driver."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED_SIGNALS)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Starts one driver and sees it, and all it leaves behind, to the end."""

    def __init__(self, directory: Path) -> None:
        """Watch over the driver described in `directory`."""
        self.directory = directory
        self.driver: int | None = None
        # Kept, because a Popen that is forgotten waits for its process, and would take the exit code away from `_reap`.
        self._process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self.kill_at: float | None = None

    def run(self) -> None:
        """Do everything, once: a second supervisor of the same directory changes nothing."""
        if not self._become_the_only_one():
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED_SIGNALS)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        write_atomically(self.directory / STATE_FILE, {"supervisor": os.getpid()})
        if (self.directory / TERMINATE_FILE).exists():
            self.exit_code = -signal.SIGTERM
        else:
            self._start()
            self._watch()
        write_atomically(self.directory / EXIT_FILE, {"exit_code": self.exit_code})

    def _become_the_only_one(self) -> bool:
        """Take the lock for good; return False when this directory has, or had, another supervisor."""
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        # A server that looks whether a supervisor is there holds the lock for a moment.
        while (lock := try_lock(self.directory)) is None:
            if (self.directory / STATE_FILE).exists() or time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        if (self.directory / STATE_FILE).exists() or (self.directory / EXIT_FILE).exists():
            os.close(lock)
            return False
        return True

    def _start(self) -> None:
        plan = json.loads((self.directory / RUN_FILE).read_text(encoding="utf-8"))
        with (self.directory / OUTPUT_FILE).open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    plan["arguments"],
                    cwd=plan["directory"],
                    env=plan["environment"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_in_driver,  # noqa: PLW1509  (there are no threads here)
                )
            except (OSError, subprocess.SubprocessError) as problem:
                output.write(f"Cannot start the driver: {problem}\n".encode())
                self.exit_code = CANNOT_START_CODE
                return
        self.driver = self._process.pid
        write_atomically(self.directory / STATE_FILE, {"supervisor": os.getpid(), "driver": self.driver})

    def _watch(self) -> None:
        """Wait for the driver and then for the rest, ending them when that is asked for or due."""
        while True:
            self._reap()
            if self.exit_code is not None:
                if not descendants(os.getpid()):
                    return
                self._end_everything(LEFTOVER_GRACE_SECONDS)
            timeout = 3600.0 if self.kill_at is None else max(0.0, self.kill_at - time.monotonic())
            received = signal.sigtimedwait(_WATCHED_SIGNALS, min(timeout, 3600.0))
            if received and received.si_signo == signal.SIGTERM:
                self._end_everything(self._grace())
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                kill_all(os.getpid(), self.driver, signal.SIGKILL)
                # Processes may still appear between listing and killing: look again shortly.
                self.kill_at = time.monotonic() + 0.05

    def _end_everything(self, grace: float) -> None:
        if self.kill_at is None:
            kill_all(os.getpid(), self.driver, signal.SIGTERM)
            self.kill_at = time.monotonic() + grace
        else:
            self.kill_at = min(self.kill_at, time.monotonic() + grace)

    def _grace(self) -> float:
        """Return the seconds that whoever asked for the end allows."""
        try:
            return float((self.directory / TERMINATE_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return LEFTOVER_GRACE_SECONDS

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                if self.exit_code is None:
                    # Nothing is left to wait for: better an unknown end than none.
                    self.exit_code = UNKNOWN_CODE
                return
            if process == 0:
                return
            if process == self.driver:
                self.exit_code = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
