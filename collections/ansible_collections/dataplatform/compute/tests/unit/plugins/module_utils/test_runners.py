# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the runners say when giving up itself fails, and when a request id only joined a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import TransportError
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import FollowLimits
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.job_runner import JobRunner
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_runner import WorkflowRunner

LIMITS = FollowLimits(timeout=0.0, cancel_timeout=1.0, poll=0.01, output_lines=5)
REQUEST_ID = "00000000-0000-4000-8000-000000000001"


class Silent:
    """Nobody watches, and there is no output to read."""

    def note(self, _text: str) -> None:
        """Say nothing."""

    def output(self, _source: str, _line: str) -> None:
        """Show nothing."""

    def list_objects(self, _bucket: str, _prefix: str) -> list[Any]:
        """List nothing."""
        return []


class Api:
    """A service that takes the cancellation and is not reached any more after it; the person interrupts at once."""

    project, region, parent = "p", "r", "projects/p/regions/r"

    def __init__(self, operation: dict[str, Any] | None = None) -> None:
        self.interruption = Interruption()
        self.operation = operation or {}
        self.cancelled: list[str] = []

    def find_job(self, _job_id: str) -> None:
        """There is none yet."""

    def submit_job(self, job: dict[str, Any], _request_id: str) -> dict[str, Any]:
        """Take the job; the person interrupts right after."""
        self.interruption.requested = True
        return {**job, "status": {"state": "RUNNING"}}

    def get_job(self, _job_id: str) -> dict[str, Any]:
        """Be out of reach."""
        raise TransportError("no route")

    def get_template(self, template: str) -> dict[str, Any]:
        """The template."""
        return {"id": template}

    def instantiate(self, _template: str, _parameters: dict[str, str], _request_id: str) -> dict[str, Any]:
        """Answer the run there is."""
        return self.operation

    def operation_name(self, name: str) -> str:
        """The full name."""
        return name

    def get_operation(self, _name: str) -> dict[str, Any]:
        """Answer until the cancellation."""
        if self.cancelled:
            raise TransportError("no route")
        self.interruption.requested = True
        return self.operation

    def cancel_job(self, job_id: str) -> None:
        """Note it."""
        self.cancelled.append(job_id)

    def cancel_operation(self, name: str) -> None:
        """Note it."""
        self.cancelled.append(name)


