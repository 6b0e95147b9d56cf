"""Airflow DAG that removes, every five minutes, what no run removed: clusters and jobs of this environment."""

from datetime import timedelta

from dataplatform_dask import platform_dag
from dataplatform_dask.reap import Reap

OWNER = "grace"

with platform_dag(
    "platform-reaper",
    owner=OWNER,
    schedule="*/5 * * * *",
    always_scheduled=True,
    tags=("platform",),
    description="Deletes clusters and cancels jobs that no run needs any more",
    doc_md="""### What it does, every five minutes

- **deletes** clusters over their maximum age, in ERROR, or whose run has ended;
- **cancels** jobs over their time or whose run has ended;
- **reports** users who could take more workers than they may have.

It looks only at what carries the labels `managed-by` and `environment` of this platform. What it did is in its log and
in the return value of its task. It is the last net: every run deletes its own cluster.
""",
) as dag:
    Reap(task_id="reap", release=dag.platform_release, execution_timeout=timedelta(minutes=4), retries=1)
