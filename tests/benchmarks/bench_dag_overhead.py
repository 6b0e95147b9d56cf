"""What a DAG of the platform adds around a job, against the provider's plain operators. Bar: at most 1.1 times.

Run by Airflow's own Python:

    ~/.cache/dataplatform-compute/airflow/bin/python tests/benchmarks/bench_dag_overhead.py

Both create a cluster, run the same job of no length, and delete the cluster, in ``dag.test()`` on one local cloud whose
clusters take hardly any time, in turns. The provider polls jobs every ten seconds when it waits in place, so its
deferrable mode with the shortest interval is measured too, and that one is what is compared.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "dags"
REPEATS = 5
BAR = 1.1


def _provider(script: str, config: dict[str, Any], *, deferrable: bool) -> Any:
    from airflow.models.dag import DAG
    from airflow.providers.google.cloud.operators import dataproc

    where = {"project_id": "local-project", "region": "europe-west1"}
    name = f"plain-{'deferrable' if deferrable else 'in-place'}"
    waiting = {"deferrable": deferrable, "polling_interval_seconds": 1}
    job = {
        "placement": {"cluster_name": name},
        "reference": {"project_id": "local-project"},
        "pyspark_job": {"main_python_file_uri": script},
    }
    with DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        create = dataproc.DataprocCreateClusterOperator(
            task_id="create", cluster_name=name, cluster_config=config, **where, **waiting
        )
        run = dataproc.DataprocSubmitJobOperator(task_id="run", job=job, **where, **waiting)
        delete = dataproc.DataprocDeleteClusterOperator(task_id="delete", cluster_name=name, **where, **waiting)
        create >> run >> delete.as_teardown(setups=create)
    return dag


def main() -> int:
    """Measure, print, and return whether the bar is missed."""
    home = Path(tempfile.mkdtemp(prefix="bench-dag-"))
    os.environ.update(
        AIRFLOW_HOME=str(home / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR",
        AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT="google-cloud-platform://",
    )
    sys.path[:0] = [str(TESTS), str(TESTS.parents[1] / "dags"), str(TESTS.parents[1] / "collections")]
    import runs
    from airflow.utils.db import initdb
    from dataplatform_dask.cloud import _message
    from google.cloud.dataproc_v1 import ClusterConfig
    from local_cloud import local_cloud

    initdb(load_connections=False)
    took: dict[str, list[float]] = {}
    with local_cloud(home / "cloud", "process") as cloud:
        cloud.make_buckets()
        script = cloud.upload("artifacts", "ok.py", runs.SUCCEEDS)
        config = ClusterConfig.to_dict(_message(ClusterConfig, {**runs.CONFIG, "lifecycleConfig": {}}))
        ours: Callable[[str, bool | None], Any] = lambda name, deferrable: runs.one_job(  # noqa: E731
            name, script, cluster={"deferrable": deferrable, "polling_seconds": 1}
        )
        contenders = {
            "provider, in place": _provider(script, config, deferrable=False),
            "provider, deferrable": _provider(script, config, deferrable=True),
            "platform, in place": ours("ours-in-place", None),
            "platform, deferrable": ours("ours-deferrable", True),
        }
        for _ in range(REPEATS + 1):
            for name, dag in contenders.items():
                began = time.perf_counter()
                assert runs.run(dag).state == "success", name
                took.setdefault(name, []).append(time.perf_counter() - began)
    shutil.rmtree(home, ignore_errors=True)
    # The first of each imports and connects.
    medians = {name: statistics.median(seconds[1:]) for name, seconds in took.items()}
    for name, seconds in took.items():
        print(f"{name:22} {medians[name]:6.2f} s  [{min(seconds[1:]):.2f} - {max(seconds[1:]):.2f}]")
    ratio = medians["platform, deferrable"] / medians["provider, deferrable"]
    print(f"platform / provider, both deferrable: {ratio:.2f} (bar: at most {BAR})")
    return int(ratio > BAR)


if __name__ == "__main__":
    sys.exit(main())
