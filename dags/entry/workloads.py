"""The Airflow DAGs of the team's workloads: one DAG for each entry of the inventory's platform_workloads."""

from dataplatform_dask import workload_dags

globals().update(workload_dags())
