"""What happens to jobs in time: driver, output to the bucket, end, cancellation; all of it survives restarts."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from localcloud.dataproc.cluster_engine import ClusterEngine
from localcloud.dataproc.driver_slots import held_slots, most_drivers
from localcloud.dataproc.engine import DriverStatus, Engine, EngineError
from localcloud.dataproc.job_output import UPLOAD_INTERVAL_SECONDS, last_error_line, upload
from localcloud.dataproc.job_states import failure_details, set_state
from localcloud.dataproc.jobs import Jobs
from localcloud.dataproc.process_engine import END_GRACE_SECONDS, END_PATIENCE_SECONDS
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError

logger = logging.getLogger(__name__)
# A cancelled driver, and all it started, has this long to end by itself.
CANCEL_GRACE_SECONDS = 5.0


class JobRuns:
    """Moves every active job on; each step is recorded before the next, so that a restart goes on from there."""

    def __init__(
        self,
        records: Records,
        clusters: Records,
        jobs: Jobs,
        *,
        engine: Engine,
        cluster_engine: ClusterEngine,
        in_front: Callable[[dict[str, Any]], dict[str, str]],
        storage: Any,
        clock: Any,
    ) -> None:
        """Run the jobs in `records` with `engine` on nodes of `cluster_engine`; their output goes to `storage`.

        `in_front` returns the directories that stand in front of search paths on a cluster's nodes.
        """
        self._records = records
        self._clusters = clusters
        self._jobs = jobs
        self._engine = engine
        self._cluster_engine = cluster_engine
        self._in_front = in_front
        # Drivers by cluster, counted at every look.
        self._drivers: Counter[str] = Counter()
        self._storage = storage
        self._clock = clock
        self._uploaded_at: dict[str, float] = {}
        self._stopping = False
        # What is wrong with a job for the time being: it is logged once, not on every look.
        self._troubles: dict[str, str] = {}

    def tick(self) -> None:
        """Look at every active job once."""
        records = sorted(self._records.active(), key=lambda record: record.internal["submitted"])
        self._drivers = held_slots(records)
        for record in records:
            try:
                self._advance(record)
            except Exception as problem:
                # One job that cannot be moved on must not keep the others from it; the next look tries again.
                self._note_trouble(record, repr(problem), exc_info=True)

    def _note_trouble(self, record: Record, trouble: str, exc_info: bool = False) -> None:
        if self._troubles.get(record.key) != trouble:
            logger.warning("job %s: %s", record.key, trouble, exc_info=exc_info)
        self._troubles[record.key] = trouble

    def remove(self, record: Record) -> dict[str, Any]:
        """Delete an ended job with its directory; its output stays in the bucket, as on Google."""
        self._records.delete(record)
        self._engine.remove(record.internal["directory"])
        return {}

    async def stop(self) -> None:
        """End all drivers, because the local cloud is being stopped, and record that; waits until they are gone."""
        self._stopping = True
        records = list(self._records.active())
        for record in records:
            record.internal["stopped"] = True
            self._records.save(record)
            self._engine.terminate(record.internal["directory"], END_GRACE_SECONDS)
        deadline = time.monotonic() + END_GRACE_SECONDS + END_PATIENCE_SECONDS
        while time.monotonic() < deadline and any(self._is_running(record) for record in records):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(self._engine.reap, END_PATIENCE_SECONDS)
        self.tick()

    def _is_running(self, record: Record) -> bool:
        return self._engine.status(record.internal["directory"]).state == "running"

    def _advance(self, record: Record) -> None:
        state = record.body["status"]["state"]
        if state in ("PENDING", "SETUP_DONE") and (self._stopping or record.internal.get("stopped")):
            self._end(record, "ERROR", _STOPPED)
            return
        if state == "PENDING":
            self._prepare(record)
            state = record.body["status"]["state"]
        if state == "SETUP_DONE":
            self._start(record)
        elif state == "RUNNING":
            self._follow(record)
        elif state in ("CANCEL_PENDING", "CANCEL_STARTED"):
            self._cancel(record)

    def _prepare(self, record: Record) -> None:
        cluster = self._clusters.by_key(record.internal["cluster_key"])
        if (
            cluster is None
            or cluster.body["clusterUuid"] != record.internal["cluster_uuid"]
            or cluster.body["status"]["state"] in ("DELETING", "ERROR")
        ):
            self._end(record, "ERROR", self._cluster_gone(record))
        elif cluster.body["status"]["state"] in ("RUNNING", "UPDATING"):
            identity = cluster.body["clusterUuid"]
            if self._drivers[identity] >= most_drivers(cluster.body):
                self._queue(record, most_drivers(cluster.body))
            elif self._cluster_engine.is_serving(identity):
                self._drivers[identity] += 1
                set_state(record.body, "SETUP_DONE", self._clock.timestamp())
                self._records.save(record)

    def _queue(self, record: Record, most: int) -> None:
        """Note, once, that a job waits because its cluster runs as many drivers as it may."""
        if "substate" not in record.body["status"]:
            record.body["status"] |= {
                "substate": "QUEUED",
                "details": f"The cluster runs {most} drivers, as many as it may; the job starts when one has ended.",
            }
            self._records.save(record)

    def _start(self, record: Record) -> None:
        refusal = self._engine.refusal(record.body)
        if refusal:
            self._end(record, "ERROR", refusal)
            return
        if self._start_driver(record):
            set_state(record.body, "RUNNING", self._clock.timestamp())
            self._records.save(record)

    def _start_driver(self, record: Record) -> bool:
        """Start the driver; return False when that failed, which ends the job."""
        try:
            cluster = self._clusters.by_key(record.internal["cluster_key"])
            in_front = self._in_front(cluster.body) if cluster else {}
            self._engine.start(record.internal["directory"], record.body, in_front)
        except EngineError as problem:
            self._end(record, "ERROR", self._failure(record, str(problem)))
            return False
        return True

    def _follow(self, record: Record) -> None:
        name = record.internal["directory"]
        status = self._engine.status(name)
        if status.state == "running":
            if record.internal.get("cluster_gone"):
                self._engine.terminate(name, END_GRACE_SECONDS)
            self._upload(record)
            return
        if status.state == "lost":
            self._engine.terminate(name, 0)
        if record.internal.get("stopped"):
            self._end(record, "ERROR", _STOPPED)
        elif status.state == "absent":
            # The server died between starting the supervisor and its first sign of life: starting again is harmless.
            self._start_driver(record)
        elif record.internal.get("cluster_gone"):
            self._end(record, "ERROR", self._cluster_gone(record))
        elif status.exit_code == 0:
            record.body["status"]["details"] = "Agent reported job success"
            self._end(record, "DONE")
        else:
            self._end(record, "ERROR", self._failure(record, self._why(name, status)))

    def _why(self, name: str, status: DriverStatus) -> str:
        if status.state != "exited":
            return "The driver was lost: its process is gone and left no exit code."
        if status.exit_code is not None and status.exit_code < 0:
            return f"The driver was killed by signal {-status.exit_code}."
        return last_error_line(self._engine, name) or f"The driver exited with code {status.exit_code}."

    def _cancel(self, record: Record) -> None:
        name = record.internal["directory"]
        status = self._engine.status(name)
        if record.body["status"]["state"] == "CANCEL_PENDING":
            set_state(record.body, "CANCEL_STARTED", self._clock.timestamp())
            self._records.save(record)
            self._engine.terminate(name, CANCEL_GRACE_SECONDS)
        elif status.state == "running":
            self._upload(record)
            # Asked again on every look: the first time may have been before the supervisor listened, or before a crash.
            self._engine.terminate(name, CANCEL_GRACE_SECONDS)
        else:
            if status.state == "lost":
                self._engine.terminate(name, 0)
            self._end(record, "CANCELLED")

    def _upload(self, record: Record, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._uploaded_at.get(record.key, -1e9) < UPLOAD_INTERVAL_SECONDS:
            return
        self._uploaded_at[record.key] = now
        place = record.internal
        progress = dict(place["output"])
        try:
            wrote = upload(
                self._engine,
                self._storage,
                place["directory"],
                bucket=place["bucket"],
                prefix=place["prefix"],
                progress=progress,
                last=last,
            )
        except (ApiError, OSError, sqlite3.Error) as problem:
            place["output_problem"] = f"Driver output could not be written to gs://{place['bucket']}: {problem}"
            self._note_trouble(record, place["output_problem"])
            return
        place.pop("output_problem", None)
        if wrote:
            place["output"] = progress
            self._records.save(record)

    def _end(self, record: Record, state: str, details: str = "") -> None:
        """Record the end of a job, after the last of its output is in the bucket."""
        self._upload(record, last=True)
        self._uploaded_at.pop(record.key, None)
        details = " ".join(filter(None, (details, record.internal.get("output_problem"))))
        set_state(record.body, state, self._clock.timestamp(), details)
        self._records.save(record)
        self._troubles.pop(record.key, None)
        self._jobs.note_end(record)

    def _failure(self, record: Record, message: str) -> str:
        location = record.location
        return failure_details(
            message, location.project, location.region, record.id, record.body["driverOutputResourceUri"]
        )

    @staticmethod
    def _cluster_gone(record: Record) -> str:
        return f"Cluster '{record.body['placement']['clusterName']}' was deleted, or failed, before the job was done."


_STOPPED = "The driver was stopped because the local cloud was stopped."
