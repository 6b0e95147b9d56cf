"""Hadoop on this machine: clusters of a real ResourceManager and real NodeManagers, in seconds."""

from __future__ import annotations

from localcloud.hadoop.cluster import YarnCluster
from localcloud.hadoop.errors import HadoopError, HadoopMissing
from localcloud.hadoop.network import Network, allocate_network
from localcloud.hadoop.plans import ClusterPlan, NodePlan, NodeStatus
from localcloud.hadoop.runtime import HadoopRuntime

__all__ = [
    "ClusterPlan",
    "HadoopError",
    "HadoopMissing",
    "HadoopRuntime",
    "Network",
    "NodePlan",
    "NodeStatus",
    "YarnCluster",
    "allocate_network",
]
