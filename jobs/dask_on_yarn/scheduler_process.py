"""The launcher's side of the Dask scheduler: start it, wait until it serves, pass its log on, end it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import dask_on_yarn
from dask_on_yarn.exit_codes import CLUSTER_LOST, RunEnded
from dask_on_yarn.processes import dying_with_parent
from dask_on_yarn.security import RunSecurity

STOP_SECONDS = 10.0


def reserve_port(host: str) -> socket.socket:
    """A free TCP port of ``host``, bound and not listened on: nobody else is given it, the scheduler can take it."""
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((host, 0))
    return reserved


class SchedulerProcess:
    """A Dask scheduler as a child of this process; it dies with the thread that starts it."""

    def __init__(self, host: str, directory: Path, log: Callable[[str], None]) -> None:
        """``directory`` holds the certificate and must be readable by this user only; ``log`` gets the log's lines."""
        self._directory = directory
        self._log = log
        # YARN is told the dashboard's address before the scheduler is up.
        self._reserved = reserve_port(host)
        self.dashboard_port: int = self._reserved.getsockname()[1]
        self._tail: deque[str] = deque(maxlen=30)
        self._ready = threading.Event()
        self._contact: dict[str, object] = {}
        package = str(Path(dask_on_yarn.__file__).parent.parent)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH")))),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "dask_on_yarn.scheduler_main", host, str(self.dashboard_port), str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - two system calls, no locks
        )
        threading.Thread(target=self._read_contact, daemon=True).start()
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()

    def _read_contact(self) -> None:
        line = self.process.stdout.readline()
        if line:
            self._contact = json.loads(line)
        self._reserved.close()
        self._ready.set()

    def _read_log(self) -> None:
        for line in self.process.stderr:
            self._tail.append(line.rstrip())
            self._log(line.rstrip())

    @property
    def ready(self) -> bool:
        """Whether it serves; raises RunEnded when it ended instead."""
        if not self._ready.is_set():
            return False
        if not self._contact:
            self._log_reader.join(STOP_SECONDS)
            raise RunEnded(CLUSTER_LOST, "the Dask scheduler did not start:\n" + "\n".join(self._tail))
        return True

    @property
    def address(self) -> str:
        """``tls://host:port``; valid once ``ready``."""
        return str(self._contact["address"])

    def security(self) -> RunSecurity:
        """The run's certificate and key; once, when ``ready``: the files go, so a killed launcher leaves no key."""
        return RunSecurity.take(self._directory)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self.process.poll()

    @property
    def log_tail(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self._tail)

    def stop(self) -> None:
        """End it: politely, then for good."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
