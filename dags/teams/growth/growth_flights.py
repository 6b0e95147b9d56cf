"""Airflow DAG of the growth team: clean the flights, then analyse them, on one cluster. An example to copy.

One ``with DaskCluster(...)`` is one cluster of the run: it is created before the first job and deleted after the last,
whatever happens. Both jobs use it, one after the other.
"""

from dataplatform_dask import DaskCluster, platform_dag

with platform_dag(
    "growth-flights",
    owner="ada",
    # On demand. A cron line, such as "0 6 * * 1", runs it at these times (UTC), and once when it is first released.
    schedule=None,
    description="Delay statistics of flights, and what delays them",
    tags=("example",),
):
    with DaskCluster(template="etl", owner="ada") as cluster:
        # A script of jobs/, as it runs on a laptop. ${data_bucket} stands for the environment's own bucket, and
        # Airflow's templates work: {{ ds }} is the day of the run.
        clean = cluster.dask_job(
            "clean",
            script="examples/flights_etl.py",
            arguments=["--input", "gs://${data_bucket}/nycflights13", "--output", "gs://${data_bucket}/growth/flights"],
            timeout=1800,
        )
        analyse = cluster.dask_job(
            "analyse",
            script="examples/flights_analytics.py",
            arguments=[
                "--input",
                "gs://${data_bucket}/nycflights13",
                "--output",
                "gs://${data_bucket}/growth/delays/{{ ds }}",
            ],
            timeout=1800,
        )
        clean >> analyse
