"""Jobs: submission, listing, cancellation and deletion. What happens to them in time is in `job_runs`."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.dataproc.clusters import Clusters
from localcloud.dataproc.filters import JOB_STATE_GROUPS, Predicate, parse_filter
from localcloud.dataproc.job_requests import checked_job_id
from localcloud.dataproc.job_states import is_terminal, set_state
from localcloud.dataproc.names import Location, require_labels, require_request_id
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError, already_exists, invalid_argument, not_found

_STARTABLE_CLUSTER_STATES = frozenset({"CREATING", "RUNNING", "UPDATING"})
METAINFO = "google-cloud-dataproc-metainfo"


class Jobs:
    """The jobs as clients see them."""

    def __init__(self, records: Records, clusters: Clusters, clock: Any, store: Any, jobs_directory: Path) -> None:
        """Keep jobs in `records`; they run on `clusters`, each in a directory below `jobs_directory`."""
        self._records = records
        self._clusters = clusters
        self._clock = clock
        self._store = store
        self._jobs_directory = jobs_directory
        self._idle_since: dict[str, datetime] = {}

    def submit(self, location: Location, job: dict[str, Any], request_id: str | None = None) -> dict[str, Any]:
        """Accept a job and return it PENDING; the same request id again returns the first job.

        Raises ApiError 400, 404 (cluster) or 409.
        """
        require_request_id(request_id)
        request_key = f"{location.key}/job-requests/{request_id}"
        earlier = self._store.get(request_key) if request_id else None
        first = self._records.by_key(earlier["job"]) if earlier else None
        if first:
            return first.body
        job_id = checked_job_id(job, location) or str(uuid.uuid4())
        key = self._records.key(location, job_id)
        if self._records.by_key(key):
            path = f"projects/{location.project}/regions/{location.region}/jobs/{job_id}"
            raise already_exists(f"Already exists: Failed to submit job: Job {path}")
        cluster = self._cluster_for(location, job["placement"])
        record = self._new_record(key, location, job_id, job, cluster)
        with self._records.transaction():
            self._records.create(record)
            if request_id:
                self._store.put(request_key, "dataproc/requests", {"job": key})
        return record.body

    def _cluster_for(self, location: Location, placement: dict[str, Any]) -> Record:
        if placement.get("clusterName"):
            cluster = self._clusters.require(location, placement["clusterName"])
        else:
            found = self._clusters.select(location, placement["clusterLabels"])
            if found is None:
                wanted = ", ".join(f"{key}={value}" for key, value in placement["clusterLabels"].items())
                raise not_found(f"Not found: no running cluster with labels {wanted} in region {location.region}")
            cluster = found
        state = cluster.body["status"]["state"]
        if state not in _STARTABLE_CLUSTER_STATES:
            raise ApiError(
                400,
                f"Cluster {Clusters.name(cluster)} is in state {state} and cannot accept jobs.",
                "FAILED_PRECONDITION",
            )
        return cluster

    def _new_record(self, key: str, location: Location, job_id: str, job: dict[str, Any], cluster: Record) -> Record:
        cluster_uuid = cluster.body["clusterUuid"]
        job_uuid = str(uuid.uuid4())
        bucket = cluster.body["config"]["configBucket"]
        folder = f"{METAINFO}/{cluster_uuid}/jobs/{job_id}"
        body = {
            **job,
            "reference": {"projectId": location.project, "jobId": job_id},
            "placement": {**job["placement"], "clusterName": cluster.id, "clusterUuid": cluster_uuid},
            "driverControlFilesUri": f"gs://{bucket}/{folder}/",
            "driverOutputResourceUri": f"gs://{bucket}/{folder}/driveroutput",
            "jobUuid": job_uuid,
        }
        set_state(body, "PENDING", self._clock.timestamp())
        internal = {
            "submitted": self._clock.timestamp(),
            "cluster_key": cluster.key,
            "cluster_uuid": cluster_uuid,
            "bucket": bucket,
            "prefix": f"{folder}/driveroutput",
            "directory": f"{job_id}-{job_uuid[:8]}" if self._is_directory_taken(job_id) else job_id,
            "output": {"part": 0, "start": 0, "end": 0},
        }
        return Record(key, body, internal)

    def _is_directory_taken(self, name: str) -> bool:
        """Return whether a job of another project or region holds the directory of that name."""
        waiting = any(record.internal["directory"] == name for record in self._records.active())
        return waiting or (self._jobs_directory / name).exists()

    def get(self, location: Location, job_id: str) -> dict[str, Any]:
        """Return a job. Raises ApiError 404."""
        return self.require(location, job_id).body

    def list(
        self, location: Location, text: str | None, cluster_name: str | None = None, state_matcher: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the jobs that match, newest first. Raises ApiError 400 for a bad filter."""
        matches: Predicate = parse_filter(text, JOB_STATE_GROUPS, ("insertTime",))
        states = JOB_STATE_GROUPS.get(state_matcher or "") if not text else None
        found = [
            record
            for record in self._records.list(location)
            if matches(record.body)
            and (not cluster_name or record.body["placement"]["clusterName"] == cluster_name)
            and (states is None or record.body["status"]["state"] in states)
        ]
        found.sort(key=lambda record: (record.internal["submitted"], record.id), reverse=True)
        return [record.body for record in found]

    def patch(self, location: Location, job_id: str, body: dict[str, Any], mask: str | None) -> dict[str, Any]:
        """Replace a job's labels. Raises ApiError 400 or 404."""
        record = self.require(location, job_id)
        if mask != "labels":
            raise invalid_argument(f"Invalid updateMask '{mask or ''}': only 'labels' of a job can be updated.")
        require_labels(body.get("labels"), f"job '{job_id}'")
        record.body.pop("labels", None)
        if body.get("labels"):
            record.body["labels"] = body["labels"]
        return self._records.save(record).body

    def cancel(self, location: Location, job_id: str) -> dict[str, Any]:
        """Ask for the cancellation of a job and return it. Raises ApiError 400 once it has ended, 404."""
        record = self.require(location, job_id)
        if is_terminal(record.body):
            state = record.body["status"]["state"]
            raise ApiError(400, f"Cannot cancel job {job_id}: it is in state {state}.", "FAILED_PRECONDITION")
        if record.body["status"]["state"] not in ("CANCEL_PENDING", "CANCEL_STARTED"):
            set_state(record.body, "CANCEL_PENDING", self._clock.timestamp())
            self._records.save(record)
        return record.body

    def require_deletable(self, location: Location, job_id: str) -> Record:
        """Return a job that has ended. Raises ApiError 400 while it is active, 404."""
        record = self.require(location, job_id)
        if not is_terminal(record.body):
            state = record.body["status"]["state"]
            raise ApiError(400, f"Cannot delete job {job_id}: it is in state {state}.", "FAILED_PRECONDITION")
        return record

    def require(self, location: Location, job_id: str) -> Record:
        """Return the stored job. Raises ApiError 404."""
        record = self._records.get(location, job_id)
        if record is None:
            path = f"projects/{location.project}/regions/{location.region}/jobs/{job_id}"
            raise not_found(f'job "{path}" not found')
        return record

    def cluster_going(self, cluster_uuid: str) -> None:
        """Note that a cluster is being deleted: its jobs end in ERROR."""
        for record in list(self._records.active()):
            if record.internal["cluster_uuid"] == cluster_uuid:
                record.internal["cluster_gone"] = True
                self._records.save(record)

    def note_end(self, record: Record) -> None:
        """Remember when a cluster's last job ended."""
        self._idle_since[record.internal["cluster_uuid"]] = self._clock.now()

    def idle_since(self, cluster_uuid: str) -> datetime | None:
        """Return when the last job of a cluster ended (long ago if it had none), None while one is active."""
        if any(record.internal["cluster_uuid"] == cluster_uuid for record in self._records.active()):
            return None
        if cluster_uuid not in self._idle_since:
            ends = [
                datetime.fromisoformat(record.body["status"]["stateStartTime"])
                for record in self._records.everywhere()
                if record.internal["cluster_uuid"] == cluster_uuid
            ]
            self._idle_since[cluster_uuid] = max(ends, default=datetime.fromisoformat("0001-01-01T00:00:00Z"))
        return self._idle_since[cluster_uuid]
