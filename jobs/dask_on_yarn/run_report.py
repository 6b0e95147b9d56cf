"""What a run leaves behind: progress lines while it runs, the run record and Dask's performance report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask_on_yarn import cost
from dask_on_yarn.limits import Granted
from dask_on_yarn.options import Options
from dask_on_yarn.progress import Progress, Status
from dask_on_yarn.run_record import RunRecord, Tasks, Workers, YarnUsage

if TYPE_CHECKING:
    from distributed import Client

    from dask_on_yarn.resource_manager import Application

PERFORMANCE_REPORT = "performance-report.html"
#: The report is drawn by the scheduler; a run with a lot to draw must not hold its containers for it.
PERFORMANCE_REPORT_SECONDS = 60.0


class RunReport:
    """Collects a run's numbers. ``clock`` is in seconds."""

    def __init__(
        self,
        options: Options,
        granted: Granted,
        run: str,
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._progress = progress
        self._clock = clock
        self._begun = clock()
        self._script_started: float | None = None
        self._files: dict[str, Path] = {}
        self.record = RunRecord(
            run=run,
            workload=options.workload,
            owner=options.owner,
            queue=options.queue,
            workers=Workers(options.min_workers, options.max_workers, granted.max),
            limits=list(granted.messages),
        )

    def running(self, queued_seconds: float) -> None:
        """The first worker is there."""
        self.record.queued_seconds = round(queued_seconds, 3)
        self._script_started = time.time()

    def look(self, state: dict[str, Any]) -> None:
        """Take in what run_state.describe said, and tell people about it now and then."""
        record = self.record
        workers = len(state["workers"])
        record.workers.sample(self._clock() - self._begun, workers)
        record.tasks = Tasks(state["tasks_done"] + state["tasks_erred"], state["tasks_erred"], state["tasks_retried"])
        record.spilled_bytes = max(record.spilled_bytes or 0, state["spilled_total"], state["spilled"])
        record.memory_peak_bytes = max(record.memory_peak_bytes or 0, state["memory"])
        self._progress.update(
            Status(
                tasks_done=state["tasks_done"],
                tasks_total=max(state["tasks_total"], state["tasks_done"]),
                workers=workers,
                memory=state["memory"],
                memory_limit=state["memory_limit"],
                spilled=state["spilled"],
                tasks_erred=state["tasks_erred"],
            )
        )

    def draw_performance(self, client: Client, directory: Path) -> None:
        """Have the scheduler draw Dask's performance report; when it cannot, the record has a warning instead."""
        if self._script_started is None:
            return
        code = " ".join((self._options.script, *self._options.script_arguments))
        try:
            html = client.sync(
                client.scheduler.performance_report,
                start=self._script_started,
                last_count=0,
                code=code,
                mode="inline",
                callback_timeout=PERFORMANCE_REPORT_SECONDS,
            )
        except Exception as error:  # the scheduler may be gone or without bokeh; the report is a courtesy
            self.record.warnings.append(f"no performance report: {type(error).__name__}: {error}")
            return
        path = directory / PERFORMANCE_REPORT
        path.write_text(html)
        self._files[PERFORMANCE_REPORT] = path

    def finish(self, exit_code: int, reason: str, application: Application | None) -> None:
        """Complete the record, write it where it belongs, and tell people where that is."""
        record = self.record
        record.finish(exit_code, reason if exit_code else "")
        if application is not None:
            record.application_id = application.id
            record.yarn = YarnUsage(application.memory_mb_seconds, application.vcore_seconds)
            record.cost = cost.estimate(
                application.memory_mb_seconds,
                application.vcore_seconds,
                self._options.price_vcore_hour,
                self._options.price_gib_hour,
            )
            self._progress.say(f"used {record.cost}")
        if self._options.run_directory:
            directory = f"{self._options.run_directory.rstrip('/')}/{record.job_id or record.run}"
            url = record.write_or_say(directory, self._progress.say, self._files)
            if url:
                self._progress.say(f"run record: {url}")
