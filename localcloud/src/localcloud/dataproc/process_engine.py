"""Engine that runs job drivers as processes of this machine."""

from __future__ import annotations

import contextlib
import getpass
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
from localcloud.dataproc.drivers import Caller, PlainCaller, client_environment
from localcloud.dataproc.engine import DriverStatus, EngineError
from localcloud.dataproc.job_files import FileFetcher

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# When the local cloud stops, drivers have this long to end by themselves, and it waits this much longer for the rest.
END_GRACE_SECONDS = 2.0
END_PATIENCE_SECONDS = 3.0


class ProcessEngine:
    """Drivers are processes of this machine, each under a supervisor of its own (see `supervisor`)."""

    def __init__(self, jobs_directory: Path, environment_file: Path, caller: Caller, storage: Any) -> None:
        """Run drivers as `caller` says, in directories below `jobs_directory`.

        They get the variables of `environment_file` (how clients reach the local cloud) and their files from `storage`.
        """
        self._jobs_directory = jobs_directory
        self._environment_file = environment_file
        self._caller = caller
        self._files = FileFetcher(storage)
        # Supervisors that this server started, so that they are reaped when they end.
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def refusal(self, job: dict[str, Any]) -> str | None:
        """Return why this engine can never run `job`: it runs PySpark jobs only."""
        if "pysparkJob" in job:
            return None
        kind = next((name for name in job if name.endswith("Job")), "job")
        return f"The local cloud cannot run a {kind}: it runs pysparkJob only."

    def start(self, name: str, job: dict[str, Any]) -> None:
        """Fetch the job's files and start its driver. Raises EngineError naming what is missing."""
        if self.status(name).state != "absent":
            return
        python = self._caller.python
        if not python.exists():
            raise EngineError(f"The cluster's Python {python} does not exist; set LOCALCLOUD_CLUSTER_PYTHON to one.")
        directory = self._jobs_directory / name
        if (directory / supervisor.RUN_FILE).exists():
            # All was prepared, but the server died before the supervisor was there.
            self._spawn(name, directory)
            return
        work = directory / "work"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        work.mkdir(exist_ok=True)
        (directory / "tmp").mkdir(exist_ok=True)
        call = self._caller.call(job, self._files.fetch_all(job["pysparkJob"], work), directory / "tmp")
        plan = {
            "arguments": call.arguments,
            "directory": str(work),
            "environment": self._environment(directory) | call.environment,
        }
        supervisor.write_atomically(directory / supervisor.RUN_FILE, plan)
        self._spawn(name, directory)

    def _spawn(self, name: str, directory: Path) -> None:
        package_root = Path(supervisor.__file__).parents[2]
        with (directory / "supervisor.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", "localcloud.dataproc.supervisor", str(directory)],
                env={"PATH": _PATH, "LANG": "C.UTF-8", "PYTHONPATH": str(package_root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self, directory: Path) -> dict[str, str]:
        """Return what every driver's environment has: a clean base, and what reaches the local cloud."""
        base = {
            "PATH": f"{self._caller.python.parent}:{_PATH}",
            "HOME": str(directory / "work"),
            "TMPDIR": str(directory / "tmp"),
            "LANG": "C.UTF-8",
            "USER": getpass.getuser(),
            # Output reaches the bucket while the driver runs, not only when it ends.
            "PYTHONUNBUFFERED": "1",
        }
        return base | client_environment(self._environment_file)

    def status(self, name: str) -> DriverStatus:
        """Return how the driver is doing, from the files its supervisor keeps."""
        directory = self._jobs_directory / name
        child = self._children.get(name)
        child_ended = child is None or child.poll() is not None
        exit_file = directory / supervisor.EXIT_FILE
        if not exit_file.exists():
            if not (directory / supervisor.RUN_FILE).exists():
                return DriverStatus("absent")
            if not child_ended or self._is_watched(directory):
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

    @staticmethod
    def _is_watched(directory: Path) -> bool:
        lock = supervisor.try_lock(directory)
        if lock is None:
            return True
        os.close(lock)
        return False

    def output_size(self, name: str) -> int:
        """Return how many bytes the driver has written."""
        try:
            return (self._jobs_directory / name / supervisor.OUTPUT_FILE).stat().st_size
        except FileNotFoundError:
            return 0

    def read_output(self, name: str, start: int, end: int) -> bytes:
        """Return bytes [start, end) of the output."""
        try:
            with (self._jobs_directory / name / supervisor.OUTPUT_FILE).open("rb") as output:
                output.seek(start)
                return output.read(max(0, end - start))
        except FileNotFoundError:
            return b""

    def terminate(self, name: str, grace: float) -> None:
        """Ask the supervisor to end the driver; a driver without one (it was killed) is killed here."""
        directory = self._jobs_directory / name
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

    @staticmethod
    def _state(directory: Path) -> dict[str, int]:
        try:
            return json.loads((directory / supervisor.STATE_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def remove(self, name: str) -> None:
        """Delete the directory of a driver that has ended."""
        self._children.pop(name, None)
        shutil.rmtree(self._jobs_directory / name, ignore_errors=True)


def end_drivers(jobs_directory: Path) -> None:
    """End every driver below `jobs_directory`, whatever the stored state says about it; waits until they are gone."""
    engine = ProcessEngine(jobs_directory, Path(), PlainCaller(Path()), None)
    names = [path.parent.name for path in jobs_directory.glob(f"*/{supervisor.RUN_FILE}")]
    for name in names:
        engine.terminate(name, END_GRACE_SECONDS)
    deadline = time.monotonic() + END_GRACE_SECONDS + END_PATIENCE_SECONDS
    while time.monotonic() < deadline and any(engine.status(name).state == "running" for name in names):
        time.sleep(0.02)


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _belongs_to(process: int, directory: Path) -> bool:
    """Return whether a process still is the driver of `directory`, and not another that got its id."""
    try:
        return Path(f"/proc/{process}/cwd").readlink().is_relative_to(directory)
    except OSError:
        return False
