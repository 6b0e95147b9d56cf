"""The task that runs one Dask job on a cluster of its own run, or on a shared one, and says why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.providers.google.cloud.links.dataproc import DataprocJobLink

from dataplatform_dask import names
from dataplatform_dask.failures import job_failure
from dataplatform_dask.waiting import DataprocOperator, duration, is_timeout

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from dataplatform_dask.cloud import JobRecord

# What a cancelled job may take to end.
_CANCEL_SECONDS = 120
_SUBMITTED = "submitted"


class RunJob(DataprocOperator):
    """Run a job and wait for it.

    ``job``: the body without reference, placement and labels, in Google's JSON names; ``arguments``: more of the
    script's arguments, templated; ``cluster_task``: the task whose result is the cluster's name; ``job_seconds``: how
    long the job may take, after which it is cancelled; ``run_directory``: below which the launcher leaves run records.
    Returns the job's id.
    """

    template_fields: Sequence[str] = ("arguments",)
    operator_extra_links = (DataprocJobLink(),)

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        arguments: Sequence[str] = (),
        cluster_task: str | None,
        job_seconds: float,
        run_directory: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.arguments = arguments
        self.cluster_task = cluster_task
        self.job_seconds = job_seconds
        self.run_directory = run_directory
        self._submitted: str | None = None

    def execute(self, context: Context) -> str:
        """Submit the job and wait for its end."""
        return self._submit(context, self._cluster(context))

    def ended(self, context: Context, event: dict[str, Any]) -> str:
        """Return the id of the job that ended, or raise why it did not succeed."""
        return self._result(self.cloud.job(event["job_id"]))

    def give_up(self, context: Context, error: str) -> str | None:
        """Cancel the job whose time is up, or whose trigger failed; return its id when it succeeded meanwhile."""
        submitted = self._job_of(context)
        if submitted is None:
            return None
        job = self.cloud.job(submitted)
        if job.state == "DONE":
            return submitted
        # By now the trigger may have cancelled it for the same reason.
        if is_timeout(error):
            self._too_long(submitted)
        if job.ended:
            return self._result(job)
        self._cancel(submitted)
        return None

    def on_kill(self) -> None:
        """Cancel the job; while deferred, the trigger does."""
        if self._submitted:
            self.log.info("Killed: cancelling job %s.", self._submitted)
            self.cloud.cancel_job(self._submitted)

    def _job_of(self, context: Context) -> str | None:
        """Return the id of the job that this try submitted."""
        return context["ti"].xcom_pull(task_ids=self.task_id, key=_SUBMITTED)

    def _cluster(self, context: Context) -> str:
        name = context["ti"].xcom_pull(task_ids=self.cluster_task)
        cluster = self.cloud.cluster(name) if name else None
        if cluster is None or cluster.state not in ("RUNNING", "UPDATING"):
            state = "gone" if cluster is None else cluster.state
            raise AirflowFailException(
                f"cluster {name} is {state}; clear this task, which makes a new cluster, to run it again"
            )
        return cluster.name

    def _submit(self, context: Context, cluster: str) -> str:
        from google.api_core.exceptions import AlreadyExists, InvalidArgument, PermissionDenied

        ti = context["ti"]
        own = {**self.own_labels(context), "task": names.label_value(self.task_id)}
        for job in self.cloud.active_jobs(own):
            self.log.warning("Cancelling job %s of an earlier try.", job.job_id)
            self._cancel(job.job_id)
        job_id = names.job_id(self.dag_id, ti.run_id, self.task_id, names.unique(), try_number=ti.try_number)
        limit = {"timeout": str(round(self.job_seconds))}
        body = {
            **self._body(),
            "reference": {"projectId": self.project, "jobId": job_id},
            "placement": {"clusterName": cluster},
            "labels": {**self.labels, **own, **limit, "try": str(ti.try_number)},
        }
        self._submitted = job_id
        try:
            self.cloud.submit_job(body, names.request_id("submit", job_id))
        except AlreadyExists:
            self.log.info("Job %s was submitted by this try already.", job_id)
        except (InvalidArgument, PermissionDenied, ValueError) as error:
            raise AirflowFailException(f"job {job_id} is refused: {error}") from error
        ti.xcom_push(_SUBMITTED, job_id)
        DataprocJobLink.persist(context=context, job_id=job_id, region=self.region, project_id=self.project)
        self.log.info("Job %s runs on cluster %s; run record: %s", job_id, cluster, self._record(job_id))
        if self.defers(context):
            from airflow.providers.google.cloud.triggers.dataproc import DataprocSubmitTrigger

            self.defer(
                trigger=DataprocSubmitTrigger(job_id=job_id, cancel_on_kill=True, **self.trigger_arguments()),
                method_name="ended",
                timeout=timedelta(seconds=self.job_seconds),
            )
        try:
            job = self.wait_in_place(
                lambda: (record := self.cloud.job(job_id)).ended and record,
                seconds=self.job_seconds,
                what=f"job {job_id}",
            )
        except TimeoutError:
            self._too_long(job_id)
        return self._result(job)

    def _body(self) -> dict[str, Any]:
        if not self.arguments:
            return dict(self.job)
        pyspark = self.job["pysparkJob"]
        return {**self.job, "pysparkJob": {**pyspark, "args": [*pyspark["args"], *self.arguments]}}

    def _result(self, job: JobRecord) -> str:
        self._submitted = None
        if job.state == "DONE":
            return job.job_id
        if job.state == "CANCELLED":
            raise AirflowFailException(f"job {job.job_id} was cancelled: {job.detail or 'by whom is in the audit log'}")
        failure = job_failure(job, self._record(job.job_id), self.connection)
        raise (AirflowException if failure.worth_another_try else AirflowFailException)(failure.message)

    def _too_long(self, job_id: str) -> None:
        self._cancel(job_id)
        raise AirflowFailException(
            f"job {job_id} took longer than {duration(self.job_seconds)} and was cancelled; "
            f"run record: {self._record(job_id)}"
        )

    def _cancel(self, job_id: str) -> None:
        self.cloud.cancel_job(job_id)
        try:
            self.wait_in_place(
                lambda: self.cloud.job(job_id).ended, seconds=_CANCEL_SECONDS, what=f"cancelling job {job_id}"
            )
        except TimeoutError as error:
            self.log.warning("%s; the reaper cancels it again.", error)

    def _record(self, job_id: str) -> str:
        return f"{self.run_directory}/{job_id}/run.json"