def operation(state: str, age: timedelta) -> dict[str, Any]:
    """A workflow's operation that started some time ago."""
    start = (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")
    metadata = {"@type": "type.googleapis.com/google.cloud.dataproc.v1.WorkflowMetadata", "graph": {}}
    return {"name": "projects/p/regions/r/operations/o1", "metadata": {**metadata, "state": state, "startTime": start}}


def check_unknown_end(error: RunFailedError, next_step: str) -> None:
    """The message says that the cancellation was sent, that its outcome is unknown, and what to do."""
    assert "a cancel was sent, and its outcome is unknown: no route" in str(error)
    assert next_step in str(error)
    assert "goes on without us" not in str(error)


def test_a_job_whose_cancellation_cannot_be_followed_does_not_go_on_without_us() -> None:
    api, silent = Api(), Silent()
    job = {"placement": {"clusterName": "c"}, "pysparkJob": {"mainPythonFileUri": "gs://b/x.py"}}
    runner = JobRunner(api, silent, silent, api.interruption, LIMITS)
    with pytest.raises(RunInterruptedError) as failure:
        runner.run({"job": job, "job_id": "j1", "state": "finished"})
    assert api.cancelled == ["j1"]
    check_unknown_end(failure.value, "gcloud dataproc jobs describe j1 --region=r --project=p")
    assert failure.value.result["changed"] is True


def test_a_workflow_whose_cancellation_cannot_be_followed_does_not_go_on_without_us() -> None:
    api, silent = Api(operation("RUNNING", timedelta(0))), Silent()
    runner = WorkflowRunner(api, silent, silent, api.interruption, LIMITS)
    with pytest.raises(RunInterruptedError) as failure:
        runner.run({"operation": "o1", "state": "finished"})
    assert api.cancelled == ["projects/p/regions/r/operations/o1"]
    check_unknown_end(failure.value, "gcloud dataproc operations describe o1 --region=r --project=p")


@pytest.mark.parametrize(
    ("state", "age", "changed"),
    [
        ("RUNNING", timedelta(minutes=3), False),
        ("RUNNING", timedelta(0), True),
        ("PENDING", timedelta(minutes=3), True),
    ],
)
def test_joining_a_run_that_was_under_way_changes_nothing(state: str, age: timedelta, *, changed: bool) -> None:
    api, silent = Api(operation(state, age)), Silent()
    runner = WorkflowRunner(api, silent, silent, api.interruption, LIMITS)
    result = runner.run({"template": "t", "request_id": REQUEST_ID, "state": "started"})
    assert result["changed"] is changed


class TimeIsUp(BaseException):
    """What Ansible raises anywhere in a task whose own ``timeout:`` has passed."""


class LateApi(Api):
    """Takes what it is given, and time is up before the answer is there; with ``away`` nothing is reached any more."""

    def __init__(self, operation: dict[str, Any] | None = None, *, away: bool = False) -> None:
        super().__init__(operation)
        self.away = away
        self.started: list[str] = []

    def _late(self, request_id: str) -> None:
        self.started.append(request_id)
        if len(self.started) == 1:
            raise TimeIsUp
        if self.away:
            raise TransportError("no route")

    def submit_job(self, job: dict[str, Any], request_id: str) -> dict[str, Any]:
        """Take the job, and answer too late; asked again, answer it."""
        answer = super().submit_job(job, request_id)
        self._late(request_id)
        return answer

    def instantiate(self, template: str, parameters: dict[str, str], request_id: str) -> dict[str, Any]:
        """Start the run, and answer too late; asked again, answer it."""
        self._late(request_id)
        return self.operation


class Told(Silent):
    """Somebody who reads."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        """Keep what is said."""
        self.lines.append(text)


class Slow(Silent):
    """Time is up while somebody reads."""

    def note(self, _text: str) -> None:
        """Take too long."""
        raise TimeIsUp


JOB = {"placement": {"clusterName": "c"}, "pysparkJob": {"mainPythonFileUri": "gs://b/x.py"}}


def end_a_job(api: Api, progress: Silent, state: str = "finished") -> list[str]:
    """What is cancelled when time is up for the task that runs a job."""
    runner = JobRunner(api, progress, progress, api.interruption, LIMITS)
    with pytest.raises(TimeIsUp):
        runner.run({"job": JOB, "job_id": "j1", "state": state})
    return api.cancelled


def end_a_workflow(api: Api, progress: Silent, state: str = "finished") -> list[str]:
    """What is cancelled when time is up for the task that runs a workflow."""
    runner = WorkflowRunner(api, progress, progress, api.interruption, LIMITS)
    with pytest.raises(TimeIsUp):
        runner.run({"template": "t", "state": state})
    return [name.rpartition("/")[2] for name in api.cancelled]


@pytest.mark.parametrize(("state", "cancelled"), [("finished", ["j1"]), ("submitted", [])])
def test_a_job_whose_submission_is_cut_off_by_the_tasks_time_is_cancelled_if_it_was_to_be_followed(
    state: str, cancelled: list[str]
) -> None:
    api = LateApi()
    assert end_a_job(api, Silent(), state) == cancelled
    assert len(set(api.started)) == 1, "asked again by the same request id"


@pytest.mark.parametrize(("state", "cancelled"), [("finished", ["o1"]), ("started", [])])
def test_a_run_whose_start_is_cut_off_by_the_tasks_time_is_cancelled_if_it_was_to_be_followed(
    state: str, cancelled: list[str]
) -> None:
    api = LateApi(operation("PENDING", timedelta(0)))
    assert end_a_workflow(api, Silent(), state) == cancelled
    assert len(set(api.started)) == 1, "asked again by the same request id"


def test_what_is_cut_off_between_its_start_and_the_first_look_is_cancelled() -> None:
    assert end_a_job(Api(), Slow()) == ["j1"]
    assert end_a_workflow(Api(operation("PENDING", timedelta(0))), Slow()) == ["o1"]


def test_what_cannot_be_cancelled_is_not_what_the_task_fails_of() -> None:
    assert end_a_job(LateApi(away=True), Silent()) == ["j1"], "tried all the same: its id is known"
    told = Told()
    assert end_a_workflow(LateApi(operation("PENDING", timedelta(0)), away=True), told) == []
    assert told.lines == ["the workflow may go on without us, it could not be cancelled: no route"]
