"""The task that runs a job on the shared cluster of a template, which it makes when there is none.

The cluster's name is the lock: Dataproc lets one of two creations at once succeed, the other finds the cluster and
waits for it. Only a cluster with the labels of this template is used; it is deleted when idle, never by a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from dataplatform_dask import names
from dataplatform_dask.run_job import RunJob
from dataplatform_dask.zones import placed, places

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from dataplatform_dask.cloud import ClusterRecord

_READY = frozenset({"RUNNING", "UPDATING"})
_USABLE = frozenset({*_READY, "CREATING", "STARTING", "REPAIRING"})


class RunJobOnSharedCluster(RunJob):
    """Run a job on the shared cluster; the task's own pool slots are what the job takes of its owner's.

    ``cluster_name``, ``cluster_labels`` and ``config`` (Google's JSON names) are those of the shared cluster; every
    try that has to create it goes to the next of its ``zones``.
    """

    def __init__(
        self,
        *,
        cluster_name: str,
        cluster_labels: Mapping[str, str],
        config: Mapping[str, Any],
        zones: Sequence[str],
        creation_seconds: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(cluster_task=None, **kwargs)
        self.cluster_name = cluster_name
        self.cluster_labels = cluster_labels
        self.config = config
        self.zones = zones
        self.creation_seconds = creation_seconds

    def ready(self, context: Context, event: dict[str, Any]) -> str:
        """Submit, now that the cluster has been waited for."""
        return self._submit(context, self._running(context))

    def give_up(self, context: Context, error: str) -> str | None:
        """Cancel the job; while the cluster was waited for there is none, and the cluster belongs to all."""
        if self._job_of(context) is not None:
            return super().give_up(context, error)
        cluster = self.cloud.cluster(self.cluster_name)
        state = f"{cluster.state} {cluster.detail}".strip() if cluster else "gone"
        raise AirflowException(f"shared cluster {self.cluster_name} is {state}: {error}")

    def _cluster(self, context: Context) -> str:
        cluster = self.cloud.cluster(self.cluster_name)
        if cluster is not None:
            self._check_labels(cluster)
            if cluster.state not in _USABLE:
                self._remove(cluster)
                cluster = None
        if cluster is None:
            self._create(context)
        return self._running(context)

    def _create(self, context: Context) -> None:
        from google.api_core.exceptions import AlreadyExists, InvalidArgument, PermissionDenied

        ti = context["ti"]
        choices = places(self.config, self.zones)
        config = placed(self.config, choices[(ti.try_number - 1) % len(choices)])
        identity = (self.dag_id, ti.run_id, self.task_id, names.unique())
        try:
            self.cloud.create_cluster(
                self.cluster_name, config, self.cluster_labels, names.request_id("share", *identity)
            )
            self.log.info("Creating shared cluster %s.", self.cluster_name)
        except AlreadyExists:
            self.log.info("Another run creates shared cluster %s just now; waiting for it.", self.cluster_name)
        except (InvalidArgument, PermissionDenied, ValueError) as error:
            raise AirflowFailException(f"shared cluster {self.cluster_name} is refused: {error}") from error

    def _running(self, context: Context) -> str:
        """Return the cluster's name once it runs: also one that another run makes anew after it has failed."""
        cluster = self.cloud.cluster(self.cluster_name)
        if cluster is None:
            raise AirflowException(f"shared cluster {self.cluster_name} went while it was waited for")
        self._check_labels(cluster)
        if cluster.state in _READY:
            return cluster.name
        if cluster.state in _USABLE:
            self._await_running(context)
            return self._running(context)
        self.cloud.delete_cluster(cluster.name)
        raise AirflowException(
            f"shared cluster {cluster.name} is {cluster.state}: {cluster.detail or 'Dataproc gives no reason'}; "
            "it is deleted, another try makes a new one"
        )

    def _check_labels(self, cluster: ClusterRecord) -> None:
        for key, expected in self.cluster_labels.items():
            if cluster.labels.get(key) != expected:
                raise AirflowFailException(
                    f"cluster {cluster.name} is not the shared one: its label {key} is "
                    f"{cluster.labels.get(key)!r}, expected {expected!r}; nothing of it was touched"
                )

    def _remove(self, cluster: ClusterRecord) -> None:
        self.log.warning("Shared cluster %s is %s %s", cluster.name, cluster.state, cluster.detail)
        if cluster.state != "DELETING":
            self.cloud.delete_cluster(cluster.name)
        self.wait_in_place(
            lambda: self.cloud.cluster(cluster.name) is None,
            seconds=self.creation_seconds,
            what=f"deleting shared cluster {cluster.name}",
        )

    def _await_running(self, context: Context) -> None:
        if self.defers(context):
            from airflow.providers.google.cloud.triggers.dataproc import DataprocClusterTrigger

            # Others wait for this cluster too: neither an error nor the end of this task deletes it.
            self.defer(
                trigger=DataprocClusterTrigger(
                    cluster_name=self.cluster_name, delete_on_error=False, **self.trigger_arguments()
                ),
                method_name="ready",
                timeout=timedelta(seconds=self.creation_seconds),
            )
        try:
            self.wait_in_place(self._has_settled, seconds=self.creation_seconds, what="creating the shared cluster")
        except TimeoutError as error:
            raise AirflowException(str(error)) from error

    def _has_settled(self) -> bool:
        cluster = self.cloud.cluster(self.cluster_name)
        return cluster is None or cluster.state in _READY or cluster.state not in _USABLE
