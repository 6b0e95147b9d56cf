"""What the operators have in common: where they work, and how they wait.

A task that a scheduler queued waits in the triggerer and takes no worker meanwhile. One that nobody queued
(``dag.test()``, ``airflow tasks test``) has no triggerer that would count its time, so it waits in place.
Triggers are the provider's and Airflow's own: a triggerer cannot import classes from a packaged DAG archive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from dataplatform_dask.names import run_labels

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from dataplatform_dask.cloud import Dataproc

#: What a resumed task is told when its trigger failed or its time was up; Airflow's own name.
FAILED_TRIGGER = "__fail__"


class DataprocOperator(BaseOperator):
    """Base of the operators of this library.

    ``group``: the cluster's name within its DAG; ``labels``: those of the release; ``deferrable`` None decides by
    itself. Times are seconds.
    """

    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        project: str,
        region: str,
        group: str,
        labels: Mapping[str, str],
        connection: str = "google_cloud_default",
        deferrable: bool | None = None,
        polling_seconds: float = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.region = region
        self.group = group
        self.labels = labels
        self.connection = connection
        self.deferrable = deferrable
        self.polling_seconds = polling_seconds

    @property
    def cloud(self) -> Dataproc:
        """Return the client; it is made with the first call."""
        from dataplatform_dask.cloud import dataproc

        return dataproc(self.project, self.region, self.connection)

    def own_labels(self, context: Context) -> dict[str, str]:
        """Return the labels that everything of this cluster in this run carries, whatever the try."""
        ownership = {key: self.labels[key] for key in ("managed-by", "environment")}
        return {**ownership, **run_labels(self.dag_id, context["ti"].run_id, self.group)}

    def defers(self, context: Context) -> bool:
        """Whether to wait in the triggerer."""
        return was_queued(context) if self.deferrable is None else self.deferrable

    def wait_in_place(self, until: Callable[[], Any], *, seconds: float, what: str) -> Any:
        """Return what ``until`` returns once that is true. Raises TimeoutError when ``seconds`` have passed."""
        deadline = time.monotonic() + seconds
        while not (result := until()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} took longer than {duration(seconds)}")
            time.sleep(min(self.polling_seconds, 5))
        return result

    def trigger_arguments(self) -> dict[str, Any]:
        """Return what every trigger of the provider is told."""
        return {
            "project_id": self.project,
            "region": self.region,
            "gcp_conn_id": self.connection,
            "polling_interval_seconds": max(1, round(self.polling_seconds)),
        }

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a wait; a trigger that failed, or a wait that took too long, is answered by ``give_up``."""
        if next_method == FAILED_TRIGGER:
            result = self.give_up(context, str((next_kwargs or {}).get("error") or "the trigger failed"))
            if result is not None:
                return result
        return super().resume_execution(next_method, next_kwargs, context)

    def give_up(self, context: Context, error: str) -> Any:
        """Undo what must not stay, and raise the reason; or return the task's result when all went well nevertheless.

        None lets Airflow raise its own error.
        """


def was_queued(context: Context) -> bool:
    """Whether a scheduler queued this task, so that pools, triggers and timeouts work for it."""
    return getattr(context["ti"], "queued_dttm", None) is not None


def is_timeout(error: str) -> bool:
    """Whether a wait took too long, by what Airflow says of it; otherwise its trigger failed."""
    return "timeout" in error.lower()


def state_of(context: Context, task_id: str) -> str | None:
    """Return the state of another task of the same run; None before it has one."""
    ti = context["ti"]
    if hasattr(ti, "get_task_states"):  # Airflow 3 has no database access in tasks
        return ti.get_task_states(dag_id=ti.dag_id, task_ids=[task_id], run_ids=[ti.run_id])[ti.run_id].get(task_id)
    other = context["dag_run"].get_task_instance(task_id)
    return None if other is None or other.state is None else str(other.state)


def until_task_is(context: Context, task_id: str, states: list[str], polling_seconds: float) -> Any:
    """Return Airflow's trigger that fires when another task of the same run is in one of the states."""
    dag_id = context["ti"].dag_id
    try:
        from airflow.providers.standard.triggers.external_task import WorkflowTrigger
    except ImportError:
        from airflow.triggers.external_task import WorkflowTrigger

        # By position: this release's name of the run's date is gone in the next.
        return WorkflowTrigger(
            dag_id,
            [context["dag_run"].logical_date],
            [task_id],
            allowed_states=states,
            poke_interval=polling_seconds,
        )
    return WorkflowTrigger(
        external_dag_id=dag_id,
        run_ids=[context["ti"].run_id],
        external_task_ids=[task_id],
        allowed_states=states,
        poke_interval=polling_seconds,
    )


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    return str(timedelta(seconds=round(seconds)))
