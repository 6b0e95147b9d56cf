"""dataproc_workflow against a local cloud that really creates clusters and runs the drivers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import run_lookup, workflow_task
from ansible_collections.dataplatform.compute.plugins.module_utils.run_summary import run_summary

from tests.integration.conftest import LocalCloud
from tests.integration.google import Google, wait_for
from tests.integration.runs_support import Watcher

BUCKET = "workflow-tests-scripts"
DRIVERS = {
    "say": "import sys, time\nfor word in sys.argv[1:]:\n    print(word)\n    time.sleep(0.3)\n",
    "fail": "raise KeyError('carrier')\n",
    "sleep": "import time\nprint('started')\ntime.sleep(300)\n",
}
LABELS = {"owner": "ada", "team": "growth"}


class WorkflowWatcher(Watcher):
    """A watcher of ``dataproc_workflow``."""

    def workflow(self, **params: Any) -> dict[str, Any]:
        """The task's result."""
        return self.run(workflow_task.DEFINITION, **params)


@pytest.fixture
def watcher(localcloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> WorkflowWatcher:
    """A watcher whose process is a client of the local cloud."""
    for name, value in localcloud.environment.items():
        monkeypatch.setenv(name, value)
    return WorkflowWatcher()


def step(name: str, driver: str, *arguments: str, after: tuple[str, ...] = ()) -> dict[str, Any]:
    """A step that runs one of the drivers."""
    job = {"mainPythonFileUri": f"gs://{BUCKET}/{driver}.py", "args": list(arguments)}
    return {"stepId": name, "pysparkJob": job, "labels": LABELS, "prerequisiteStepIds": list(after)}


TEMPLATES: dict[str, dict[str, Any]] = {
    "two-steps": {
        "jobs": [step("first", "say", "one", "two"), step("second", "say", "three", after=("first",))],
        "parameters": [
            {
                "name": "WORD",
                "fields": ["jobs['first'].pysparkJob.args[0]"],
                "validation": {"regex": {"regexes": ["[a-z]+"]}},
            }
        ],
    },
    "failing": {"jobs": [step("good", "say", "fine"), step("bad", "fail", after=("good",))]},
    "sleeping": {"jobs": [step("sleep", "sleep")]},
}


@pytest.fixture(scope="module")
def google(localcloud: LocalCloud) -> Iterator[Google]:
    """The cloud with the drivers uploaded and the templates stored."""
    google = Google(localcloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in DRIVERS.items():
        google.upload(BUCKET, f"{name}.py", text)
    for name, template in TEMPLATES.items():
        placement = {"managedCluster": {"clusterName": name, "config": {}}}
        google.post("workflowTemplates", {"id": name, "placement": placement, "labels": LABELS, **template})
    yield google
    localcloud.cli("fault", "clear")


def operation(google: Google, result: dict[str, Any]) -> dict[str, Any]:
    """The run's operation as the cloud has it now."""
    return google.get(f"operations/{result['operation_id']}")


def started(google: Google, watcher: WorkflowWatcher) -> dict[str, Any]:
    """A run of the template that never ends by itself, with its job at work."""
    result = watcher.workflow(template="sleeping", state="started")
    assert "failed" not in result, result

    def job_prints() -> str:
        (node,) = operation(google, result)["metadata"]["graph"]["nodes"]
        return google.driver_output(node.get("jobId", "none"))

    wait_for(job_prints, "the job")
    return result


def test_a_workflow_is_followed_through_all_its_steps(google: Google, watcher: WorkflowWatcher) -> None:
    result = watcher.workflow(template="two-steps", parameters={"WORD": "uno"}, required_labels=LABELS)
    assert "failed" not in result, result
    assert (result["changed"], result["state"], result["outcome"]) == (True, "DONE", "succeeded")
    assert operation(google, result)["done"] is True
    assert [(job["step_id"], job["state"], job["output_tail"]) for job in result["jobs"]] == [
        ("first", "DONE", ["uno", "two"]),
        ("second", "DONE", ["three"]),
    ]
    assert watcher.output() == ["first| uno", "first| two", "second| three"]
    assert watcher.index("creating cluster two-steps") < watcher.index("first| uno") < watcher.index("second| three")
    assert result["cluster"].startswith("two-steps") and result["cluster_deleted"] is True
    assert result["cluster"] not in google.clusters()
    times = [result[f"{part}_seconds"] for part in ("cluster", "jobs", "cleanup", "duration")]
    assert all(time >= 0 for time in times)
    assert sum(times[:3]) == pytest.approx(times[3], abs=0.01)
    assert "two-steps: succeeded" in run_summary(result)


def test_a_failed_step_says_why_and_leaves_no_cluster(google: Google, watcher: WorkflowWatcher) -> None:
    result = watcher.workflow(template="failing")
    assert result["failed"]
    assert (result["outcome"], result["error"]["type"]) == ("failed", "RunFailedError")
    assert result["msg"].startswith(f"workflow failing (run {result['operation_id']}) failed: step bad: job ")
    assert "    KeyError: 'carrier'" in result["msg"]
    bad = next(job for job in result["jobs"] if job["step_id"] == "bad")
    assert f"Whole log of step bad: {bad['driver_output_uri']}.*" in result["msg"]
    assert "fine" not in result["msg"], "the output of steps that went well is not repeated"
    assert result["cluster"] not in google.clusters()


def test_a_workflow_that_takes_too_long_is_cancelled_with_its_cluster(google: Google, watcher: WorkflowWatcher) -> None:
    result = watcher.workflow(template="sleeping", timeout=4)
    assert result["failed"]
    assert "longer than its limit of 4 s (timeout); it has been cancelled and cluster sleeping" in result["msg"]
    assert operation(google, result)["done"] is True
    assert result["outcome"] == "cancelled"
    assert result["cluster_deleted"] is True
    assert [job["state"] for job in result["jobs"]] == ["CANCELLED"]
    assert result["cluster"] not in google.clusters()


def test_a_running_workflow_can_be_cancelled_and_cancelling_again_changes_nothing(
    google: Google, watcher: WorkflowWatcher
) -> None:
    run = started(google, watcher)
    predicted = watcher.workflow(operation=run["operation_id"], state="cancelled", check_mode=True)
    assert predicted["changed"] is True
    assert not operation(google, run).get("done"), "check mode cancels nothing"
    first, second = (watcher.workflow(operation=run["operation_id"], state="cancelled") for _ in range(2))
    assert (first["changed"], first["outcome"], first["cluster_deleted"]) == (True, "cancelled", True)
    assert (second["changed"], second["outcome"]) == (False, "cancelled")
    assert first["jobs"][0]["output_tail"] == ["started"]
    assert first["cluster"] not in google.clusters()


def test_a_cluster_that_does_not_go_is_reported(
    localcloud: LocalCloud, google: Google, watcher: WorkflowWatcher
) -> None:
    run = started(google, watcher)
    cluster = operation(google, run)["metadata"]["clusterName"]
    localcloud.cli("fault", "add", "--method", "dataproc.projects.regions.operations.cancel", "--status", "403")
    result = watcher.workflow(operation=run["operation_id"], state="cancelled", cancel_timeout=2)
    localcloud.cli("fault", "clear")
    assert result["failed"]
    assert result["error"]["type"] == "ForbiddenError", "a refused cancellation is never called one"
    assert cluster in google.clusters()
    assert watcher.workflow(operation=run["operation_id"], state="cancelled")["cluster_deleted"] is True


def test_a_run_that_was_started_before_can_be_followed(google: Google, watcher: WorkflowWatcher) -> None:
    run = watcher.workflow(template="two-steps", parameters={"WORD": "one"}, state="started")
    result = watcher.workflow(operation=run["operation_id"])
    assert (result["changed"], result["outcome"]) == (False, "succeeded")
    full_name = operation(google, run)["name"]
    assert watcher.workflow(operation=full_name)["operation_id"] == run["operation_id"]


def test_the_same_request_id_starts_no_second_run_while_the_first_one_runs(
    google: Google, watcher: WorkflowWatcher
) -> None:
    request_id = str(uuid.uuid4())
    runs = [watcher.workflow(template="sleeping", request_id=request_id, state="started") for _ in range(2)]
    assert runs[0]["operation_id"] == runs[1]["operation_id"]
    watcher.workflow(operation=runs[0]["operation_id"], state="cancelled")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"template": "two-stpes"}, ["template", "'two-stpes'", "did you mean 'two-steps'?"]),
        ({"template": "two-steps", "parameters": {"WROD": "x"}}, ["WROD", "did you mean 'WORD'?"]),
        ({"template": "two-steps", "parameters": {"WORD": "UNO"}}, ["WORD", "'UNO'", "[a-z]+"]),
        ({"template": "two-steps", "required_labels": {"owner": "grace"}}, ["owner=ada", "expected owner=grace"]),
        ({"template": "two-steps", "request_id": "a b"}, ["request_id", "'a b'"]),
        ({"operation": "no-such-run"}, ["operation", "'no-such-run'"]),
        ({"operation": "no-such-run", "state": "cancelled"}, ["operation", "'no-such-run'"]),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(
    google: Google, watcher: WorkflowWatcher, params: dict[str, Any], words: list[str]
) -> None:
    before = len(google.workflows())
    result = watcher.workflow(**params)
    assert result["failed"]
    assert result["error"]["type"] == "ValidationError"
    assert all(word in result["msg"] for word in words), result["msg"]
    assert len(google.workflows()) == before


