"""A cluster as clients see it: its stored body, and what is known about it at the moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from localcloud.clock import format_timestamp
from localcloud.dataproc.cluster_defaults import instance_names

_INSTANCE_GROUPS = ("masterConfig", "workerConfig", "secondaryWorkerConfig")
# Names of the ResourceManager's metrics in ClusterMetrics.yarnMetrics.
_YARN_METRICS = {
    "yarn-apps-completed": "appsCompleted",
    "yarn-apps-failed": "appsFailed",
    "yarn-apps-killed": "appsKilled",
    "yarn-apps-pending": "appsPending",
    "yarn-apps-running": "appsRunning",
    "yarn-apps-submitted": "appsSubmitted",
    "yarn-containers-allocated": "containersAllocated",
    "yarn-containers-pending": "containersPending",
    "yarn-containers-reserved": "containersReserved",
    "yarn-memory-mb-allocated": "allocatedMB",
    "yarn-memory-mb-available": "availableMB",
    "yarn-memory-mb-pending": "pendingMB",
    "yarn-memory-mb-reserved": "reservedMB",
    "yarn-memory-mb-total": "totalMB",
    "yarn-nodes-active": "activeNodes",
    "yarn-nodes-decommissioned": "decommissionedNodes",
    "yarn-nodes-decommissioning": "decommissioningNodes",
    "yarn-nodes-lost": "lostNodes",
    "yarn-nodes-new": "newNodes",
    "yarn-nodes-rebooted": "rebootedNodes",
    "yarn-nodes-shutdown": "shutdownNodes",
    "yarn-nodes-unhealthy": "unhealthyNodes",
    "yarn-vcores-allocated": "allocatedVirtualCores",
    "yarn-vcores-available": "availableVirtualCores",
    "yarn-vcores-pending": "pendingVirtualCores",
    "yarn-vcores-reserved": "reservedVirtualCores",
    "yarn-vcores-total": "totalVirtualCores",
}


def rendered(
    stored: dict[str, Any], *, idle_since: datetime | None, metrics: dict[str, Any] | None, manager_url: str | None
) -> dict[str, Any]:
    """Return `stored` with instance names, idle time, and what its ResourceManager measures and where it is."""
    config = dict(stored["config"])
    body = {**stored, "config": config}
    for group in _INSTANCE_GROUPS:
        names = instance_names(stored, group)
        if names:
            config[group] = {**config[group], "instanceNames": names}
    if "lifecycleConfig" in config and idle_since is not None:
        config["lifecycleConfig"] = {**config["lifecycleConfig"], "idleStartTime": format_timestamp(idle_since)}
    if manager_url and config["endpointConfig"].get("enableHttpPortAccess"):
        config["endpointConfig"] = {**config["endpointConfig"], "httpPorts": {"YARN ResourceManager": manager_url}}
    if metrics:
        # YARN does not count new nodes.
        body["metrics"] = {"yarnMetrics": {name: str(metrics.get(key, 0)) for name, key in _YARN_METRICS.items()}}
    return body
