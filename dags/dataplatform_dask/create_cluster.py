"""The task that creates the cluster of a run, and gives the real reason when it cannot."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.providers.google.cloud.links.dataproc import DataprocClusterLink

from dataplatform_dask import names
from dataplatform_dask.waiting import DataprocOperator, duration, is_timeout, state_of, until_task_is, was_queued
from dataplatform_dask.worker_slots import ENDED, HOLDING
from dataplatform_dask.zones import is_stock_out, placed, places

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# How long to look for the slots before waiting for them in the triggerer: usually both tasks start together.
_GLANCE_SECONDS = 5
# What deleting the cluster of an earlier try may take.
_LEFTOVER_SECONDS = 900
# Where a resumed task finds what it began.
_STARTED = "started"


class CreateCluster(DataprocOperator):
    """Create a cluster that is this run's and this try's own.

    ``config``: ClusterConfig in Google's JSON names; ``zones``: others to go to when one has no machines left;
    ``slots_task``: the task that holds the owner's worker slots; ``creation_seconds``: for one creation;
    ``turn_seconds``: for waiting until the owner has slots. Returns the cluster's name.
    """

    operator_extra_links = (DataprocClusterLink(),)

    def __init__(
        self,
        *,
        config: Mapping[str, Any],
        zones: Sequence[str],
        slots_task: str,
        pool_of_owner: str,
        creation_seconds: float,
        turn_seconds: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.zones = zones
        self.slots_task = slots_task
        self.pool_of_owner = pool_of_owner
        self.creation_seconds = creation_seconds
        self.turn_seconds = turn_seconds
        self._creating: str | None = None

    def execute(self, context: Context) -> str:
        """Wait for the owner's slots, then create."""
        if was_queued(context) and not self._has_slots(context):
            self.log.info("%s", self._why_waiting())
            self.defer(
                trigger=until_task_is(context, self.slots_task, sorted(HOLDING | ENDED), self.polling_seconds),
                method_name="slots_given",
                timeout=timedelta(seconds=self.turn_seconds),
            )
        return self._begin(context)

    def slots_given(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Create, now that the owner's slots are held."""
        if not self._has_slots(context):
            raise AirflowException(f"task {self.slots_task} does not hold the worker slots any more")
        return self._begin(context)

    def created(self, context: Context, event: dict[str, Any]) -> str:
        """Return the name of the running cluster, or go on after a failed creation."""
        if event["cluster_state"] == "RUNNING":
            return self._done(event["cluster_name"])
        detail = str(((event.get("cluster") or {}).get("status") or {}).get("detail") or "")
        return self._failed(context, event["cluster_name"], detail)

    def give_up(self, context: Context, error: str) -> None:
        """Delete what was begun; say what the wait was for."""
        started = self._started(context)
        if started is None and is_timeout(error):
            raise AirflowFailException(f"{error} after {duration(self.turn_seconds)}: {self._why_waiting()}")
        if started is None:
            raise AirflowException(f"{error}: {self._why_waiting()}")
        self.cloud.delete_cluster(started["cluster"])
        reason = self.cloud.operation(started["operation"]).error
        raise AirflowException(f"cluster {started['cluster']}: {reason or error}; it is being deleted")

    def on_kill(self) -> None:
        """Delete the cluster that is being created; while deferred, the trigger does."""
        if self._creating:
            self.log.info("Killed: deleting cluster %s.", self._creating)
            self.cloud.delete_cluster(self._creating)

    def _has_slots(self, context: Context) -> bool:
        deadline = time.monotonic() + _GLANCE_SECONDS
        while (state := state_of(context, self.slots_task)) not in HOLDING:
            if state == "success":
                self.log.warning("%s was ended by hand: this cluster is not counted.", self.slots_task)
                return True
            if state in ENDED:
                raise AirflowFailException(f"no worker slots are held: task {self.slots_task} is {state}")
            if time.monotonic() > deadline:
                return False
            time.sleep(1)
        return True

    def _why_waiting(self) -> str:
        owner = self.labels["owner"]
        ownership = {key: self.labels[key] for key in ("managed-by", "environment", "owner")}
        clusters = self.cloud.clusters({**ownership, "placement": "own"}, "ACTIVE")
        taken = "; ".join(
            f"cluster {cluster.name} of DAG {cluster.labels.get('dag', '?')}, run {cluster.labels.get('run', '?')}"
            for cluster in clusters
        )
        return (
            f"waiting for worker slots of {owner} (pool {self.pool_of_owner}); in use by: "
            f"{taken or 'no cluster now; the pool itself says which tasks hold slots'}"
        )

    def _begin(self, context: Context) -> str:
        leftovers = self.cloud.clusters(self.own_labels(context))
        for cluster in leftovers:
            self.log.warning("Deleting cluster %s of an earlier try; it is not adopted.", cluster.name)
            self.cloud.delete_cluster(cluster.name)
        for cluster in leftovers:
            self.wait_in_place(
                lambda name=cluster.name: self.cloud.cluster(name) is None,
                seconds=_LEFTOVER_SECONDS,
                what=f"deleting cluster {cluster.name} of an earlier try",
            )
        return self._create(context, placing=0)

    def _create(self, context: Context, placing: int) -> str:
        from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, InvalidArgument, PermissionDenied

        ti = context["ti"]
        zone = places(self.config, self.zones)[placing]
        identity = (self.dag_id, ti.run_id, self.group, names.unique())
        name = names.cluster_name(*identity, try_number=ti.try_number, placing=placing)
        labels = {**self.labels, **self.own_labels(context), "try": str(ti.try_number)}
        self.log.info("Creating cluster %s%s.", name, f" in zone {zone}" if zone else "")
        self._creating = name
        try:
            operation = self.cloud.create_cluster(
                name, placed(self.config, zone), labels, names.request_id("create", name)
            )
        except (InvalidArgument, PermissionDenied, ValueError) as error:
            raise AirflowFailException(f"cluster {name} is refused: {error}") from error
        except AlreadyExists as error:
            raise AirflowException(f"cluster {name} exists and is not this try's own: {error}") from error
        except GoogleAPICallError as error:
            return self._next_place(context, name, placing, str(error))
        ti.xcom_push(_STARTED, {"cluster": name, "operation": operation.name, "placing": placing})
        DataprocClusterLink.persist(context=context, cluster_id=name, region=self.region, project_id=self.project)
        if self.defers(context):
            from airflow.providers.google.cloud.triggers.dataproc import DataprocClusterTrigger

            self.defer(
                trigger=DataprocClusterTrigger(cluster_name=name, delete_on_error=True, **self.trigger_arguments()),
                method_name="created",
                timeout=timedelta(seconds=self.creation_seconds),
            )
        try:
            ended = self.wait_in_place(
                lambda: (record := self.cloud.operation(operation.name)).done and record,
                seconds=self.creation_seconds,
                what=f"creating cluster {name}",
            )
        except TimeoutError as error:
            self.cloud.delete_cluster(name)
            raise AirflowException(f"{error}; it is being deleted") from error
        return self._failed(context, name, ended.error) if ended.error else self._done(name)

    def _failed(self, context: Context, name: str, detail: str) -> str:
        started = self._started(context) or {}
        reason = (self.cloud.operation(started["operation"]).error if "operation" in started else "") or detail
        self.cloud.delete_cluster(name)
        return self._next_place(context, name, started.get("placing", 0), reason)

    def _next_place(self, context: Context, name: str, placing: int, reason: str) -> str:
        if is_stock_out(reason) and placing + 1 < len(places(self.config, self.zones)):
            self.log.warning("Cluster %s: %s; trying another zone.", name, reason)
            return self._create(context, placing + 1)
        raise AirflowException(f"cluster {name} could not be created: {reason or 'Dataproc gives no reason'}")

    def _done(self, name: str) -> str:
        self._creating = None
        self.log.info("Cluster %s is running.", name)
        return name

    def _started(self, context: Context) -> dict[str, Any] | None:
        return context["ti"].xcom_pull(task_ids=self.task_id, key=_STARTED)
