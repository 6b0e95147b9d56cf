# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start a workflow from its template, follow it step by step, cancel it and see its cluster go."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import ObjectReader
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    GoogleApiError,
    NotFoundError,
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
from ansible_collections.dataplatform.compute.plugins.module_utils.job_identity import request_id_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import parse_time
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_report import (
    describe_workflow,
    failure_message,
    is_workflow,
    label_problems,
    operation_id,
    parameter_problems,
    progress_lines,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_steps import WorkflowSteps

_CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far this machine's clock may be ahead of Google's without a new run being taken for an older one."""


class WorkflowRunner:
    """One task of ``dataproc_workflow``."""

    def __init__(
        self,
        api: DataprocApi,
        objects: ObjectReader,
        progress: Progress,
        interruption: Interruption,
        limits: FollowLimits,
    ) -> None:
        self._api = api
        self._progress = progress
        self._interruption = interruption
        self._limits = limits
        self._steps = WorkflowSteps(api, objects, progress, interruption, limits.output_lines)

    def run(self, params: Mapping[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
        """Bring the workflow into the wanted state; what the task returns.

        Raises RunFailedError (RunInterruptedError after Ctrl-C) with the whole result, ValidationError, GoogleApiError.
        """
        state = params["state"]
        if params.get("operation"):
            operation = self.find(params["operation"])
            if state == "cancelled":
                return self._cancelled(operation, check_mode=check_mode)
            if check_mode or state == "started":
                return self._result(operation, changed=False)
            with self._cancel_if_cut_off(lambda: operation):
                return self._follow(operation, changed=False)
        return self._started(params, wait=state == "finished", check_mode=check_mode)

    def find(self, name: str) -> dict[str, Any]:
        """The workflow's operation, by id or full name. Raises ValidationError when there is none."""
        full_name = self._api.operation_name(name)
        try:
            operation = self._api.get_operation(full_name)
        except NotFoundError as error:
            raise ValidationError(
                [f"operation: there is no {name!r} in {self._api.parent}: {error.message}"], "the workflow"
            ) from error
        if not is_workflow(operation):
            raise ValidationError([f"operation: {name!r} is no workflow's operation"], "the workflow")
        return operation

    def _started(self, params: Mapping[str, Any], *, wait: bool, check_mode: bool) -> dict[str, Any]:
        template, parameters = params["template"], params.get("parameters") or {}
        request_id = params.get("request_id") or str(uuid.uuid4())
        stored = self._find_template(template)
        problems = request_id_problems(request_id) + parameter_problems(stored, parameters)
        problems += label_problems(stored, params.get("required_labels") or {})
        if problems:
            raise ValidationError(problems, f"the start of workflow {template!r}")
        if check_mode:
            return {
                **self._result({}, changed=True),
                "template": template,
                "state": "PENDING",
                "request_id": params.get("request_id") or "",
            }
        if self._interruption.requested:
            raise RunInterruptedError("interrupted before the workflow was started; nothing runs", {"changed": False})
        texts = {name: str(value) for name, value in parameters.items()}
        before = datetime.now(UTC)
        start = functools.partial(self._api.instantiate, template, texts, request_id)
        operation: dict[str, Any] = {}
        # It may be there by now, or in a moment; the same request id starts no second one.
        with self._cancel_if_cut_off(lambda: operation or start()) if wait else contextlib.nullcontext():
            operation = start()
            joined = _started_before(operation, before)
            how = "was started before with this request_id; following it" if joined else "started"
            self._progress.note(f"workflow {template} {how} as run {operation_id(operation)}")
            result = (self._follow if wait else self._result)(operation, changed=not joined)
            return {**result, "request_id": request_id}

    @contextlib.contextmanager
    def _cancel_if_cut_off(self, find: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
        """Cancel the run that ``find`` returns where the task's own ``timeout:`` keyword ends the block.

        It arrives as an exception that is no Exception, anywhere. What goes wrong then is not what the task failed of.
        """
        try:
            yield
        except Exception:
            raise
        except BaseException:
            try:
                self._api.cancel_operation(find()["name"])
            except ComputeError as error:
                self._progress.note(f"the workflow may go on without us, it could not be cancelled: {error}")
            raise

    def _find_template(self, template: str) -> dict[str, Any]:
        try:
            return self._api.get_template(template)
        except NotFoundError as error:
            hint = near_miss(template, self._api.list_template_ids())
            raise ValidationError(
                [f"template: there is no workflow template {template!r} in {self._api.parent}; {hint}"], "the workflow"
            ) from error

    def _follow(self, operation: dict[str, Any], *, changed: bool) -> dict[str, Any]:
        deadline, pace = Deadline(self._limits.timeout), PollPace(self._limits.poll)
        seen: dict[str, Any] | None = None
        try:
            while True:
                news = self._look(seen, operation)
                seen = operation
                if operation.get("done"):
                    break
                if self._interruption.requested:
                    return self._give_up(operation, changed=changed)
                if deadline.passed:
                    limit = f"it took longer than its limit of {deadline.seconds:g} s (timeout)"
                    return self._give_up(operation, changed=changed, because=limit)
                self._interruption.pause(pace.pause_after(news=news))
                operation = self._next_look(operation)
        except (GoogleApiError, TransportError) as error:
            raise RunFailedError(
                f"run {operation_id(operation)} could not be followed to its end; it goes on without us: {error}",
                self._result(operation, changed=changed),
            ) from error
        self._steps.finish(operation)
        result = self._result(operation, changed=changed)
        if result["outcome"] != "succeeded":
            raise RunFailedError(failure_message(result), result)
        return result

    def _next_look(self, operation: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._api.get_operation(operation["name"])
        except (GoogleApiError, TransportError):
            # An interruption cuts the repeated requests short; what matters then is to cancel.
            if self._interruption.requested:
                return operation
            raise

    def _look(self, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
        # What the known jobs still have to say comes before what the workflow says about their end.
        news = self._steps.look(before or {})
        for line in progress_lines(before, now):
            self._progress.note(line)
            news = True
        return self._steps.look(now, new_only=True) or news

    def _give_up(self, operation: dict[str, Any], *, changed: bool, because: str = "") -> dict[str, Any]:
        """Cancel a workflow that is being followed, and fail saying so."""
        reason = because or "it was interrupted by the person who followed it"
        self._progress.note(f"cancelling run {operation_id(operation)}: {because or 'interrupted'}")
        try:
            operation = self._cancel_and_wait(operation)
            left = self._left_behind(operation)
        except (GoogleApiError, TransportError) as error:
            kind = RunFailedError if because else RunInterruptedError
            place = f"--region={self._api.region} --project={self._api.project}"
            name = operation_id(operation)
            raise kind(
                f"run {name}: {reason}; a cancel was sent, and its outcome is unknown: {error}. See whether it ended"
                f" with gcloud dataproc operations describe {name} {place}; if it still runs, run"
                f" gcloud dataproc operations cancel {name} {place}",
                self._result(operation, changed=changed),
            ) from error
        result = self._result(operation, changed=changed)
        result["cluster_deleted"] = bool(result["cluster"]) and not left
        end = left or "; it has been cancelled" + (
            f" and cluster {result['cluster']} is gone" if result["cluster"] else ""
        )
        message = failure_message(result, reason + end)
        if because:
            raise RunFailedError(message, result)
        raise RunInterruptedError(message, result)

    def _cancelled(self, operation: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
        changed = not operation.get("done")
        if check_mode:
            return self._result(operation, changed=changed)
        if changed:
            operation = self._cancel_and_wait(operation)
        self._steps.read_ends(operation)
        result = self._result(operation, changed=changed)
        left = self._left_behind(operation)
        result["cluster_deleted"] = bool(result["cluster"]) and not left
        if changed and left:
            raise RunFailedError(f"run {operation_id(operation)} was told to stop{left}", result)
        return result

    def _cancel_and_wait(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Cancel, then wait until the workflow has ended and the cluster it created is gone, or time is up."""
        self._interruption.begin_clean_up()
        name = operation["name"]
        try:
            self._api.cancel_operation(name)
        except GoogleApiError:
            # A workflow that has just ended cannot be cancelled; any other refusal is the caller's to know.
            operation = self._api.get_operation(name)
            if not operation.get("done"):
                raise
        deadline, pace, seen = Deadline(self._limits.cancel_timeout), PollPace(self._limits.poll), operation
        while True:
            operation = self._api.get_operation(name)
            news = self._look(seen, operation)
            seen = operation
            if deadline.passed or (operation.get("done") and self._own_cluster(operation) is None):
                break
            self._interruption.pause(pace.pause_after(news=news))
        return operation

    def _own_cluster(self, operation: Mapping[str, Any]) -> dict[str, Any] | None:
        """The cluster this workflow created, while it exists; never one it only used."""
        metadata = operation.get("metadata") or {}
        if not metadata.get("createCluster") or not metadata.get("clusterName"):
            return None
        cluster = self._api.find_cluster(metadata["clusterName"])
        same = cluster is not None and cluster.get("clusterUuid") == metadata.get(
            "clusterUuid", cluster.get("clusterUuid")
        )
        return cluster if same else None

    def _left_behind(self, operation: Mapping[str, Any]) -> str:
        """What is still there after a cancellation, as the end of a sentence; empty when nothing is."""
        waited = f"after {self._limits.cancel_timeout:g} s (cancel_timeout)"
        parts = [] if operation.get("done") else [f"it has not ended {waited}"]
        cluster = self._own_cluster(operation)
        if cluster is not None:
            name, state = cluster["clusterName"], (cluster.get("status") or {}).get("state")
            parts.append(
                f"cluster {name} is still {state} {waited}: check it, and if need be delete it with "
                f"gcloud dataproc clusters delete {name} --region={self._api.region} --project={self._api.project}"
            )
        return "".join(f"; {part}" for part in parts)

    def _result(self, operation: Mapping[str, Any], *, changed: bool) -> dict[str, Any]:
        jobs = self._steps.describe(operation)
        return {"changed": changed, **describe_workflow(operation, jobs, self._api.project, self._api.region)}


def _started_before(operation: Mapping[str, Any], moment: datetime) -> bool:
    """Whether the run was under way before ``moment``: its request id then only joined it."""
    metadata = operation.get("metadata") or {}
    started = parse_time(metadata.get("startTime"))
    # A run that is new is PENDING: that is believed even where the two clocks differ.
    return started is not None and metadata.get("state") != "PENDING" and started < moment - _CLOCK_TOLERANCE
