# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Submit a Dataproc job once, follow it to its end, cancel it when its time is up or the person asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import ObjectReader
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ConflictError,
    GoogleApiError,
    TransportError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import (
    Deadline,
    FollowLimits,
    PollPace,
    Progress,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.job_identity import (
    JobIdentity,
    choose_identity,
    first_difference,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.job_output import JobOutput
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    describe_job,
    failure_message,
    is_terminal,
    job_console_url,
    job_state,
    progress_lines,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)


class JobRunner:
    """One task of ``dataproc_job``. ``companion`` is called with the job at every look while it is followed."""

    def __init__(
        self,
        api: DataprocApi,
        objects: ObjectReader,
        progress: Progress,
        interruption: Interruption,
        limits: FollowLimits,
        *,
        companion: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._api = api
        self._objects = objects
        self._progress = progress
        self._interruption = interruption
        self._limits = limits
        self._companion = companion

    def run(self, params: Mapping[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
        """Bring the job into the wanted state; what the task returns.

        Raises RunFailedError (RunInterruptedError after Ctrl-C) with the whole result, ValidationError, GoogleApiError.
        """
        job, state = params.get("job"), params["state"]
        identity = choose_identity(
            job, params.get("job_id"), params.get("request_id"), self._api.project, self._api.region
        )
        live = self._api.find_job(identity.job_id) if identity.repeatable else None
        if live is None and job is None:
            raise ValidationError([self._missing_text(identity)], "the job")
        if live is not None and job is not None:
            self._require_same(identity, job, live)
        if state == "cancelled":
            if live is None:
                return self._result(None, identity, changed=False, job=self._prepared(job or {}, identity))
            return self._cancelled(live, identity, check_mode=check_mode)
        return self._submitted(job, live, identity, wait=state == "finished", check_mode=check_mode)

    def _missing_text(self, identity: JobIdentity) -> str:
        if not identity.repeatable:
            return "job is missing: give the job to submit, or the job_id of one that exists"
        return f"there is no job {identity.job_id!r} in {self._api.parent}, and no `job` to submit under that id"

    def _require_same(self, identity: JobIdentity, job: Mapping[str, Any], live: Mapping[str, Any]) -> None:
        difference = first_difference(self._prepared(job, identity), live)
        if difference:
            raise ValidationError(
                [
                    f"job {identity.job_id!r} exists already in {self._api.parent} and is another job: {difference}. "
                    "Choose another job_id or request_id to submit a new one"
                ],
                "the job",
            )

    def _prepared(self, job: Mapping[str, Any], identity: JobIdentity) -> dict[str, Any]:
        reference = {**(job.get("reference") or {}), "projectId": self._api.project, "jobId": identity.job_id}
        return {**job, "reference": reference}

    def _submitted(
        self,
        job: Mapping[str, Any] | None,
        live: dict[str, Any] | None,
        identity: JobIdentity,
        *,
        wait: bool,
        check_mode: bool,
    ) -> dict[str, Any]:
        changed = live is None
        if check_mode:
            return self._predicted(job or {}, live, identity)
        if self._interruption.requested:
            raise RunInterruptedError("interrupted before the job was submitted; nothing runs", {"changed": False})
        if not wait:
            return self._result(None, identity, changed=changed, job=self._begin(job or {}, live, identity))
        begun = live
        try:
            begun = self._begin(job or {}, live, identity)
            return self._follow(begun, identity, changed=changed)
        except Exception:
            raise
        except BaseException:
            # The task's own `timeout:` keyword arrives as an exception that is no Exception, anywhere in this block.
            # What goes wrong now is not what the task failed of.
            try:
                if begun is None:
                    self._submit_again(job or {}, identity)
                self._api.cancel_job(identity.job_id)
            except ComputeError as error:
                self._progress.note(f"job {identity.job_id} may go on without us, it could not be cancelled: {error}")
            raise

    def _submit_again(self, job: Mapping[str, Any], identity: JobIdentity) -> None:
        """See a submission through that was cut off: the job may be there by now, or in a moment.

        The same request submits no second one. Raises ValidationError where the job of this id is somebody else's.
        """
        with contextlib.suppress(GoogleApiError, TransportError):
            self._submit(job, identity)

    def _begin(self, job: Mapping[str, Any], live: dict[str, Any] | None, identity: JobIdentity) -> dict[str, Any]:
        if live is not None:
            self._progress.note(f"job {identity.job_id} was submitted before; following it")
            return live
        submitted = self._submit(job, identity)
        self._progress.note(f"job {identity.job_id} submitted to cluster {_cluster(submitted)}")
        return submitted

    def _predicted(
        self, job: Mapping[str, Any], live: Mapping[str, Any] | None, identity: JobIdentity
    ) -> dict[str, Any]:
        if live is not None:
            return self._result(None, identity, changed=False, job=live)
        if identity.repeatable:
            return self._result(None, identity, changed=True, job=self._prepared(job, identity))
        # The random ids of this run would not be those of the next one, so none are promised.
        return {**self._result(None, identity, changed=True, job=job), "request_id": ""}

    def _submit(self, job: Mapping[str, Any], identity: JobIdentity) -> dict[str, Any]:
        body = self._prepared(job, identity)
        try:
            return self._api.submit_job(body, identity.request_id)
        except ConflictError:
            # Somebody with the same job id was faster: theirs is ours if it says the same.
            live = self._api.find_job(identity.job_id)
            if live is None:
                raise
            self._require_same(identity, job, live)
            return live

    def _follow(self, job: dict[str, Any], identity: JobIdentity, *, changed: bool) -> dict[str, Any]:
        output = JobOutput(self._objects, self._progress, "", self._limits.output_lines)
        deadline, pace = Deadline(self._limits.timeout), PollPace(self._limits.poll)
        seen: dict[str, Any] | None = None
        ended_before = is_terminal(job)
        try:
            while True:
                news = self._tell(seen, job)
                news = output.poll(job) or news
                seen = job
                if self._companion is not None:
                    self._companion(job)
                if is_terminal(job):
                    break
                if self._interruption.requested:
                    return self._give_up(job, identity, output, changed=changed)
                if deadline.passed:
                    limit = f"it ran longer than its limit of {deadline.seconds:g} s (timeout)"
                    return self._give_up(job, identity, output, changed=changed, because=limit)
                self._interruption.pause(pace.pause_after(news=news))
                job = self._next_look(job, identity)
        except (GoogleApiError, TransportError) as error:
            raise RunFailedError(
                f"job {identity.job_id} could not be followed to its end; it goes on without us: {error}",
                self._result(output, identity, changed=changed, job=job),
            ) from error
        output.drain(job, self._interruption, just_ended=not ended_before)
        if job_state(job) != "DONE":
            raise RunFailedError(
                self._failure(job, identity, output), self._result(output, identity, changed=changed, job=job)
            )
        return self._result(output, identity, changed=changed, job=job)

    def _next_look(self, job: dict[str, Any], identity: JobIdentity) -> dict[str, Any]:
        try:
            return self._api.get_job(identity.job_id)
        except (GoogleApiError, TransportError):
            # An interruption cuts the repeated requests short; what matters then is to cancel.
            if self._interruption.requested:
                return job
            raise

    def _tell(self, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
        lines = progress_lines(before, now)
        for line in lines:
            self._progress.note(line)
        return bool(lines)

    def _give_up(
        self, job: dict[str, Any], identity: JobIdentity, output: JobOutput, *, changed: bool, because: str = ""
    ) -> dict[str, Any]:
        """Cancel a job that is being followed, and fail saying so."""
        self._progress.note(f"cancelling job {identity.job_id}: {because or 'interrupted'}")
        kind = RunFailedError if because else RunInterruptedError
        reason = because or "it was interrupted by the person who followed it"
        try:
            job = self._cancel_and_wait(job, identity, output)
        except (GoogleApiError, TransportError) as error:
            place = f"--region={self._api.region} --project={self._api.project}"
            raise kind(
                f"job {identity.job_id}: {reason}; a cancel was sent, and its outcome is unknown: {error}. See whether"
                f" it ended with gcloud dataproc jobs describe {identity.job_id} {place}; if it still runs, run"
                f" gcloud dataproc jobs kill {identity.job_id} {place}",
                self._result(output, identity, changed=changed, job=job),
            ) from error
        if not is_terminal(job):
            reason += f"; it was told to stop but is still {job_state(job)} after {self._limits.cancel_timeout:g} s"
        elif job_state(job) == "CANCELLED":
            reason += "; it has been cancelled"
        raise kind(
            self._failure(job, identity, output, reason), self._result(output, identity, changed=changed, job=job)
        )

    def _cancelled(self, live: dict[str, Any], identity: JobIdentity, *, check_mode: bool) -> dict[str, Any]:
        output = JobOutput(self._objects, self._progress, "", self._limits.output_lines)
        changed = not is_terminal(live)
        if changed and not check_mode:
            live = self._cancel_and_wait(live, identity, output)
        if not check_mode:
            output.read_end(live)
        result = self._result(output, identity, changed=changed, job=live)
        if not check_mode and not is_terminal(live):
            raise RunFailedError(
                f"job {identity.job_id} was told to stop but is still {job_state(live)} "
                f"after {self._limits.cancel_timeout:g} s (cancel_timeout)",
                result,
            )
        return result

    def _cancel_and_wait(self, job: dict[str, Any], identity: JobIdentity, output: JobOutput) -> dict[str, Any]:
        self._interruption.begin_clean_up()
        try:
            self._api.cancel_job(identity.job_id)
        except GoogleApiError:
            # A job that has just ended cannot be cancelled; any other refusal is the caller's to know.
            job = self._api.get_job(identity.job_id)
            if not is_terminal(job):
                raise
        deadline, pace, seen = Deadline(self._limits.cancel_timeout), PollPace(self._limits.poll), job
        while True:
            job = self._api.get_job(identity.job_id)
            news = self._tell(seen, job)
            seen = job
            if is_terminal(job) or deadline.passed:
                break
            self._interruption.pause(pace.pause_after(news=news))
        output.poll(job)
        output.finish()
        return job

    def _failure(
        self, job: Mapping[str, Any], identity: JobIdentity, output: JobOutput, reason: str | None = None
    ) -> str:
        url = job_console_url(self._api.project, self._api.region, identity.job_id)
        return failure_message(job, identity.job_id, output.tail, url, reason=reason)

    def _result(
        self, output: JobOutput | None, identity: JobIdentity, *, changed: bool, job: Mapping[str, Any]
    ) -> dict[str, Any]:
        tail, error = (output.tail, output.error) if output else ([], "")
        described = describe_job(job, self._api.project, self._api.region, tail, error)
        return {"changed": changed, "request_id": identity.request_id, **described}


def _cluster(job: Mapping[str, Any]) -> str:
    placement = job.get("placement") or {}
    return placement.get("clusterName") or f"with labels {placement.get('clusterLabels')}"
