"""Dataproc of the local cloud: policies, workflow templates, clusters, and jobs that really run."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def create_service(settings: Any, store: Any, clock: Any, operations: Any, storage: Any) -> Any:
    """Return the Dataproc service; see `localcloud.dataproc.service.DataprocService`.

    Imported on demand, so that the job supervisor, which shares this package, starts without loading the service.
    """
    from localcloud.dataproc.service import DataprocService  # noqa: PLC0415

    return DataprocService(settings, store, clock, operations, storage)


def end_drivers(jobs_directory: Path) -> None:
    """End every job driver that has a directory below `jobs_directory`; see `process_engine.end_drivers`."""
    from localcloud.dataproc import process_engine  # noqa: PLC0415

    process_engine.end_drivers(jobs_directory)
