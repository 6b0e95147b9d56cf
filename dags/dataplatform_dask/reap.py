"""The task that looks for what should not be there any more, and removes it. What that is, ``reaper`` decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator, timezone

from dataplatform_dask.cloud import dataproc
from dataplatform_dask.names import run_labels
from dataplatform_dask.reaper import CANCEL_JOB, DELETE_CLUSTER, Action, decide
from dataplatform_dask.release import Release

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class Reap(BaseOperator):
    """Delete, cancel and report; returns what was done. Fails when something could not be done."""

    def __init__(self, *, release: Release, connection: str = "google_cloud_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = release.project
        self.region = release.region
        self.ownership = release.ownership
        self.users: Mapping[str, Mapping[str, Any]] = release.users
        self.connection = connection

    def execute(self, context: Context) -> list[str]:
        """Look once."""
        cloud = dataproc(self.project, self.region, self.connection)
        # Runs after clusters: a cluster in the list was made by a run that was live then.
        clusters, jobs = cloud.clusters(self.ownership), cloud.active_jobs(self.ownership)
        actions = decide(
            clusters,
            jobs,
            now=timezone.utcnow(),
            live_runs=live_runs(),
            users=self.users,
            ownership=self.ownership,
        )
        failed = [action for action in actions if not self._act(cloud, action)]
        if failed:
            raise AirflowException("; ".join(f"{action.kind} {action.name} failed" for action in failed))
        return [f"{action.kind} {action.name}: {action.reason}" for action in actions]

    def _act(self, cloud: Any, action: Action) -> bool:
        self.log.warning("%s %s: %s", action.kind, action.name, action.reason)
        try:
            if action.kind == DELETE_CLUSTER:
                cloud.delete_cluster(action.name, action.uuid)
            elif action.kind == CANCEL_JOB:
                cloud.cancel_job(action.name)
        except Exception:
            # The others are still to be done; the task fails at the end.
            self.log.exception("%s %s failed", action.kind, action.name)
            return False
        return True


def live_runs() -> set[tuple[str, str]]:
    """Return the labels (dag, run) of all runs that are queued or running, from Airflow's database."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState

    runs = [run for state in (DagRunState.QUEUED, DagRunState.RUNNING) for run in DagRun.find(state=state)]
    return {tuple(run_labels(run.dag_id, run.run_id).values()) for run in runs}
