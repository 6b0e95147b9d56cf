"""The beginning of a cluster's record, and when its time is over."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from localcloud.clock import format_timestamp
from localcloud.dataproc.names import Location, parse_duration
from localcloud.dataproc.records import Record


def new_cluster(
    location: Location, name: str, *, labels: dict[str, str], config: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the body of a cluster that is CREATING, with the labels that the server adds."""
    identity = str(uuid.uuid4())
    own_labels = {
        "goog-dataproc-autozone": "enabled",
        "goog-dataproc-cluster-create-timestamp": str(int(now.timestamp())),
        "goog-dataproc-cluster-name": name,
        "goog-dataproc-cluster-uuid": identity,
        "goog-dataproc-drz-resource-uuid": f"cluster-{identity}",
        "goog-dataproc-location": location.region,
    }
    return {
        "projectId": location.project,
        "clusterName": name,
        "clusterUuid": identity,
        "config": config,
        "labels": dict(sorted({**labels, **own_labels}.items())),
        "status": {"state": "CREATING", "stateStartTime": format_timestamp(now)},
    }


def is_over(record: Record, now: datetime, idle_since: datetime | None) -> bool:
    """Return whether a cluster is to be deleted: its time is up, or it has been idle (since then) for too long."""
    lifecycle = record.body["config"].get("lifecycleConfig", {})
    deadline = lifecycle.get("autoDeleteTime")
    if deadline and now >= datetime.fromisoformat(deadline):
        return True
    if "autoDeleteTtl" in lifecycle and now >= _lifecycle_start(record) + parse_duration(lifecycle["autoDeleteTtl"]):
        return True
    if "idleDeleteTtl" in lifecycle and idle_since is not None:
        return now >= idle_since + parse_duration(lifecycle["idleDeleteTtl"])
    return False


def _lifecycle_start(record: Record) -> datetime:
    """Return from when a cluster's lifetime counts: its creation, or the last change of its lifecycle config."""
    return datetime.fromisoformat(record.internal.get("lifecycle_changed", record.internal["created"]))
