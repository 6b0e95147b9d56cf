# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What failed lately: once each, with the reason and where the log is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.status_failures import (
    NO_REASON,
    Failure,
    failed_jobs,
    failed_operations,
    reason_of,
)

from .dataproc_answers import NOW, OWNERSHIP, cluster, cluster_operation, job, workflow_operation

SINCE = NOW - timedelta(hours=24)
WORKLOADS = {"flights": {"owner": "ada", "team": "growth"}}
AGENT = (
    "Google Cloud Dataproc Agent reports job failure. If logs are available, they can be found at:\nhttps://x\ngs://y"
)
QUOTED = "Job failed with message [KeyError: 'x']. Additional details can be found at:\nhttps://x"
INIT = (
    "Initialization action failed. Failed action 'gs://a/init.sh', see output in: gs://staging/m/node/script-0_output."
)


CLUSTERS = {"ours": cluster("ours", labels={"owner": "grace"}), "theirs": {"labels": {"environment": "prod"}}}


def report(*listed: dict[str, Any], explained: tuple[str, ...] = ()) -> list[Failure]:
    """What is reported of these operations."""
    more = {"clusters": CLUSTERS, "ownership": OWNERSHIP, "workloads": WORKLOADS, "explained": explained}
    return failed_operations(listed, SINCE, **more)


def operations(*listed: dict[str, Any], explained: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """Run, reason and log of what is reported of these operations."""
    found = report(*listed, explained=explained)
    return [(failure.run, failure.reason, failure.log) for failure in found]


def test_a_failed_job_has_its_reason_its_log_and_the_command_that_shows_it() -> None:
    arguments = ("--run-directory", "gs://staging/runs/flights")
    (failure,) = failed_jobs([job("run-x", ("ERROR", 60.0), details=QUOTED, arguments=arguments)], SINCE)
    assert (failure.run, failure.what, failure.owner, failure.team) == ("run-x", "flights", "ada", "growth")
    assert failure.reason == "KeyError: 'x'"
    assert failure.log == "gs://staging/run-x/driveroutput.*"
    assert failure.record == "gs://staging/runs/flights/run-x/run.json"
    assert failure.command() == "ansible-playbook playbooks/logs.yml -e run=run-x"
    named = failure.command(["inventories/dev", "/my inventories/more"])
    assert named == "ansible-playbook playbooks/logs.yml -i inventories/dev -i '/my inventories/more' -e run=run-x"


@pytest.mark.parametrize(
    "ended",
    [job("x", ("ERROR", 86401.0)), job("x", ("DONE", 9.0)), job("x", ("CANCELLED", 9.0)), job("x", ("RUNNING", 9.0))],
    ids=["too long ago", "succeeded", "cancelled", "runs"],
)
def test_nothing_else_has_failed(ended: dict[str, Any]) -> None:
    assert failed_jobs([ended], SINCE) == []


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        (QUOTED, "KeyError: 'x'"),
        (AGENT, NO_REASON),
        ("", NO_REASON),
        ("Cluster 'x' was deleted, or failed, before the job was done.", "Cluster 'x' was deleted, or failed, before"),
        ("Task not acquired\nwithin 60 s", "Task not acquired within 60 s"),
    ],
)
def test_the_reason_is_what_dataproc_knows_beyond_that_it_failed(details: str, reason: str) -> None:
    assert reason_of(details).startswith(reason)


def test_a_cluster_that_could_not_be_made_names_the_output_of_its_init_action() -> None:
    assert operations(cluster_operation("c", "CREATE", INIT)) == [
        ("", f"creating cluster c: {INIT}", "gs://staging/m/node/script-0_output")
    ]


def test_a_clusters_failure_is_its_owners_as_far_as_that_is_known() -> None:
    """By the cluster's labels while it is there, by the workload its name begins with when it is gone."""
    names = ("ours", "flights-1a2b-1a", "nobodys")
    found = report(*(cluster_operation(name, "UPDATE", "no quota") for name in names))
    assert [(one.what, one.owner, one.team) for one in found] == [
        ("ours", "grace", ""),
        ("flights", "ada", "growth"),
        ("nobodys", "", ""),
    ]


def test_a_workflow_that_failed_with_its_cluster_is_reported_once() -> None:
    creation = {"createCluster": {"done": True, "error": INIT}}
    listed = (workflow_operation("w1", "it failed", **creation), cluster_operation("flights-x1", "CREATE", INIT))
    ((run, reason, log),) = operations(*listed)
    assert run == "w1"
    assert reason.startswith("creating cluster flights-x1: Initialization action failed.")
    assert log == "gs://staging/m/node/script-0_output"


@pytest.mark.parametrize("explained", [("w1",), ("run-x",)], ids=["by its label", "by its graph"])
def test_a_workflow_whose_job_is_reported_is_not_reported_again(explained: tuple[str, ...]) -> None:
    graph = {"nodes": [{"stepId": "run", "jobId": "run-x", "state": "FAILED", "error": "it broke"}]}
    assert operations(workflow_operation("w1", "it failed", graph=graph), explained=explained) == []
    assert [found[0] for found in operations(workflow_operation("w1", "it failed", graph=graph))] == ["w1"]


@pytest.mark.parametrize(
    "operation",
    [
        workflow_operation("w1", "old", hours=25),
        workflow_operation("w1", "not ours", template="x/workflowTemplates/theirs"),
        {**workflow_operation("w1", "cancelled"), "error": {"code": 1, "message": "cancelled"}},
        {**workflow_operation("w1", "runs"), "done": False},
        cluster_operation("c", "CREATE", "old", hours=25),
        cluster_operation("theirs", "CREATE", "not ours"),
        {**cluster_operation("c", "CREATE", "well"), "error": None},
        {"name": "x/operations/job", "done": True, "error": {"message": "x"}, "metadata": {"jobId": "j"}},
    ],
)
def test_what_is_old_of_others_or_has_not_failed_is_left_out(operation: dict[str, Any]) -> None:
    assert operations(operation) == []
