"""The task of a worker slot: runs inside a YARN container, starts one Dask worker with its nanny and waits for it.

Only the standard library is imported here: the module is loaded by Spark's Python worker on every node.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dask_on_yarn
from dask_on_yarn.processes import SHARED_UMASK, dying_with_parent
from dask_on_yarn.security import RunSecurity

TAIL_LINES = 40


@dataclass(frozen=True)
class WorkerTask:
    """What a container needs to know to run a slot's worker; travels encrypted to the executor."""

    slot: str
    first_try: int
    scheduler: str
    certificate: str
    key: str = field(repr=False)
    threads: int = 1
    memory_limit_mb: int = 1024
    death_timeout_seconds: int = 60
    environment: dict[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkerEnd:
    """How a worker ended: ``exit_code`` is negative for a signal; ``log`` holds the last lines it wrote."""

    name: str
    host: str
    attempt: int
    exit_code: int
    log: tuple[str, ...]


def worker_name(slot: str, host: str, attempt: int) -> str:
    """The name people see in logs and on the dashboard, such as ``worker-2 on node-a try 1``."""
    return f"{slot} on {host} try {attempt}"


def parse_worker_name(name: str) -> tuple[str, str, int] | None:
    """Slot, host and attempt of a worker's name; None when the worker is not one of ours."""
    slot, on, rest = name.partition(" on ")
    host, attempt_word, attempt = rest.rpartition(" try ")
    if not (on and attempt_word and attempt.isdigit()):
        return None
    return slot, host, int(attempt)


def run_worker(tasks: Iterable[WorkerTask]) -> Iterator[WorkerEnd]:
    """Run the one worker of a slot until it ends; the function Spark calls in the executor."""
    from pyspark import TaskContext  # noqa: PLC0415 - present in the executor only

    context = TaskContext.get()
    for task in tasks:
        yield start_worker(task, task.first_try + (context.attemptNumber() if context else 0))


def start_worker(task: WorkerTask, attempt: int) -> WorkerEnd:
    """Start the worker and wait; blocks as long as it lives."""
    host = os.environ.get("NM_HOST") or os.uname().nodename
    name = worker_name(task.slot, host, attempt)
    directory = worker_directory(f"{task.slot}-try-{attempt}")
    process = subprocess.Popen(
        _command(task, name, directory),
        env=_environment(task, directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=SHARED_UMASK,
        preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two system calls, no locks
    )
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    reader = threading.Thread(target=_copy_log, args=(process, name, tail), daemon=True)
    reader.start()
    exit_code = process.wait()
    reader.join(5)
    shutil.rmtree(directory, ignore_errors=True)
    return WorkerEnd(name=name, host=host, attempt=attempt, exit_code=exit_code, log=tuple(tail))


def worker_directory(name: str) -> Path:
    """A private directory for spilled data and temporary files, on the local disk with the most room.

    It lies in this container's own directory below one of YARN's local directories, so the NodeManager removes it
    together with the container however the worker ends.
    """
    container = os.environ.get("CONTAINER_ID", "")
    candidates = [Path(local) for local in os.environ.get("LOCAL_DIRS", "").split(",") if local]
    candidates = [local for local in candidates if os.access(local, os.W_OK)] if container else []
    base = max(candidates, key=lambda local: shutil.disk_usage(local).free) / container if candidates else Path.cwd()
    directory = base / name
    (directory / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def _command(task: WorkerTask, name: str, directory: Path) -> list[str]:
    command = [sys.executable, "-u", "-m", "distributed.cli.dask_worker", task.scheduler, "--name", name]
    command += ["--nthreads", str(task.threads), "--memory-limit", f"{task.memory_limit_mb}MiB"]
    command += ["--local-directory", str(directory), "--death-timeout", str(task.death_timeout_seconds)]
    # Its HTTP server is there without a dashboard, too: figures for the node's metrics agent, and for nobody else.
    command += ["--nanny", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    for module in task.preload:
        command += ["--preload", module]
    return command


def _environment(task: WorkerTask, directory: Path) -> dict[str, str]:
    package = str(Path(dask_on_yarn.__file__).parent.parent)
    tls = RunSecurity(certificate=task.certificate, key=task.key).write(directory)
    environment = {**os.environ, **task.environment, **tls}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment["TMPDIR"] = str(directory / "tmp")
    environment.pop("PYSPARK_GATEWAY_PORT", None)
    return environment


def _copy_log(process: subprocess.Popen[str], name: str, tail: deque[str]) -> None:
    for line in process.stdout:
        tail.append(line.rstrip())
        sys.stderr.write(f"{name} | {line}")
        sys.stderr.flush()
