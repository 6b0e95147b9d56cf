"""Airflow DAG of the platform team: prepare data on a cheap cluster, then train on one that keeps its workers.

Two clusters in one run: the second is created only when the first's job has succeeded, because its job waits for that.
Losing a worker costs a transformation minutes and a training hours, so the templates differ.
"""

from dataplatform_dask import DaskCluster, platform_dag

DATA = "gs://${data_bucket}/nycflights13"

with platform_dag(
    "platform-delay-model",
    owner="grace",
    description="A model that predicts which flights arrive late, and the statistics it is compared with",
    tags=("example",),
):
    with DaskCluster(template="etl", owner="grace", name="statistics", workers=2) as small:
        statistics = small.dask_job(
            "delays",
            script="examples/flights_etl.py",
            arguments=["--input", DATA, "--output", "gs://${data_bucket}/platform/statistics"],
            timeout=1800,
        )

    with DaskCluster(template="ml", owner="grace", name="training") as big:
        train = big.dask_job(
            "train",
            script="examples/flights_delay_model.py",
            arguments=["--input", DATA, "--output", "gs://${data_bucket}/platform/model/{{ ds }}"],
            workers=(2, 3),
            timeout=3600,
            # A training that failed for a reason of its own fails again: try once.
            retries=1,
        )

    statistics >> train
