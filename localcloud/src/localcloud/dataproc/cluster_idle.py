"""Since when a cluster has had nothing to do: no job, and no YARN application."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from localcloud.dataproc.cluster_engine import ClusterEngine, Snapshot

_CONSIDER_YARN = "dataproc:dataproc.cluster-ttl.consider-yarn-activity"
_ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})


def active_applications(snapshot: Snapshot | None) -> list[dict[str, Any]]:
    """Return the applications that have not ended."""
    found = snapshot.applications.values() if snapshot else ()
    return [application for application in found if application["state"] not in _ENDED]


class ClusterIdle:
    """Remembers when clusters were seen at work."""

    def __init__(self, engine: ClusterEngine, clock: Any) -> None:
        """Look at clusters through `engine`."""
        self._engine = engine
        self._clock = clock
        self._seen_at_work: dict[str, datetime] = {}

    def since(self, cluster: dict[str, Any], jobs_ended: datetime | None) -> datetime | None:
        """Return since when `cluster` has been idle, None while it is not running or at work.

        `jobs_ended` is when its last job ended, None while it has one.
        """
        if cluster["status"]["state"] != "RUNNING" or jobs_ended is None:
            return None
        identity = cluster["clusterUuid"]
        considered = cluster["config"]["softwareConfig"]["properties"].get(_CONSIDER_YARN, "true").lower() == "true"
        if considered and active_applications(self._engine.snapshot(identity)):
            self._seen_at_work[identity] = self._clock.now()
            return None
        started = datetime.fromisoformat(cluster["status"]["stateStartTime"])
        return max(started, jobs_ended, self._seen_at_work.get(identity, started))
