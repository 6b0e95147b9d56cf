"""Engine that runs job drivers as processes of this machine."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from localcloud.dataproc import supervisor
from localcloud.dataproc.drivers import Caller, PlainCaller, client_environment
from localcloud.dataproc.engine import EngineError
from localcloud.dataproc.job_files import FileFetcher
from localcloud.dataproc.supervised import SupervisedProcesses
from localcloud.search_paths import PATH, put_in_front

# When the local cloud stops, drivers have this long to end by themselves, and it waits this much longer for the rest.
END_GRACE_SECONDS = 2.0
END_PATIENCE_SECONDS = 3.0


class ProcessEngine(SupervisedProcesses):
    """Drivers are processes of this machine, each under a supervisor of its own (see `supervisor`)."""

    def __init__(self, jobs_directory: Path, environment_file: Path, caller: Caller, storage: Any) -> None:
        """Run drivers as `caller` says, in directories below `jobs_directory`.

        They get the variables of `environment_file` (how clients reach the local cloud) and their files from `storage`.
        """
        super().__init__(jobs_directory)
        self._jobs_directory = jobs_directory
        self._environment_file = environment_file
        self._caller = caller
        self._files = FileFetcher(storage)

    def refusal(self, job: dict[str, Any]) -> str | None:
        """Return why this engine can never run `job`: it runs PySpark jobs only."""
        if "pysparkJob" in job:
            return None
        kind = next((name for name in job if name.endswith("Job")), "job")
        return f"The local cloud cannot run a {kind}: it runs pysparkJob only."

    def start(self, name: str, job: dict[str, Any], in_front: dict[str, str]) -> None:
        """Fetch the job's files and start its driver. Raises EngineError naming what is missing."""
        if self.status(name).state != "absent":
            return
        python = self._caller.python
        if not python.exists():
            raise EngineError(f"The cluster's Python {python} does not exist; set LOCALCLOUD_CLUSTER_PYTHON to one.")
        directory = self._jobs_directory / name
        if (directory / supervisor.RUN_FILE).exists():
            # All was prepared, but the server died before the supervisor was there.
            self.spawn(name)
            return
        work = directory / "work"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        work.mkdir(exist_ok=True)
        (directory / "tmp").mkdir(exist_ok=True)
        call = self._caller.call(job, self._files.fetch_all(job["pysparkJob"], work), directory / "tmp")
        plan = {
            "arguments": call.arguments,
            "directory": str(work),
            "environment": put_in_front(self._environment(directory) | call.environment, in_front),
        }
        supervisor.write_atomically(directory / supervisor.RUN_FILE, plan)
        self.spawn(name)

    def _environment(self, directory: Path) -> dict[str, str]:
        """Return what every driver's environment has: a clean base, and what reaches the local cloud."""
        base = {
            "PATH": f"{self._caller.python.parent}:{PATH}",
            "HOME": str(directory / "work"),
            "TMPDIR": str(directory / "tmp"),
            "LANG": "C.UTF-8",
            "USER": getpass.getuser(),
            # Output reaches the bucket while the driver runs, not only when it ends.
            "PYTHONUNBUFFERED": "1",
        }
        return base | client_environment(self._environment_file)

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


def end_drivers(jobs_directory: Path) -> None:
    """End every driver below `jobs_directory`, whatever the stored state says about it; waits until they are gone."""
    engine = ProcessEngine(jobs_directory, Path(), PlainCaller(Path()), None)
    engine.end_all(END_GRACE_SECONDS, END_PATIENCE_SECONDS)
