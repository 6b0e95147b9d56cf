"""Autoscaling policies: defaults, errors, and the twins of their paths."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.errors import ApiError

REGION = "projects/test-project/regions/europe-west4"
LOCATION = "projects/test-project/locations/europe-west4"
POLICY = {
    "id": "steady",
    "basicAlgorithm": {
        "yarnConfig": {"scaleUpFactor": 0.2, "scaleDownFactor": 0.3, "gracefulDecommissionTimeout": "90s"},
    },
    "workerConfig": {"maxInstances": 6},
}


def failure(world: Any, *arguments: Any, **query: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        world.call(*arguments, **query)
    return raised.value


def test_defaults_are_filled_in_and_both_twins_see_the_policy(world: Any) -> None:
    created = world.call("POST", f"{REGION}/autoscalingPolicies", POLICY)
    assert created["basicAlgorithm"]["cooldownPeriod"] == "120s"
    assert created["workerConfig"] == {"minInstances": 2, "maxInstances": 6, "weight": 1}
    assert created["name"] == f"{REGION}/autoscalingPolicies/steady"
    twin = world.call("GET", f"{LOCATION}/autoscalingPolicies/steady")
    assert twin == {**created, "name": f"{LOCATION}/autoscalingPolicies/steady"}


def test_unknown_and_duplicate_policies_are_answered_as_google_does(world: Any) -> None:
    name = f"{LOCATION}/autoscalingPolicies/steady"
    missing = failure(world, "GET", name)
    assert (missing.code, missing.message) == (404, f'autoscalingPolicy "{name}" not found')
    world.call("POST", f"{REGION}/autoscalingPolicies", POLICY)
    assert failure(world, "POST", f"{REGION}/autoscalingPolicies", POLICY).status == "ALREADY_EXISTS"


def test_an_update_replaces_the_policy(world: Any) -> None:
    world.call("POST", f"{REGION}/autoscalingPolicies", {**POLICY, "secondaryWorkerConfig": {"maxInstances": 9}})
    changed = world.call("PUT", f"{REGION}/autoscalingPolicies/steady", {**POLICY, "workerConfig": {"maxInstances": 8}})
    assert changed["workerConfig"]["maxInstances"] == 8
    assert "secondaryWorkerConfig" not in changed
    assert world.call("GET", f"{REGION}/autoscalingPolicies/steady") == changed


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"id": "-bad"}, "-bad"),
        ({"workerConfig": {"minInstances": 1, "maxInstances": 4}}, "minInstances"),
        ({"workerConfig": {"minInstances": 5, "maxInstances": 4}}, "maxInstances"),
        ({"basicAlgorithm": {**POLICY["basicAlgorithm"], "cooldownPeriod": "10s"}}, "cooldownPeriod"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(world: Any, change: dict[str, Any], text: str) -> None:
    error = failure(world, "POST", f"{REGION}/autoscalingPolicies", {**POLICY, **change})
    assert error.status == "INVALID_ARGUMENT"
    assert text in error.message


def test_a_policy_in_use_cannot_be_deleted(world: Any) -> None:
    world.call("POST", f"{REGION}/autoscalingPolicies", POLICY)
    config = {"autoscalingConfig": {"policyUri": "steady"}}
    world.call("POST", f"{REGION}/clusters", {"clusterName": "user", "config": config})
    error = failure(world, "DELETE", f"{REGION}/autoscalingPolicies/steady")
    assert error.status == "FAILED_PRECONDITION"
    assert "user" in error.message
    world.finished(world.call("DELETE", f"{REGION}/clusters/user"))
    assert world.call("DELETE", f"{REGION}/autoscalingPolicies/steady") == {}
    assert world.call("GET", f"{REGION}/autoscalingPolicies") == {}


def test_pages_go_on_where_the_last_one_ended_even_if_that_item_is_gone(world: Any) -> None:
    for number in range(5):
        world.call("POST", f"{REGION}/autoscalingPolicies", {**POLICY, "id": f"policy-{number}"})
    first = world.call("GET", f"{REGION}/autoscalingPolicies", pageSize="2")
    assert [policy["id"] for policy in first["policies"]] == ["policy-0", "policy-1"]
    rest = world.call("GET", f"{REGION}/autoscalingPolicies", pageToken=first["nextPageToken"])
    assert [policy["id"] for policy in rest["policies"]] == ["policy-2", "policy-3", "policy-4"]
    assert "nextPageToken" not in rest


@pytest.mark.parametrize("path", ["autoscalingPolicies", "clusters", "jobs", "operations/x"])
def test_a_project_of_somebody_else_is_refused(world: Any, path: str) -> None:
    assert failure(world, "GET", f"projects/a-typo/regions/europe-west4/{path}").code == 403
