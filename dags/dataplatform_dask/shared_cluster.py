"""The task that runs a job on the shared cluster of a template, which it makes when there is none.

The cluster's name is the lock: Dataproc lets one of two creations at once succeed, the other finds the cluster and
waits for it. Only a cluster with the labels of this template is used; it is deleted when idle, never by a run.
A cluster says by a label which of the places it is in, so that all who wait for it know the next when it fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from dataplatform_dask import names
from dataplatform_dask.run_job import RunJob
from dataplatform_dask.zones import is_stock_out, placed, places

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from dataplatform_dask.cloud import ClusterRecord

_READY = frozenset({"RUNNING", "UPDATING"})
_USABLE = frozenset({*_READY, "CREATING", "STARTING", "REPAIRING"})
_PLACE = "place"
# Between the end of a cluster and the creation of the one that takes its place.
_BETWEEN_SECONDS = 30


class RunJobOnSharedCluster(RunJob):
    """Run a job on the shared cluster; the task's own pool slots are what the job takes of its owner's.

    ``cluster_name``, ``cluster_labels`` and ``config`` (Google's JSON names) are those of the shared cluster;
    ``zones``: others to go to when one has no machines left; ``creation_seconds``: for one creation.
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
            self._create(context, place=0)
        return self._running(context)

    def _create(self, context: Context, place: int) -> None:
        from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, InvalidArgument, PermissionDenied

        zone = places(self.config, self.zones)[place]
        identity = (self.dag_id, context["ti"].run_id, self.task_id, names.unique())
        try:
            self.cloud.create_cluster(
                self.cluster_name,
                placed(self.config, zone),
                {**self.cluster_labels, _PLACE: str(place)},
                names.request_id("share", *identity),
            )
            self.log.info("Creating shared cluster %s%s.", self.cluster_name, f" in zone {zone}" if zone else "")
        except AlreadyExists:
            self.log.info("Another run creates shared cluster %s just now; waiting for it.", self.cluster_name)
        except (InvalidArgument, PermissionDenied, ValueError) as error:
            raise AirflowFailException(f"shared cluster {self.cluster_name} is refused: {error}") from error
        except GoogleAPICallError as error:
            if not (is_stock_out(str(error)) and self._is_place(place + 1)):
                raise
            self.log.warning("Shared cluster %s: %s; trying another zone.", self.cluster_name, error)
            self._create(context, place + 1)

    def _running(self, context: Context) -> str:
        """Return the cluster's name once it runs: also one that another run makes anew after it has failed."""
        try:
            # Another run that replaces it may be between the two.
            cluster = self.wait_in_place(
                lambda: self.cloud.cluster(self.cluster_name), seconds=_BETWEEN_SECONDS, what="replacing it"
            )
        except TimeoutError as error:
            raise AirflowException(f"shared cluster {self.cluster_name} went while it was waited for") from error
        self._check_labels(cluster)
        if cluster.state in _READY:
            return cluster.name
        if cluster.state in _USABLE:
            self._await_running(context)
            return self._running(context)
        place = int(cluster.labels.get(_PLACE, "0")) + 1
        # One that is being deleted is being replaced by another run, which may be doing the same at this moment.
        if self._is_place(place) and (cluster.state == "DELETING" or is_stock_out(cluster.detail)):
            self._remove(cluster)
            self._create(context, place)
            return self._running(context)
        self.cloud.delete_cluster(cluster.name, cluster.uuid)
        raise AirflowException(
            f"shared cluster {cluster.name} is {cluster.state}: {cluster.detail or 'Dataproc gives no reason'}; "
            "it is deleted, another try makes a new one"
        )

    def _is_place(self, place: int) -> bool:
        return place < len(places(self.config, self.zones))

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
            self.cloud.delete_cluster(cluster.name, cluster.uuid)
        # Another run may have been faster to replace it.
        self.wait_in_place(
            lambda: (now := self.cloud.cluster(cluster.name)) is None or now.state in _USABLE,
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
