"""Cloud Composer of the local cloud: environments whose Airflow really runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def create_service(settings: Any, store: Any, clock: Any, operations: Any, storage: Any) -> Any:
    """Return the Composer service; see `localcloud.composer.service.ComposerService`."""
    from localcloud.composer.processes import AirflowProcesses  # noqa: PLC0415  (the Airflow host shares this package)
    from localcloud.composer.service import ComposerService  # noqa: PLC0415

    airflow = AirflowProcesses(settings)
    return ComposerService(settings, store, clock, operations, storage, airflow=airflow)


def end_environments(composer_directory: Path) -> None:
    """End every Airflow that has a directory below `composer_directory`; waits until they are gone."""
    from localcloud.composer import processes  # noqa: PLC0415

    processes.end_environments(composer_directory)
