"""The record of a run: one JSON object, ``run.json``, written beside the job's output when the run has ended.

Fields (times are UTC in ISO 8601, durations seconds, sizes bytes; null is "not known"):

=====================  ==============================================================================================
``schema``             version of this layout, now 1; fields may be added without a new version
``run``                unique name of this run
``job_id``             Dataproc job, null when the launcher was started by hand
``workload``           name of the workload in the inventory
``owner``, ``queue``   who the run is accounted to, and the YARN queue it asked for
``cluster``            ``yarn``, or ``local`` when Dask ran on the driver's own machine
``application_id``     YARN application, null on a local cluster or when YARN was never asked
``started``            when the launcher started
``finished``           when the record was written
``wall_seconds``       from start to finish
``queued_seconds``     from asking YARN until the first worker was there
``workers``            ``{"wanted_min", "wanted_max", "granted_max", "over_time": [[seconds since start, number]]}``
``tasks``              ``{"count", "erred", "retried"}``; ``retried``: computed again after a worker was lost
``spilled_bytes``      written to local disk because memory was full, over all workers
``memory_peak_bytes``  highest sum of the workers' memory that was sampled
``yarn``               ``{"memory_mb_seconds", "vcore_seconds"}`` as YARN accounts them (MiB), null on a local cluster
``cost``               an estimate: ``{"label": "estimate", "amount", "vcore_hours", "gib_hours", "price_vcore_hour",
                       "price_gib_hour"}``; the prices are those the run was started with
``result``             ``{"exit_code", "reason"}``; the reason is empty after a success
``limits``             sentences about what was asked for and not granted
``warnings``           sentences about what should be looked at
``files``              names of the files written beside the record
=====================  ==============================================================================================
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dask_on_yarn.cost import CostEstimate

SCHEMA = 1
RECORD_NAME = "run.json"
WRITE_SECONDS = 60.0


@dataclass
class Workers:
    """How many workers were asked for, granted, and there over time (seconds since start, number)."""

    wanted_min: int = 0
    wanted_max: int = 0
    granted_max: int = 0
    over_time: list[tuple[float, int]] = field(default_factory=list)

    def sample(self, seconds: float, count: int) -> None:
        """Add a sample if the number changed since the last one."""
        if not self.over_time or self.over_time[-1][1] != count:
            self.over_time.append((round(seconds, 1), count))


@dataclass
class Tasks:
    """Counts of Dask tasks."""

    count: int = 0
    erred: int = 0
    retried: int = 0


@dataclass
class YarnUsage:
    """What YARN accounted to the application: MiB-seconds and vcore-seconds."""

    memory_mb_seconds: int
    vcore_seconds: int


@dataclass
class Result:
    """How the run ended; ``exit_code`` None is a run that has not ended."""

    exit_code: int | None = None
    reason: str = ""


@dataclass
class RunRecord:
    """One run; see the module for what the fields mean. Everything but the name has a value for "not known"."""

    run: str
    workload: str = ""
    owner: str = ""
    queue: str = ""
    cluster: str = "yarn"
    job_id: str | None = None
    application_id: str | None = None
    started: str = ""
    finished: str | None = None
    wall_seconds: float | None = None
    queued_seconds: float | None = None
    workers: Workers = field(default_factory=Workers)
    tasks: Tasks = field(default_factory=Tasks)
    spilled_bytes: int | None = None
    memory_peak_bytes: int | None = None
    yarn: YarnUsage | None = None
    cost: CostEstimate | None = None
    result: Result = field(default_factory=Result)
    limits: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Start the clock unless a start was given."""
        self.started = self.started or _now()

    def finish(self, exit_code: int, reason: str = "") -> None:
        """Set result, finish and wall time."""
        self.result = Result(exit_code, reason)
        self.finished = _now()
        elapsed = datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)
        self.wall_seconds = round(elapsed.total_seconds(), 3)

    def to_json(self) -> str:
        """Return the record as indented JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """Read a record; fields that a later version added are ignored, missing ones are "not known"."""
        content = json.loads(text)
        record = _build(cls, content)
        record.workers.over_time = [(seconds, count) for seconds, count in record.workers.over_time]
        return record

    def write(self, directory_url: str, files: Mapping[str, str | Path] | None = None) -> str:
        """Write local ``files`` (name there -> path here) and then the record under a directory; return its URL.

        The directory is anything fsspec opens. A reader finds the whole record or none, and when it finds it, the
        files are there. Errors of the file system pass through.
        """
        import fsspec  # noqa: PLC0415 - imports cost start-up time, and the record is written at the end

        filesystem, path = fsspec.url_to_fs(directory_url.rstrip("/"))
        filesystem.makedirs(path, exist_ok=True)
        for name, source in (files or {}).items():
            filesystem.put_file(str(source), f"{path}/{name}")
        self.files = sorted({*self.files, *(files or {})})
        _write_whole(filesystem, f"{path}/{RECORD_NAME}", self.to_json().encode())
        return f"{directory_url.rstrip('/')}/{RECORD_NAME}"

    def write_or_say(
        self,
        directory_url: str,
        say: Callable[[str], None],
        files: Mapping[str, str | Path] | None = None,
        timeout: float = WRITE_SECONDS,
    ) -> str | None:
        """Write as ``write`` does, but only say what went wrong: the record must never hide the job's own result.

        A file system that does not answer within ``timeout`` seconds is left alone. Returns the URL or None.
        """
        outcome: list[str | BaseException] = []

        def attempt() -> None:
            try:
                outcome.append(self.write(directory_url, files))
            except BaseException as error:
                outcome.append(error)

        # A daemon thread: a storage client that hangs cannot keep the driver from exiting.
        thread = threading.Thread(target=attempt, name="run-record", daemon=True)
        thread.start()
        thread.join(timeout)
        if not outcome:
            say(f"the run record is not written: {directory_url} did not answer within {timeout:g} s")
            return None
        if isinstance(outcome[0], BaseException):
            say(f"the run record is not written: {directory_url}: {type(outcome[0]).__name__}: {outcome[0]}")
            return None
        return outcome[0]


NESTED: dict[str, type] = {
    "workers": Workers,
    "tasks": Tasks,
    "yarn": YarnUsage,
    "cost": CostEstimate,
    "result": Result,
}


def _build(kind: type, content: dict[str, Any]) -> Any:
    names = {item.name for item in fields(kind)}
    values = {name: value for name, value in content.items() if name in names}
    if kind is RunRecord:
        for name, nested in NESTED.items():
            if values.get(name) is not None:
                values[name] = _build(nested, values[name])
    return kind(**values)


def _write_whole(filesystem: Any, path: str, content: bytes) -> None:
    """Write so that a reader sees all or nothing: an upload to a bucket is, a local file needs a rename."""
    if "file" not in filesystem.protocol:
        filesystem.pipe_file(path, content)
        return
    temporary = Path(f"{path}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
