# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs, clusters and operations in the shape in which Dataproc lists them, at times relative to one moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
OWNERSHIP = {"managed-by": "dataplatform-compute", "environment": "dev"}

# Hand-written in the inventory's shape: a user's one application, a queue's two, a master for six drivers.
SIZES: dict[str, Any] = {
    "nodes": {"n2-standard-4": {"memory_mb": 16384}},
    "application_master": {"memory_mb": 1024, "vcores": 1},
    "user": {"workers": 3, "applications": 1},
}
QUEUES = {"normal": {"running_applications": 2}, "low": {"running_applications": 2}}
POLICIES = {"etl-shared": {"workerConfig": {"maxInstances": 10}}}
IMAGES = {
    "warn_days": 60,
    "tracks": {
        "2.3": {"supported_until": "2027-06-09", "creatable_until": "2029-06-09"},
        "2.2": {"supported_until": "2027-01-28", "creatable_until": "2027-12-31"},
        "2.1": {"supported_until": "2026-11-27", "creatable_until": "2026-12-31"},
        "3.0": {"supported_until": None, "creatable_until": None},
    },
}


def ago(**span: float) -> str:
    """A timestamp so long before NOW."""
    return f"{NOW - timedelta(**span):%Y-%m-%dT%H:%M:%S.%fZ}"


def job(
    name: str,
    *states: tuple[str, float],
    owner: str = "ada",
    application: str = "",
    cluster: str = "shared",
    details: str = "",
    substate: str = "",
    arguments: tuple[str, ...] = (),
    **labels: str,
) -> dict[str, Any]:
    """A job that entered its states so many seconds ago; ``application`` is the state of its YARN application."""
    entries = [{"state": state, "stateStartTime": ago(seconds=seconds)} for state, seconds in states]
    status = entries.pop() | ({"details": details} if details else {}) | ({"substate": substate} if substate else {})
    body = {
        "reference": {"jobId": name},
        "placement": {"clusterName": cluster},
        "labels": {
            **OWNERSHIP,
            "owner": owner,
            "team": "growth",
            "priority": "normal",
            "workload": "flights",
            **labels,
        },
        "pysparkJob": {"args": [*arguments, "--", "--timeout", "1"], "properties": {"spark.yarn.queue": "root.normal"}},
        "driverOutputResourceUri": f"gs://staging/{name}/driveroutput",
        "status": status,
        "statusHistory": entries,
    }
    return body | ({"yarnApplications": [{"name": name, "state": application}]} if application else {})


def running(name: str, seconds: float, application: str = "RUNNING", **more: Any) -> dict[str, Any]:
    """A job whose driver runs for so many seconds."""
    states = (("PENDING", seconds + 2), ("SETUP_DONE", seconds + 1), ("RUNNING", seconds))
    return job(name, *states, application=application, **more)


def cluster(name: str = "shared", state: str = "RUNNING", **more: Any) -> dict[str, Any]:
    """A cluster of two workers with room for more, an hour old; ``metrics`` are YARN's without ``yarn-``."""
    metrics = more.pop("metrics", {"memory-mb-available": 20000, "vcores-available": 8, "nodes-active": 2})
    config = {
        "masterConfig": {"machineTypeUri": "https://x/zones/z/machineTypes/n2-standard-4", "numInstances": 1},
        "workerConfig": {"numInstances": more.pop("workers", 2)},
        "softwareConfig": {
            "imageVersion": "2.3.11-debian12",
            "properties": {"dataproc:dataproc.scheduler.driver-size-mb": "2048"},
        },
        "autoscalingConfig": {"policyUri": "projects/p/regions/r/autoscalingPolicies/etl-shared"},
        "lifecycleConfig": {"autoDeleteTtl": "14400s"},
    }
    status = {"state": state, "stateStartTime": ago(seconds=3000), **more.pop("status", {})}
    return {
        "clusterName": name,
        "config": config | more.pop("config", {}),
        "labels": {**OWNERSHIP, "cluster-template": "etl", "placement": "shared", **more.pop("labels", {})},
        "status": status,
        "statusHistory": [{"state": "CREATING", "stateStartTime": ago(seconds=3600)}],
        "metrics": {"yarnMetrics": {f"yarn-{key}": str(value) for key, value in metrics.items()}},
        **more,
    }


def cluster_operation(name: str, kind: str, message: str, *, hours: float = 1, **more: Any) -> dict[str, Any]:
    """An operation on a cluster that ended in an error."""
    metadata = {
        "@type": "type.googleapis.com/google.cloud.dataproc.v1.ClusterOperationMetadata",
        "clusterName": name,
        "operationType": kind,
        "status": {"state": "DONE", "stateStartTime": ago(hours=hours)},
        **more.pop("metadata", {}),
    }
    return {
        "name": "x/operations/c1",
        "done": True,
        "error": {"code": 9, "message": message},
        "metadata": metadata,
        **more,
    }


def workflow_operation(run: str, message: str, *, hours: float = 1, **metadata: Any) -> dict[str, Any]:
    """A workflow that ended in an error."""
    described = {
        "@type": "type.googleapis.com/google.cloud.dataproc.v1.WorkflowMetadata",
        "template": "projects/p/regions/r/workflowTemplates/flights",
        "clusterName": "flights-x1",
        "endTime": ago(hours=hours),
        **metadata,
    }
    return {
        "name": f"x/operations/{run}",
        "done": True,
        "error": {"code": 9, "message": message},
        "metadata": described,
    }
