"""Workflow templates: what is refused, the version lock, and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.dataproc.parameters import apply_parameters, parse_path, validate_parameters
from localcloud.dataproc.templates import job_order
from localcloud.errors import ApiError

REGION = "projects/test-project/regions/europe-west4"


def step(name: str, *after: str, **job: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"stepId": name, "pysparkJob": {"mainPythonFileUri": "gs://code/main.py"}, **job}
    if after:
        made["prerequisiteStepIds"] = list(after)
    return made


def template(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    placement = {"managedCluster": {"clusterName": "made", "config": {"workerConfig": {"numInstances": 2}}}}
    return {"id": "nightly", "placement": placement, "jobs": list(jobs), **more}


def test_a_template_is_versioned_and_stale_writers_lose(world: Any) -> None:
    name = f"{REGION}/workflowTemplates/nightly"
    created = world.call("POST", f"{REGION}/workflowTemplates", template(step("one")))
    assert created["version"] == 1
    assert created["createTime"] == created["updateTime"]
    changed = world.call("PUT", name, {**template(step("two")), "version": 1})
    assert changed["version"] == 2
    assert changed["createTime"] == created["createTime"]
    for stale in ({"version": 1}, {}):
        with pytest.raises(ApiError) as raised:
            world.call("PUT", name, {**template(step("three")), **stale})
        assert (raised.value.code, raised.value.status) == (409, "ABORTED")
    assert world.call("GET", name)["jobs"][0]["stepId"] == "two"
    assert world.call("DELETE", name) == {}
    with pytest.raises(ApiError, match=f'WorkflowTemplate "{name}" not found.'):
        world.call("GET", name)


def test_a_placement_and_a_name_are_answered_through_the_other_twin(world: Any) -> None:
    parent = REGION.replace("regions", "locations")
    created = world.call("POST", f"{parent}/workflowTemplates", template(step("one")))
    assert created["name"] == f"{parent}/workflowTemplates/nightly"
    assert world.call("GET", f"{REGION}/workflowTemplates")["templates"][0]["name"].startswith(REGION)


@pytest.mark.parametrize(
    ("jobs", "text"),
    [
        ([step("one"), step("one")], "Duplicate step id 'one'"),
        ([step("one", "two")], "unknown prerequisite step id 'two'"),
        ([step("one", "two"), step("two", "one")], "cycle"),
        ([step("a")], "Invalid step id 'a'"),
        ([{"stepId": "one"}], "exactly one type"),
        ([step("one", sparkJob={"mainClass": "M"})], "exactly one type"),
        ([step("one", scheduling={"maxFailuresPerHour": 2})], "restartable"),
    ],
)
def test_jobs_that_cannot_be_ordered_are_refused(jobs: list[dict[str, Any]], text: str) -> None:
    with pytest.raises(ApiError) as raised:
        job_order(jobs)
    assert text in raised.value.message


def test_prerequisites_come_first() -> None:
    order = job_order([step("load", "clean"), step("clean", "read"), step("read")])
    assert order == ["read", "clean", "load"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dagTimeout": "599s"}, "dagTimeout"),
        ({"labels": {"Upper": "x"}}, "Upper"),
        ({"placement": {"managedCluster": {"clusterName": "-x", "config": {}}}}, "cluster name prefix"),
    ],
)
def test_templates_out_of_bounds_are_refused(world: Any, change: dict[str, Any], text: str) -> None:
    with pytest.raises(ApiError) as raised:
        world.call("POST", f"{REGION}/workflowTemplates", {**template(step("one")), **change})
    assert text in raised.value.message


def parameter(*fields: str, **validation: Any) -> dict[str, Any]:
    return {"name": "VALUE", "fields": list(fields), "validation": validation}


def test_paths_are_read_in_every_documented_spelling() -> None:
    wanted = ["jobs", "one", "pysparkJob", "args", 0]
    assert parse_path("jobs['one'].pySparkJob.args[0]") == wanted
    assert parse_path('jobs["one"].pyspark_job.args[0]') == wanted
    assert parse_path("placement.managed_cluster.labels['a.b']") == ["placement", "managedCluster", "labels", "a.b"]


def test_values_reach_arguments_numbers_and_labels() -> None:
    one = step("one")
    one["pysparkJob"]["args"] = ["first", "second"]
    fields = (
        "jobs['one'].pysparkJob.args[1]",
        "placement.managedCluster.config.workerConfig.numInstances",
        "placement.managedCluster.labels['size']",
    )
    made = template(one, parameters=[parameter(*fields)])
    validate_parameters(made)
    filled = apply_parameters(made, {"VALUE": "7"})
    assert filled["jobs"][0]["pysparkJob"]["args"] == ["first", "7"]
    assert filled["placement"]["managedCluster"]["config"]["workerConfig"]["numInstances"] == 7
    assert filled["placement"]["managedCluster"]["labels"] == {"size": "7"}
    assert made["jobs"][0]["pysparkJob"]["args"] == ["first", "second"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("jobs['none'].pysparkJob.args[0]", "none"),
        ("jobs['one'].pysparkJob.args[0]", "args"),
        ("jobs['one'].pysparkJob", "whole list or map"),
        ("jobs['one'].labels", "whole list or map"),
        ("jobs[", "cannot read"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(path: str, text: str) -> None:
    made = template(step("one", labels={"a": "b"}), parameters=[parameter(path)])
    with pytest.raises(ApiError) as raised:
        validate_parameters(made)
    assert text in raised.value.message


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "Missing value for parameters: VALUE"),
        ({"VALUE": "a", "OTHER": "b"}, "OTHER"),
        ({"VALUE": "c"}, "not one of: a, b"),
        ({"VALUE": "a" * 1001}, "1001 characters"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, str], text: str) -> None:
    made = template(
        step("one"), parameters=[parameter("jobs['one'].pysparkJob.mainPythonFileUri", values={"values": ["a", "b"]})]
    )
    with pytest.raises(ApiError) as raised:
        apply_parameters(made, values)
    assert text in raised.value.message
