"""The YARN applications of jobs: shown in the job, and killed when their driver is gone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from localcloud.dataproc.cluster_engine import ClusterEngine
from localcloud.dataproc.cluster_idle import active_applications
from localcloud.dataproc.job_states import is_terminal
from localcloud.dataproc.records import Record, Records

_TERMINATION = "dataproc:dataproc.yarn.orphaned-app-termination.enable"
# A driver that has ended well takes this long to be known to YARN as ended.
ORPHAN_PATIENCE_SECONDS = 3.0
# How often an application that lives on is killed again.
_KILL_INTERVAL_SECONDS = 5.0
_UUID_TAG = "dataproc_uuid_"


class YarnApplications:
    """Follows the applications of every job."""

    def __init__(self, jobs: Records, clusters: Records, engine: ClusterEngine) -> None:
        """Note applications in `jobs`; `clusters` are looked at through `engine`."""
        self._jobs = jobs
        self._clusters = clusters
        self._engine = engine
        self._seen: dict[str, float] = {}
        # Keys of jobs by their UUID, empty for a job that was deleted.
        self._keys: dict[str, str] = {}
        self._orphans: dict[str, float] = {}
        self._killed: dict[str, float] = {}

    def tick(self) -> None:
        """Bring the jobs up to date with the latest snapshots, each of which is looked at once."""
        for cluster in self._clusters.active():
            identity = cluster.body["clusterUuid"]
            snapshot = self._engine.snapshot(identity)
            if snapshot is None or self._seen.get(identity) == snapshot.taken:
                continue
            self._seen[identity] = snapshot.taken
            self._note(snapshot.applications.values())
            if cluster.body["config"]["softwareConfig"]["properties"].get(_TERMINATION, "true").lower() == "true":
                self._end_orphans(cluster, active_applications(snapshot))

    def _note(self, applications: Iterable[dict[str, Any]]) -> None:
        by_job: dict[str, list[dict[str, Any]]] = {}
        for application in applications:
            identity = job_identity(application)
            if identity:
                by_job.setdefault(identity, []).append(application)
        for identity, found in by_job.items():
            record = self._job(identity)
            if record is None:
                continue
            described = [_described(item) for item in sorted(found, key=lambda item: item["id"])]
            if record.body.get("yarnApplications") != described:
                record.body["yarnApplications"] = described
                self._jobs.save(record)

    def _job(self, identity: str) -> Record | None:
        """Return the job of that UUID, None when it was deleted."""
        if identity not in self._keys:
            found = (record.key for record in self._jobs.everywhere() if record.body["jobUuid"] == identity)
            self._keys[identity] = next(found, "")
        return self._jobs.by_key(self._keys[identity])

    def _end_orphans(self, cluster: Record, applications: list[dict[str, Any]]) -> None:
        now = time.monotonic()
        for application in applications:
            identity = job_identity(application)
            record = self._job(identity) if identity else None
            if not identity or (record is not None and not is_terminal(record.body)):
                continue
            identifier = application["id"]
            failed = record is not None and record.body["status"]["state"] != "DONE"
            orphaned = self._orphans.setdefault(identifier, now)
            is_due = now - self._killed.get(identifier, -math.inf) >= _KILL_INTERVAL_SECONDS
            if is_due and (failed or now - orphaned >= ORPHAN_PATIENCE_SECONDS):
                self._killed[identifier] = now
                self._engine.kill_application(cluster.body["clusterUuid"], application)


def job_identity(application: dict[str, Any]) -> str | None:
    """Return the UUID of the job that an application belongs to; YARN keeps tags in lower case, so ids do not serve."""
    for tag in (application.get("applicationTags") or "").split(","):
        if tag.startswith(_UUID_TAG):
            return tag.removeprefix(_UUID_TAG)
    return None


def _described(application: dict[str, Any]) -> dict[str, Any]:
    """Return a YarnApplication of Dataproc's."""
    state = application["state"]
    if state == "FINISHED" and application.get("finalStatus") in ("FAILED", "KILLED"):
        state = application["finalStatus"]
    described = {
        "name": application["name"],
        "state": state,
        "progress": round(application.get("progress", 0.0) / 100, 4),
        "trackingUrl": application.get("trackingUrl") or "",
        "memoryMbSeconds": str(application.get("memorySeconds", 0)),
        "vcoreSeconds": str(application.get("vcoreSeconds", 0)),
    }
    return {key: value for key, value in described.items() if value != ""}
