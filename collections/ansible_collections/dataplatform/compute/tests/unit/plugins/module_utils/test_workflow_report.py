# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said about a workflow."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import describe_job
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_report import (
    describe_workflow,
    failure_message,
    failures,
    is_workflow,
    label_problems,
    outcome,
    parameter_problems,
    progress_lines,
)

NAME = "projects/p/regions/r/operations/run-1"


def operation(state="RUNNING", done=False, nodes=(), error=None, **metadata):
    body = {
        "name": NAME,
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.dataproc.v1.WorkflowMetadata",
            "template": "projects/p/regions/r/workflowTemplates/flights",
            "state": state,
            "clusterName": "flights-x",
            "graph": {"nodes": list(nodes)},
            **metadata,
        },
    }
    return {**body, **({"done": True} if done else {}), **({"error": error} if error else {})}


def node(state, step="etl", **more):
    return {"stepId": step, "state": state, **more}


def step_job(state="DONE", step="etl", tail=(), details="", **times):
    history = [{"state": name, "stateStartTime": f"2026-11-23T12:{value}Z"} for name, value in times.items()]
    body = {
        "reference": {"jobId": f"{step}-1"},
        "status": {**(history.pop() if history else {}), "state": state, "details": details},
        "statusHistory": history,
        "driverOutputResourceUri": "gs://s/o",
    }
    return {"step_id": step, **describe_job(body, "p", "r", list(tail))}


def test_every_change_is_told_once():
    start = operation("PENDING", nodes=[node("BLOCKED")])
    creating = operation(nodes=[node("BLOCKED")], createCluster={"operationId": "c"})
    running = operation(nodes=[node("RUNNING", jobId="j1")], createCluster={"operationId": "c", "done": True})
    ended = operation(
        "DONE",
        done=True,
        nodes=[node("COMPLETED", jobId="j1")],
        createCluster={"operationId": "c", "done": True},
        deleteCluster={"operationId": "d", "done": True},
    )
    assert progress_lines(None, start) == ["workflow flights: PENDING", "step etl: BLOCKED"]
    assert progress_lines(start, creating) == ["workflow flights: RUNNING", "creating cluster flights-x"]
    assert progress_lines(creating, creating) == []
    assert progress_lines(creating, running) == ["cluster flights-x created", "step etl: RUNNING (job j1)"]
    assert progress_lines(running, ended) == [
        "workflow flights: DONE",
        "step etl: COMPLETED (job j1)",
        "cluster flights-x deleted",
    ]


def test_a_cluster_that_cannot_be_created_is_told():
    failing = operation(createCluster={"operationId": "c", "error": "quota"})
    assert "creating cluster flights-x failed: quota" in progress_lines(operation(), failing)


def test_outcomes():
    assert outcome(operation(), []) == "running"
    assert outcome(operation("DONE", done=True, nodes=[node("COMPLETED")]), [step_job()]) == "succeeded"
    assert outcome(operation("DONE", done=True, error={"code": 1, "message": "cancelled"}), []) == "cancelled"
    assert outcome(operation("DONE", done=True, error={"code": 13, "message": "x"}), []) == "failed"


@pytest.mark.parametrize(
    ("broken", "jobs", "words"),
    [
        (operation(nodes=[node("FAILED", error="no such file")]), [], "step etl failed: no such file"),
        (operation(createCluster={"error": "quota"}), [], "creating cluster flights-x: quota"),
        (operation(deleteCluster={"error": "busy"}), [], "deleting cluster flights-x: busy"),
        (operation(error={"code": 5}), [], "error code 5"),
        (
            operation(nodes=[node("FAILED", error="Job failed")]),
            [step_job("ERROR", details="exit code 1")],
            "step etl: job etl-1 ended as ERROR: exit code 1",
        ),
        (
            operation(nodes=[node("COMPLETED")]),
            [step_job("CANCELLED")],
            "step etl: job etl-1 ended as CANCELLED: no details given",
        ),
    ],
)
def test_every_kind_of_failure_is_found_though_the_operation_itself_has_no_error(broken, jobs, words):
    found = failures({**broken, "done": True}, jobs)
    assert found == [words]
    assert outcome({**broken, "done": True}, jobs) == "failed"


