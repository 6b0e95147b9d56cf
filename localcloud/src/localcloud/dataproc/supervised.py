"""Processes under supervisors (see `supervisor`): found again by a new server, and ended for certain."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from localcloud.dataproc import supervisor
from localcloud.dataproc.engine import DriverStatus
from localcloud.search_paths import PATH


class SupervisedProcesses:
    """Processes by name, each in a directory of its own below `root`."""

    def __init__(self, root: Path) -> None:
        """Know the processes that have a directory below `root`, whoever started them."""
        self._root = root
        # Supervisors that this server started, so that they are reaped when they end.
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, name: str) -> None:
        """Start the supervisor of what the directory's `supervisor.RUN_FILE` describes."""
        directory = self._root / name
        package_root = Path(supervisor.__file__).parents[2]
        with (directory / "supervisor.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", "localcloud.dataproc.supervisor", str(directory)],
                env={"PATH": PATH, "LANG": "C.UTF-8", "PYTHONPATH": str(package_root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def status(self, name: str) -> DriverStatus:
        """Return how a process is doing, from the files its supervisor keeps."""
        directory = self._root / name
        child = self._children.get(name)
        child_ended = child is None or child.poll() is not None
        exit_file = directory / supervisor.EXIT_FILE
        if not exit_file.exists():
            if not (directory / supervisor.RUN_FILE).exists():
                return DriverStatus("absent")
            if not child_ended or _is_locked(directory / supervisor.LOCK_FILE):
                return DriverStatus("running")
            # The supervisor may have ended between the two looks.
            if not exit_file.exists():
                started = (directory / supervisor.STATE_FILE).exists()
                return DriverStatus("lost" if started or child is not None else "absent")
        if child is not None:
            # The exit code is the last thing a supervisor writes; waiting for its end leaves no zombie behind.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.2)
                self._children.pop(name, None)
        return DriverStatus("exited", json.loads(exit_file.read_text(encoding="utf-8"))["exit_code"])

    def terminate(self, name: str, grace: float) -> None:
        """Ask the supervisor to end its process; a process without one (it was killed) is killed here."""
        directory = self._root / name
        if not directory.exists():
            return
        # Written before looking: a supervisor that takes the lock after the look finds it, and starts nothing.
        (directory / supervisor.TERMINATE_FILE).write_text(str(grace), encoding="utf-8")
        status = self.status(name)
        if status.state == "running":
            watcher = self._state(directory).get("supervisor")
            if watcher:
                _signal(watcher, signal.SIGTERM)
        elif status.state == "lost":
            driver = self._state(directory).get("driver")
            if driver and _belongs_to(driver, directory):
                supervisor.kill_all(driver, driver, signal.SIGKILL)

    def end_all(self, grace: float, patience: float) -> None:
        """End every process below the root; waits until they are gone, `patience` seconds longer than `grace`."""
        names = [path.parent.name for path in self._root.glob(f"*/{supervisor.RUN_FILE}")]
        for name in names:
            self.terminate(name, grace)
        deadline = time.monotonic() + grace + patience
        while time.monotonic() < deadline and any(self.status(name).state == "running" for name in names):
            time.sleep(0.02)
        self.reap(deadline - time.monotonic())

    def reap(self, patience: float) -> None:
        """Wait up to `patience` seconds for the end of all supervisors that have begun their work.

        On a busy machine they go a while after their processes. Those of a killed server are no children of this one.
        """
        deadline = time.monotonic() + patience
        for child in list(self._children.values()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
        locked = list(self._root.glob(f"*/{supervisor.LOCK_FILE}"))
        while time.monotonic() < deadline and any(map(_is_locked, locked)):
            time.sleep(0.02)

    @staticmethod
    def _state(directory: Path) -> dict[str, Any]:
        try:
            return json.loads((directory / supervisor.STATE_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def remove(self, name: str) -> None:
        """Delete the directory of a process that has ended."""
        self._children.pop(name, None)
        shutil.rmtree(self._root / name, ignore_errors=True)


def _is_locked(path: Path) -> bool:
    """Return whether a process holds a lock on a file; it is not made anew where it is being removed."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _belongs_to(process: int, directory: Path) -> bool:
    """Return whether a process still is the one of `directory`, and not another that got its id."""
    try:
        return Path(f"/proc/{process}/cwd").readlink().is_relative_to(directory)
    except OSError:
        return False
