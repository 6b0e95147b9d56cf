"""Dataproc as the operators need it, over the Google provider's hook.

The provider and its clients are imported when the first call is made: a DAG file that is only parsed does not pay for
them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from dataplatform_dask.names import filter_by

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import ClusterControllerClient, JobControllerClient

#: States of a job that has ended.
JOB_ENDED = frozenset({"DONE", "ERROR", "CANCELLED"})


class ClusterRecord(NamedTuple):
    """A cluster as decisions need it: ``created`` and ``max_age`` (seconds) may be unknown, None.

    ``uuid`` tells it from a later one of the same name; ``since`` is when it came into its state, also perhaps None.
    """

    name: str
    state: str
    labels: Mapping[str, str]
    detail: str = ""
    created: datetime | None = None
    max_age: float | None = None
    zone: str = ""
    uuid: str = ""
    since: datetime | None = None


class JobRecord(NamedTuple):
    """A job as decisions need it; ``started``: its submission, ``output``: prefix of its driver's output."""

    job_id: str
    state: str
    labels: Mapping[str, str]
    cluster: str = ""
    output: str = ""
    detail: str = ""
    started: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether the job is in a final state."""
        return self.state in JOB_ENDED


class OperationRecord(NamedTuple):
    """A long-running operation; ``error`` is Google's text, empty while it runs and after a success."""

    name: str
    done: bool
    error: str = ""


class Dataproc:
    """Clusters and jobs of one project and region. Every call raises what google.api_core raises."""

    def __init__(self, project: str, region: str, connection: str) -> None:
        """Remember where; ``connection`` is the Airflow connection with the credentials."""
        self._where = {"project_id": project, "region": region}
        self._connection = connection

    def create_cluster(
        self, name: str, config: Mapping[str, Any], labels: Mapping[str, str], request_id: str
    ) -> OperationRecord:
        """Start creating a cluster from a body in Google's JSON names. Raises ValueError for a field there is not."""
        from google.cloud.dataproc_v1 import ClusterConfig

        cluster = {"cluster_name": name, "labels": dict(labels), "config": _message(ClusterConfig, config)}
        request = {**self._where, "cluster": {**cluster, "project_id": self._where["project_id"]}}
        started = self._clusters.create_cluster(request={**request, "request_id": request_id}).operation
        return OperationRecord(started.name, started.done)

    def cluster(self, name: str) -> ClusterRecord | None:
        """Return a cluster, or None."""
        from google.api_core.exceptions import NotFound

        try:
            return _cluster_record(self._clusters.get_cluster(request={**self._where, "cluster_name": name}))
        except NotFound:
            return None

    def clusters(self, labels: dict[str, str], state: str | None = None) -> list[ClusterRecord]:
        """Return the clusters with all these labels, by name."""
        found = self._clusters.list_clusters(request={**self._where, "filter": filter_by(labels, state)})
        return sorted(map(_cluster_record, found), key=lambda cluster: cluster.name)

    def delete_cluster(self, name: str, uuid: str = "") -> bool:
        """Start deleting a cluster; False when it is not there or is being deleted already.

        With a ``uuid`` only the cluster that has it, and not another that took its name meanwhile.
        """
        from google.api_core.exceptions import FailedPrecondition, NotFound

        try:
            self._clusters.delete_cluster(request={**self._where, "cluster_name": name, "cluster_uuid": uuid})
        except NotFound:
            return False
        except FailedPrecondition:
            cluster = self.cluster(name)
            if cluster is None or cluster.state == "DELETING":
                return False
            raise
        return True

    def submit_job(self, body: Mapping[str, Any], request_id: str) -> str:
        """Submit a job in Google's JSON names; return its id. Raises ValueError for a field there is not."""
        from google.cloud.dataproc_v1 import Job

        job = _message(Job, body)
        answer = self._jobs.submit_job(request={**self._where, "job": job, "request_id": request_id})
        return answer.reference.job_id

    def job(self, job_id: str) -> JobRecord:
        """Return a job."""
        return _job_record(self._jobs.get_job(request={**self._where, "job_id": job_id}))

    def active_jobs(self, labels: dict[str, str]) -> list[JobRecord]:
        """Return the jobs with all these labels that have not ended."""
        from google.cloud.dataproc_v1 import ListJobsRequest

        matcher = ListJobsRequest.JobStateMatcher.ACTIVE
        request = {**self._where, "filter": filter_by(labels), "job_state_matcher": matcher}
        return [_job_record(job) for job in self._jobs.list_jobs(request=request)]

    def cancel_job(self, job_id: str) -> None:
        """Ask for a job to be cancelled; one that has ended stays as it is."""
        from google.api_core.exceptions import FailedPrecondition, NotFound

        try:
            self._jobs.cancel_job(request={**self._where, "job_id": job_id})
        except (FailedPrecondition, NotFound):
            return

    def operation(self, name: str) -> OperationRecord:
        """Return an operation with the error it ended in."""
        operation = self._clusters.transport.operations_client.get_operation(name)
        return OperationRecord(name, operation.done, operation.error.message if operation.done else "")

    # A client is a connection of its own, so there is one for all calls.
    @functools.cached_property
    def _clusters(self) -> ClusterControllerClient:
        from airflow.providers.google.cloud.hooks.dataproc import DataprocHook

        return DataprocHook(gcp_conn_id=self._connection).get_cluster_client(region=self._where["region"])

    @functools.cached_property
    def _jobs(self) -> JobControllerClient:
        from airflow.providers.google.cloud.hooks.dataproc import DataprocHook

        return DataprocHook(gcp_conn_id=self._connection).get_job_client(region=self._where["region"])


@functools.lru_cache(maxsize=8)
def dataproc(project: str, region: str, connection: str) -> Dataproc:
    """Return the client of a project and region; the tasks of a process share it."""
    return Dataproc(project, region, connection)


def check_configs(configs: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return one message for each configuration, given with its name, that the installed client does not understand."""
    from google.cloud.dataproc_v1 import ClusterConfig

    problems = []
    for name, config in configs:
        try:
            _message(ClusterConfig, config)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return problems


def _message(kind: Any, body: Mapping[str, Any]) -> Any:
    from google.protobuf.json_format import ParseError

    try:
        return kind.from_json(json.dumps(body))
    except ParseError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _cluster_record(cluster: Any) -> ClusterRecord:
    lifecycle = cluster.config.lifecycle_config
    starts = [cluster.status.state_start_time, *(status.state_start_time for status in cluster.status_history)]
    known = [moment for moment in starts if moment is not None]
    return ClusterRecord(
        name=cluster.cluster_name,
        state=cluster.status.state.name,
        labels=dict(cluster.labels),
        detail=cluster.status.detail,
        created=min(known) if known else None,
        max_age=lifecycle.auto_delete_ttl.total_seconds() if "auto_delete_ttl" in lifecycle else None,
        zone=cluster.config.gce_cluster_config.zone_uri.rsplit("/", 1)[-1],
        uuid=cluster.cluster_uuid,
        since=cluster.status.state_start_time,
    )


def _job_record(job: Any) -> JobRecord:
    starts = [job.status.state_start_time, *(status.state_start_time for status in job.status_history)]
    known = [moment for moment in starts if moment is not None]
    return JobRecord(
        job_id=job.reference.job_id,
        state=job.status.state.name,
        labels=dict(job.labels),
        cluster=job.placement.cluster_name,
        output=job.driver_output_resource_uri,
        detail=job.status.details,
        started=min(known) if known else None,
    )
