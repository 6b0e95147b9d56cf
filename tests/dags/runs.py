"""Runs of DAGs in this process, and scripts for their jobs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import facts
from dataplatform_dask import DaskCluster, names, platform_dag
from local_cloud import PROJECT, LocalCloud

SUCCEEDS = "print('done')\n"
FAILS = "raise SystemExit('the data is not there')\n"
HANGS = "import time\nprint('working', flush=True)\ntime.sleep(3600)\n"

CONFIG = {
    **facts.CONFIG,
    "configBucket": f"{PROJECT}-staging",
    "tempBucket": f"{PROJECT}-temp",
    "encryptionConfig": {},
}
LAUNCHER = {**facts.LAUNCHER, "run_directory": f"gs://{PROJECT}-staging/runs"}
QUICKLY = {"retries": 0, "retry_delay": timedelta(seconds=1), "retry_exponential_backoff": False}
_dates = iter(range(10_000))


def release(**options: Any) -> Any:
    """Return facts that fit the local cloud."""
    return facts.release(**{"config": CONFIG, "launcher": LAUNCHER, **options})


def next_date() -> datetime:
    """Return a date no run had yet."""
    return datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=next(_dates))


def one_job(
    dag_id: str,
    script: str,
    *,
    cluster: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] = CONFIG,
    default_args: Any = None,
    **job: Any,
) -> Any:
    """Return a DAG with a cluster of its own and one job that runs a script of a bucket as it is."""
    settings = {"template": "etl", "owner": "ada", "name": "cluster", "polling_seconds": 0.3, **(cluster or {})}
    options = {"retries": 0, **job}
    arguments = {**QUICKLY, **(default_args or {})}
    with (
        platform_dag(dag_id, owner="ada", release=release(config=config), default_args=arguments) as dag,
        DaskCluster(**settings) as made,
    ):
        made.job("run", {"pysparkJob": {"mainPythonFileUri": script}}, options.pop("seconds", 120), **options)
    return dag


def shared_job(dag_id: str, script: str, **cluster: Any) -> Any:
    """Return a DAG with one job on the shared cluster of the template etl."""
    return one_job(dag_id, script, cluster={"placement": "shared", **cluster})


def run(dag: Any, date: datetime | None = None) -> Run:
    """Run a DAG as ``airflow dags test`` does."""
    return Run(dag, dag.test(execution_date=date or next_date()))


def start_elsewhere(dag_id: str, script: str, kind: str = "one_job") -> subprocess.Popen[bytes]:
    """Begin such a run in another process, on the same database; it exits 0 after a success."""
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import runs
from datetime import UTC, datetime
ended = runs.run(runs.{kind}({dag_id!r}, {script!r}), datetime.now(UTC))
sys.exit(0 if ended.state == "success" else 1)
"""
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", program], stdout=subprocess.DEVNULL)


class Run:
    """A run that has ended."""

    def __init__(self, dag: Any, dag_run: Any) -> None:
        self.dag = dag
        self.dag_run = dag_run
        self.run_id = dag_run.run_id
        self.state = str(dag_run.state)

    @property
    def states(self) -> dict[str, str]:
        """The states of the tasks, without the cluster's name."""
        return {
            instance.task_id.removeprefix("cluster."): str(instance.state)
            for instance in self.dag_run.get_task_instances()
        }

    def jobs(self, cloud: LocalCloud) -> list[Any]:
        """The Dataproc jobs of this run, of all tries, the earliest first."""
        labels = names.run_labels(self.dag.dag_id, self.run_id)
        return sorted(cloud.jobs(**labels), key=lambda job: int(job.labels["try"]))

    def job(self, cloud: LocalCloud) -> Any:
        """The one Dataproc job of this run."""
        [job] = self.jobs(cloud)
        return job


def said(log: Any, *parts: str) -> bool:
    """Whether one line of the log, or the error it tells of, has all these parts."""
    lines = [f"{record.getMessage()} {record.exc_info[1] if record.exc_info else ''}" for record in log.records]
    return any(all(part in line for part in parts) for line in lines)
