"""The task that occupies a user's worker slots while the cluster of a run lives.

A pool counts slots of tasks, but a cluster outlives the tasks that make it. So one task of every run does nothing but
take as many slots of the owner's pool as the cluster may have workers, and keep them until the cluster is gone; the
cluster is created only once it has them. It is the only task in that pool, and waits for nothing but its own run's
deletion, so no run can wait for another in a circle; that none waits for itself is seen in ``turns``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from dataplatform_dask.waiting import DataprocOperator, state_of, until_task_is, was_queued

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: States of a task that occupies its slots, and of one that has ended, in which way ever.
HOLDING = frozenset({"running", "deferred"})
ENDED = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


class WorkerSlots(DataprocOperator):
    """Hold the slots until ``delete_task`` has ended and no cluster of this run is left."""

    def __init__(self, *, delete_task: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.delete_task = delete_task

    def execute(self, context: Context) -> None:
        """Begin to hold; the slots are this task's from now on."""
        if not was_queued(context):
            self.log.info("No scheduler queued this task, so nobody counts pool %s.", self.pool)
            return
        self.log.info("Holding %s slots of pool %s until the cluster is deleted.", self.pool_slots, self.pool)
        if state_of(context, self.delete_task) in ENDED:
            self.released(context)
            return
        self.defer(
            trigger=until_task_is(context, self.delete_task, sorted(ENDED), self.polling_seconds),
            method_name="released",
        )

    def released(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Let go when no cluster of the run is left; one that could not be deleted still counts."""
        left = self.cloud.clusters(self.own_labels(context))
        if not left:
            self.log.info("No cluster of this run is left: the slots are free.")
            return
        if event and event.get("status") == "error":
            raise AirflowException(f"waiting until cluster {left[0].name} is gone: {event.get('message')}")
        from airflow.providers.google.cloud.triggers.dataproc import DataprocDeleteClusterTrigger

        self.log.warning("Cluster %s is still there and counts until it is gone.", left[0].name)
        limit = self.execution_timeout.total_seconds() if self.execution_timeout else 86400
        self.defer(
            trigger=DataprocDeleteClusterTrigger(
                cluster_name=left[0].name, end_time=time.time() + limit, **self.trigger_arguments()
            ),
            method_name="released",
        )
