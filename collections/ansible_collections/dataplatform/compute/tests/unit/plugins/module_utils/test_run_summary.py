# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines a person reads after a run, and the hints for mistyped names."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import describe_job
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.run_summary import (
    job_summary,
    output_location,
    run_record_location,
    run_summary,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_report import describe_workflow

JOB = {
    "reference": {"jobId": "run-x1"},
    "status": {"state": "DONE", "stateStartTime": "2026-11-23T12:02:33Z"},
    "statusHistory": [
        {"state": "PENDING", "stateStartTime": "2026-11-23T12:01:00Z"},
        {"state": "RUNNING", "stateStartTime": "2026-11-23T12:01:02.5Z"},
    ],
    "labels": {"owner": "ada", "team": "growth", "workload": "flights-etl", "cost-center": "cc-1", "goog-x": "y"},
    "pysparkJob": {
        "properties": {"spark.yarn.queue": "root.normal"},
        "args": ["--input", "gs://data/in", "--output", "gs://data/out"],
    },
    "driverOutputResourceUri": "gs://staging/jobs/run-x1/driveroutput",
    "yarnApplications": [{"memoryMbSeconds": "2048", "vcoreSeconds": "8"}],
}
OPERATION = {
    "name": "projects/p/regions/r/operations/op-1",
    "done": True,
    "metadata": {
        "template": "projects/p/regions/r/workflowTemplates/flights-etl",
        "state": "DONE",
        "clusterName": "flights-etl-k2",
        "deleteCluster": {"done": True},
        "graph": {"nodes": [{"stepId": "run", "jobId": "run-x1", "state": "COMPLETED"}]},
        "startTime": "2026-11-23T12:00:00Z",
        "endTime": "2026-11-23T12:03:00Z",
    },
}


def test_everything_a_person_asks_for_is_there():
    job = {"step_id": "run", **describe_job(JOB, "p", "r", [])}
    assert run_summary(describe_workflow(OPERATION, [job], "p", "r")).splitlines() == [
        "flights-etl: succeeded in 3 min 0 s (cluster 1 min 0 s, jobs 1 min 33 s, clean-up 27.0 s)",
        "  Run:         op-1",
        "  Cluster:     flights-etl-k2 (deleted)",
        "  Step:        run, job run-x1: DONE",
        "  States:      PENDING 2.5 s, RUNNING 1 min 30 s, DONE at 12:02:33 UTC",
        "  Queue:       root.normal",
        "  Owner:       ada (team growth)",
        "  Cost labels: cost-center=cc-1, team=growth, owner=ada, workload=flights-etl",
        "  YARN:        2048 MiB s, 8 vcore s",
        "  Output:      gs://data/out",
        "  Log:         gs://staging/jobs/run-x1/driveroutput.*",
        "  Console:     https://console.cloud.google.com/dataproc/workflows/instances/r/op-1?project=p",
    ]


def test_a_run_that_only_would_be_started_and_a_job_that_never_was_have_a_summary_too():
    predicted = {**describe_workflow({}, [], "p", "r"), "template": "flights-etl"}
    assert run_summary(predicted) == "Workload flights-etl would be started."
    bare = describe_job({"reference": {"jobId": "j"}, "status": {"state": "PENDING"}}, "p", "r", [])
    assert job_summary(bare).splitlines()[0] == "Job j: PENDING"


@pytest.mark.parametrize(
    ("arguments", "location"),
    [
        (["--output", "gs://b/o"], "gs://b/o"),
        (["--output=gs://b/o", "--input", "x"], "gs://b/o"),
        (["--output"], ""),
        (["--outputs", "x"], ""),
        ([], ""),
    ],
)
def test_the_output_is_what_the_arguments_say(arguments, location):
    assert output_location({"pysparkJob": {"args": arguments}}) == location


def test_the_run_record_is_where_the_driver_was_told_to_leave_it() -> None:
    arguments = ["--script", "gs://a/x.py", "--run-directory", "gs://staging/runs/x", "--", "--output", "gs://data/x"]
    assert run_record_location({"pysparkJob": {"args": arguments}}, "job-1") == "gs://staging/runs/x/job-1/"
    assert run_record_location({"pysparkJob": {"args": ["--output", "x"]}}, "job-1") == ""


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("flights-elt", ["flights-etl", "other"], "did you mean 'flights-etl'?"),
        ("zzz", ["b", "a"], "there is: a, b"),
        ("zzz", [], "there is none at all"),
        ("", ["flights-etl"], "there is: flights-etl"),
        ("?", [f"w{number:02}" for number in range(12)], "w09 and 2 more"),
    ],
)
def test_an_unknown_name_comes_with_a_hint(name, known, hint):
    assert near_miss(name, known).endswith(hint)
