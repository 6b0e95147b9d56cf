"""Diagnosing a cluster: what is known about it, its jobs and its nodes' logs, as an archive in its staging bucket."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud.dataproc import cluster_operations
from localcloud.dataproc.clusters import Clusters
from localcloud.dataproc.jobs import Jobs
from localcloud.dataproc.names import Location
from localcloud.dataproc.records import Record
from localcloud.dataproc.supervisor import OUTPUT_FILE
from localcloud.errors import ApiError, invalid_argument

_KIND = "dataproc-cluster-diagnose"
_RESULTS_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.DiagnoseClusterResults"
_SECONDS = 60.0
# The end of a log says what went wrong.
_LOG_BYTES = 1024 * 1024


class Diagnosis:
    """Starts and ends the operations."""

    def __init__(
        self, clusters: Clusters, jobs: Jobs, storage: Any, *, operations: Any, clock: Any, directory: Path
    ) -> None:
        """Read logs of nodes below `directory`; write archives to `storage`."""
        self._clusters = clusters
        self._jobs = jobs
        self._storage = storage
        self._operations = operations
        self._directory = directory
        operations.register(
            _KIND,
            finish=self._finish,
            describe=lambda operation: cluster_operations.describe(operation, clock.now()),
        )

    def start(self, location: Location, name: str, body: dict[str, Any], method_id: str) -> dict[str, Any]:
        """Start a diagnosis and return its operation. Raises ApiError 400, or 404 (cluster or a job named)."""
        record = self._clusters.require(location, name)
        jobs = [self._jobs.get(location, each.rpartition("/")[2]) for each in _jobs_named(body)]
        operation = cluster_operations.new_operation_name(location)
        identity = record.body["clusterUuid"]
        directory = body.get("tarballGcsDir") or (
            f"gs://{record.body['config']['configBucket']}/google-cloud-dataproc-metainfo/{identity}/"
            f"{operation.rpartition('/')[2]}"
        )
        bucket, _, folder = directory.removeprefix("gs://").partition("/")
        if not directory.startswith("gs://") or not bucket:
            raise invalid_argument(f"Invalid tarballGcsDir '{directory}', expected gs://BUCKET/DIRECTORY.")
        target = f"{folder.strip('/')}/diagnostic.tar.gz".lstrip("/")
        return self._operations.start(
            method_id,
            operation,
            kind=_KIND,
            metadata={
                "clusterName": name,
                "clusterUuid": identity,
                "operationType": "DIAGNOSE",
                "description": "Diagnose cluster",
            },
            payload={
                "location": [location.project, location.region],
                "cluster": name,
                "uuid": identity,
                "jobs": [job["reference"]["jobId"] for job in jobs],
                "bucket": bucket,
                "object": target,
            },
            seconds=_SECONDS,
        )

    def _finish(self, operation: Any) -> dict[str, Any]:
        payload = operation.payload
        record = self._clusters.require(Location(*payload["location"]), payload["cluster"])
        if record.body["clusterUuid"] != payload["uuid"]:
            raise ApiError(400, "The cluster was deleted while it was being diagnosed.", "CANCELLED")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as stream:
            for name, content in self._files(record, payload["jobs"]):
                member = tarfile.TarInfo(f"diagnostic/{name}")
                member.size = len(content)
                stream.addfile(member, io.BytesIO(content))
        self._storage.write_object(
            payload["bucket"], payload["object"], archive.getvalue(), content_type="application/gzip"
        )
        return {"@type": _RESULTS_TYPE, "outputUri": f"gs://{payload['bucket']}/{payload['object']}"}

    def _files(self, record: Record, jobs: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield what goes into the archive: names and contents."""
        identity = record.body["clusterUuid"]
        yield "cluster.json", _json(self._clusters.get(record.location, record.id))
        for job in self._jobs.list(record.location, None, record.id, None):
            identifier = job["reference"]["jobId"]
            if job["placement"]["clusterUuid"] == identity and (not jobs or identifier in jobs):
                yield f"jobs/{identifier}.json", _json(job)
        directory = self._directory / identity
        for path in sorted(directory.rglob("*")):
            is_log = path.suffix == ".log" or path.name == OUTPUT_FILE
            if is_log and path.is_file() and not path.is_symlink():
                with path.open("rb") as log:
                    log.seek(max(0, path.stat().st_size - _LOG_BYTES))
                    yield f"logs/{path.relative_to(directory)}", log.read(_LOG_BYTES)


def _jobs_named(body: dict[str, Any]) -> list[str]:
    return [*body.get("jobs", []), *([body["job"]] if body.get("job") else [])]


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"