def test_check_mode_starts_nothing(google: Google, watcher: WorkflowWatcher) -> None:
    before = len(google.workflows())
    result = watcher.workflow(template="two-steps", check_mode=True)
    assert (result["changed"], result["operation_id"], result["template"]) == (True, "", "two-steps")
    assert run_summary(result) == "Workload two-steps would be started."
    assert len(google.workflows()) == before


def test_a_run_is_found_again_with_the_output_of_each_step(google: Google, watcher: WorkflowWatcher) -> None:
    run = watcher.workflow(template="two-steps", parameters={"WORD": "one"})
    found = watcher.run(run_lookup.DEFINITION, run=run["operation_id"])
    assert (found["kind"], found["workflow"]["outcome"]) == ("workflow", "succeeded")
    assert [job["output"] for job in found["jobs"]] == [["one", "two"], ["three"]]
    watcher.lines.clear()
    one = watcher.run(run_lookup.DEFINITION, run=operation(google, run)["name"], step="second", show_output=True)
    assert [job["step_id"] for job in one["jobs"]] == ["second"]
    assert watcher.lines[1:] == ["three"]
    wrong = watcher.run(run_lookup.DEFINITION, run=run["operation_id"], step="secnd")
    assert "did you mean 'second'?" in wrong["msg"]
