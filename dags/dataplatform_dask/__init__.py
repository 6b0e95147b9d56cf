"""DAGs on ephemeral Dask clusters: one building block, ``DaskCluster``, and one DAG per workload of the inventory."""

from dataplatform_dask.cluster import DaskCluster
from dataplatform_dask.dag import platform_dag
from dataplatform_dask.factory import workload_dags

__all__ = ["DaskCluster", "platform_dag", "workload_dags"]