def test_the_parts_of_a_run_are_timed_by_the_services_clock():
    run = operation(
        "DONE",
        done=True,
        nodes=[node("COMPLETED", jobId="etl-1")],
        startTime="2026-11-23T12:00:00Z",
        endTime="2026-11-23T12:05:00Z",
        deleteCluster={"done": True},
    )
    described = describe_workflow(run, [step_job(PENDING="01:30.5", RUNNING="01:40", DONE="04:00")], "p", "r")
    assert described["cluster_seconds"] == 90.5
    assert described["jobs_seconds"] == 149.5
    assert described["cleanup_seconds"] == 60.0
    assert described["duration_seconds"] == 300.0
    assert described["cluster_deleted"] is True
    assert described["operation_id"] == "run-1"
    assert described["template"] == "flights"


def test_a_run_that_goes_on_has_no_end():
    described = describe_workflow(operation(startTime="2026-11-23T12:00:00Z"), [], "p", "r")
    assert described["duration_seconds"] is None
    assert described["jobs_seconds"] is None
    assert described["outcome"] == "running"


def test_a_failure_shows_the_failed_steps_only_and_where_their_logs_are():
    broken = operation("DONE", done=True, nodes=[node("COMPLETED", "load"), node("FAILED", "etl", error="Job failed")])
    jobs = [step_job(step="load", tail=["fine"]), step_job("ERROR", tail=["KeyError"], details="exit code 1")]
    message = failure_message(describe_workflow(broken, jobs, "p", "r"))
    assert message.startswith("workflow flights (run run-1) failed: step etl: job etl-1 ended as ERROR: exit code 1")
    assert "    KeyError" in message
    assert "fine" not in message
    assert "Whole log of step etl: gs://s/o.*" in message


TEMPLATE = {
    "id": "flights",
    "parameters": [
        {"name": "DATE", "validation": {"regex": {"regexes": [r"\d{4}-\d{2}-\d{2}"]}}},
        {"name": "ZONE", "validation": {"values": {"values": ["north", "south"]}}},
        {"name": "FREE"},
    ],
}


def test_fitting_parameters_are_accepted():
    assert parameter_problems(TEMPLATE, {"DATE": "2026-11-23", "ZONE": "north", "FREE": 7}) == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"DAET": "x"}, ["parameters.DAET", "did you mean 'DATE'?"]),
        ({"QQQQQ": "x"}, ["parameters.QQQQQ", "DATE, FREE, ZONE"]),
        ({"DATE": "today"}, ["parameters.DATE", "'today'", r"\d{4}"]),
        ({"DATE": "2026-11-23 or so"}, ["parameters.DATE"]),
        ({"ZONE": "nroth"}, ["parameters.ZONE", "did you mean 'north'?"]),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(parameters, words):
    (problem,) = parameter_problems(TEMPLATE, parameters)
    assert all(word in problem for word in words)


def test_labels_decide_who_pays_so_they_must_be_the_expected_ones():
    labels = {"owner": "ada", "team": "growth"}
    template = {"id": "flights", "labels": labels, "jobs": [{"stepId": "run", "labels": {"owner": "grace"}}]}
    assert label_problems({**template, "jobs": []}, {"owner": "ada"}) == []
    found = label_problems(template, {"owner": "ada", "priority": "low"})
    assert [problem.partition(";")[0] for problem in found] == [
        "template 'flights' has the label priority=",
        "template 'flights' step 'run' has the label owner=grace",
        "template 'flights' step 'run' has the label priority=",
    ]


def test_only_a_workflows_operation_is_one():
    assert is_workflow(operation())
    assert not is_workflow(
        {"metadata": {"@type": "type.googleapis.com/google.cloud.dataproc.v1.ClusterOperationMetadata"}}
    )
    assert not is_workflow({})
