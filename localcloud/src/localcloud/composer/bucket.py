"""What an environment's bucket holds from the beginning."""

from __future__ import annotations

from typing import Any

from localcloud.composer.names import EnvironmentName

_FOLDER_MARKERS = ("dags/", "data/", "logs/", "plugins/")
_MONITORING_DAG = b'''"""Composer's own DAG, which shows that the environment runs tasks."""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    "airflow_monitoring",
    description="liveness of the environment",
    schedule="*/10 * * * *",
    start_date=datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
):
    BashOperator(task_id="echo", bash_command="echo test", retries=1)
'''


def prepare_bucket(storage: Any, bucket: str, name: EnvironmentName) -> None:
    """Make the bucket of a new environment unless it exists, with its folders and Composer's own DAG."""
    storage.ensure_bucket(bucket, name.project, name.location)
    for marker in _FOLDER_MARKERS:
        if not storage.object_exists(bucket, marker):
            storage.write_object(bucket, marker, b"", "text/plain")
    storage.write_object(bucket, "dags/airflow_monitoring.py", _MONITORING_DAG, "text/x-python")
