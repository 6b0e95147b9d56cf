"""The task that deletes the clusters of a run, of all its tries, however the run went."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from dataplatform_dask.waiting import DataprocOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class DeleteClusters(DataprocOperator):
    """Delete by label, so that what a failed or killed creation left goes too; none left is a success.

    ``deletion_seconds``: until all are gone.
    """

    def __init__(self, *, deletion_seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deletion_seconds = deletion_seconds

    def execute(self, context: Context) -> None:
        """Begin deleting all of them, then wait until they are gone."""
        for cluster in self.cloud.clusters(self.own_labels(context)):
            if self.cloud.delete_cluster(cluster.name):
                self.log.info("Deleting cluster %s.", cluster.name)
        self._wait(context)

    def gone(self, context: Context, event: dict[str, Any]) -> None:
        """Look for the next one, when one is gone."""
        if event["status"] == "error":
            raise AirflowException(f"deleting: {event['message']}; {self._net()}")
        self._wait(context)

    def give_up(self, context: Context, error: str) -> None:
        """Say what is left and what will remove it."""
        left = ", ".join(cluster.name for cluster in self.cloud.clusters(self.own_labels(context)))
        raise AirflowException(f"not deleted within {self.deletion_seconds:.0f} s: {left}; {error}; {self._net()}")

    def _wait(self, context: Context) -> None:
        labels = self.own_labels(context)
        left = self.cloud.clusters(labels)
        if not left:
            self.log.info("No cluster of this run is left.")
            return
        if self.defers(context):
            from airflow.providers.google.cloud.triggers.dataproc import DataprocDeleteClusterTrigger

            self.defer(
                trigger=DataprocDeleteClusterTrigger(
                    cluster_name=left[0].name,
                    end_time=time.time() + self.deletion_seconds,
                    **self.trigger_arguments(),
                ),
                method_name="gone",
            )
        try:
            self.wait_in_place(
                lambda: not self.cloud.clusters(labels), seconds=self.deletion_seconds, what="deleting the cluster"
            )
        except TimeoutError as error:
            raise AirflowException(f"{error}; {self._net()}") from error

    @staticmethod
    def _net() -> str:
        return "the reaper deletes it within 5 minutes of the run's end, idle and max-age deletion stand behind it"
