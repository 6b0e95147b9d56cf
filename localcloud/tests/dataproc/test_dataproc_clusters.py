"""Clusters: what the server makes of a request, their states in time, updates, deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from localcloud.errors import ApiError

REGION = "projects/test-project/regions/europe-west4"
CLUSTERS = f"{REGION}/clusters"
COMPUTE = "https://www.googleapis.com/compute/v1/projects/test-project"


def failure(world: Any, *arguments: Any, **query: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        world.call(*arguments, **query)
    return raised.value


def test_short_names_become_full_urls_and_defaults_are_filled_in(world: Any) -> None:
    config = {
        "gceClusterConfig": {"zoneUri": "europe-west4-a", "subnetworkUri": "subnet-x", "internalIpOnly": True},
        "masterConfig": {"machineTypeUri": "n2-standard-4", "diskConfig": {"bootDiskSizeGb": 100}},
        "workerConfig": {"machineTypeUri": "n2-standard-4", "numInstances": 3},
        "softwareConfig": {"imageVersion": "2.3-debian12", "properties": {"spark:spark.executor.cores": "3"}},
    }
    cluster = world.cluster("full", config=config)
    network, master = cluster["config"]["gceClusterConfig"], cluster["config"]["masterConfig"]
    assert network["zoneUri"] == f"{COMPUTE}/zones/europe-west4-a"
    assert network["subnetworkUri"] == f"{COMPUTE}/regions/europe-west4/subnetworks/subnet-x"
    assert "networkUri" not in network
    assert master["machineTypeUri"] == f"{COMPUTE}/zones/europe-west4-a/machineTypes/n2-standard-4"
    assert master["diskConfig"] == {"bootDiskSizeGb": 100, "bootDiskType": "pd-standard"}
    assert master["instanceNames"] == ["full-m"]
    assert cluster["config"]["workerConfig"]["instanceNames"] == ["full-w-0", "full-w-1", "full-w-2"]
    properties = cluster["config"]["softwareConfig"]["properties"]
    assert properties["spark:spark.executor.cores"] == "3"
    assert properties["yarn:yarn.nodemanager.resource.memory-mb"] == "13544"
    assert cluster["config"]["softwareConfig"]["imageVersion"].startswith("2.3.")
    assert cluster["labels"]["goog-dataproc-cluster-uuid"] == cluster["clusterUuid"]
    assert cluster["config"]["configBucket"] in world.storage.buckets


def test_a_cluster_is_created_by_the_clock_and_its_operation_says_so(world: Any) -> None:
    world.freeze()
    operation = world.call("POST", CLUSTERS, {"clusterName": "slow"})
    assert "done" not in operation
    assert operation["metadata"]["status"]["state"] == "PENDING"
    assert world.call("GET", f"{CLUSTERS}/slow")["status"]["state"] == "CREATING"
    world.offset += timedelta(seconds=0.5)
    running = world.call("GET", operation["name"])
    assert (running["metadata"]["status"]["state"], "done" in running) == ("RUNNING", False)
    world.offset += timedelta(seconds=1)
    done = world.call("GET", operation["name"])
    assert done["done"] is True
    assert done["response"]["clusterName"] == "slow"
    assert "status" not in done["response"]
    assert [entry["state"] for entry in done["metadata"]["statusHistory"]] == ["PENDING", "RUNNING"]
    cluster = world.call("GET", f"{CLUSTERS}/slow")
    assert (cluster["status"]["state"], cluster["statusHistory"][0]["state"]) == ("RUNNING", "CREATING")


def test_a_cluster_that_exists_or_names_what_is_missing_is_refused(world: Any) -> None:
    world.call("POST", CLUSTERS, {"clusterName": "one"})
    again = failure(world, "POST", CLUSTERS, {"clusterName": "one"})
    assert (again.code, again.message) == (409, f"Already exists: Failed to create cluster: Cluster {CLUSTERS}/one")
    config = {"autoscalingConfig": {"policyUri": f"{REGION}/autoscalingPolicies/none"}}
    assert failure(world, "POST", CLUSTERS, {"clusterName": "two", "config": config}).code == 404
    actions = {"initializationActions": [{"executableFile": "gs://code/init.sh"}]}
    missing = failure(world, "POST", CLUSTERS, {"clusterName": "two", "config": actions})
    assert "gs://code/init.sh" in missing.message
    world.storage.objects["code", "init.sh"] = b"#!/bin/sh\n"
    assert world.call("POST", CLUSTERS, {"clusterName": "two", "config": actions})["name"]
    gone = failure(world, "GET", f"{CLUSTERS}/three")
    assert gone.message == f"Not found: Cluster {CLUSTERS}/three"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"clusterName": "Upper"}, "Upper"),
        ({"clusterName": "x" * 52}, "cluster name"),
        ({"clusterName": "a", "config": {"workerConfig": {"numInstances": 1}}}, "workerConfig.numInstances is 1"),
        ({"clusterName": "a", "config": {"lifecycleConfig": {"idleDeleteTtl": "60s"}}}, "idleDeleteTtl"),
        ({"clusterName": "a", "config": {"gceClusterConfig": {"zoneUri": "us-east1-b"}}}, "us-east1-b"),
        ({"clusterName": "a", "config": {"softwareConfig": {"imageVersion": "newest"}}}, "newest"),
    ],
)
def test_requests_out_of_bounds_are_refused_by_name(world: Any, body: dict[str, Any], text: str) -> None:
    assert text in failure(world, "POST", CLUSTERS, body).message


def test_a_repeated_request_id_answers_the_first_operation(world: Any) -> None:
    first = world.call("POST", CLUSTERS, {"clusterName": "once"}, requestId="r-1")
    assert world.call("POST", CLUSTERS, {"clusterName": "once"}, requestId="r-1")["name"] == first["name"]
    assert failure(world, "POST", CLUSTERS, {"clusterName": "once"}, requestId="r-2").code == 409


def test_labels_and_sizes_can_be_updated_and_nothing_else(world: Any) -> None:
    world.freeze()
    before = world.cluster("grow", labels={"a": "b"})
    operation = world.call(
        "PATCH",
        f"{CLUSTERS}/grow",
        {"labels": {"c": "d"}, "config": {"workerConfig": {"numInstances": 4}}},
        updateMask="labels,config.worker_config.num_instances",
    )
    assert operation["metadata"]["description"] == "Add 2 workers."
    assert world.call("GET", f"{CLUSTERS}/grow")["status"]["state"] == "UPDATING"
    refused = failure(world, "PATCH", f"{CLUSTERS}/grow", {"labels": {}}, updateMask="labels")
    assert refused.status == "FAILED_PRECONDITION"
    world.finished(operation)
    after = world.call("GET", f"{CLUSTERS}/grow")
    assert len(after["config"]["workerConfig"]["instanceNames"]) == 4
    assert "a" not in after["labels"]
    assert after["labels"]["c"] == "d"
    assert after["labels"]["goog-dataproc-cluster-name"] == "grow"
    assert [entry["state"] for entry in after["statusHistory"]] == ["CREATING", "RUNNING", "UPDATING"]
    assert after["config"]["masterConfig"] == before["config"]["masterConfig"]
    error = failure(world, "PATCH", f"{CLUSTERS}/grow", {}, updateMask="config.master_config.num_instances")
    assert "config.masterConfig.numInstances" in error.message
    assert "updateMask is required" in failure(world, "PATCH", f"{CLUSTERS}/grow", {}).message


def test_a_policy_can_be_put_on_and_taken_off(world: Any) -> None:
    yarn = {"scaleUpFactor": 1, "scaleDownFactor": 1, "gracefulDecommissionTimeout": "0s"}
    policy = {"id": "steady", "basicAlgorithm": {"yarnConfig": yarn}, "workerConfig": {"maxInstances": 5}}
    world.call("POST", f"{REGION}/autoscalingPolicies", policy)
    world.cluster("scaled")
    mask = "config.autoscaling_config.policy_uri"
    body = {"config": {"autoscalingConfig": {"policyUri": "steady"}}}
    world.finished(world.call("PATCH", f"{CLUSTERS}/scaled", body, updateMask=mask))
    uri = world.call("GET", f"{CLUSTERS}/scaled")["config"]["autoscalingConfig"]["policyUri"]
    assert uri == f"{REGION}/autoscalingPolicies/steady"
    world.finished(world.call("PATCH", f"{CLUSTERS}/scaled", {}, updateMask=mask))
    assert world.call("DELETE", f"{REGION}/autoscalingPolicies/steady") == {}


def test_a_deleted_cluster_is_gone_and_its_name_free(world: Any) -> None:
    first = world.cluster("phoenix")
    operation = world.call("DELETE", f"{CLUSTERS}/phoenix")
    assert world.call("GET", f"{CLUSTERS}/phoenix")["status"]["state"] == "DELETING"
    assert "pending delete" in failure(world, "DELETE", f"{CLUSTERS}/phoenix").message
    assert world.finished(operation)["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert failure(world, "GET", f"{CLUSTERS}/phoenix").code == 404
    assert world.cluster("phoenix")["clusterUuid"] != first["clusterUuid"]


def test_deleting_a_cluster_that_is_being_created_ends_both_operations(world: Any) -> None:
    creation = world.call("POST", CLUSTERS, {"clusterName": "brief"})
    deletion = world.call("DELETE", f"{CLUSTERS}/brief")
    assert world.finished(deletion)["response"]
    assert world.finished(creation)["error"]["code"] == 1
    assert world.call("GET", CLUSTERS) == {}


def test_an_operation_that_ends_in_an_error_leaves_a_cluster_in_error(world: Any) -> None:
    world.fault, world.fault_method = {"kind": "operation-error", "status": "RESOURCE_EXHAUSTED"}, "clusters.create"
    operation = world.finished(world.call("POST", CLUSTERS, {"clusterName": "poor"}))
    assert operation["error"]["code"] == 8
    cluster = world.call("GET", f"{CLUSTERS}/poor")
    assert cluster["status"]["state"] == "ERROR"
    assert cluster["status"]["detail"] == operation["error"]["message"]


def test_filters_apply_to_the_list(world: Any) -> None:
    world.cluster("red", labels={"team": "red"})
    world.call("POST", CLUSTERS, {"clusterName": "blue", "labels": {"team": "blue"}})
    world.call("DELETE", f"{CLUSTERS}/blue")
    assert [found["clusterName"] for found in world.call("GET", CLUSTERS)["clusters"]] == ["blue", "red"]
    active = world.call("GET", CLUSTERS, filter="status.state = ACTIVE")
    assert [found["clusterName"] for found in active["clusters"]] == ["red"]
    assert world.call("GET", CLUSTERS, filter="labels.team = green") == {}


def test_a_cluster_goes_when_it_was_idle_or_lived_long_enough(world: Any) -> None:
    world.cluster("idle", config={"lifecycleConfig": {"idleDeleteTtl": "600s"}})
    world.cluster("old", config={"lifecycleConfig": {"autoDeleteTtl": "1200s"}})
    assert "idleStartTime" in world.call("GET", f"{CLUSTERS}/idle")["config"]["lifecycleConfig"]
    world.offset += timedelta(seconds=590)
    world.service.tick()
    assert {found["clusterName"] for found in world.call("GET", CLUSTERS)["clusters"]} == {"idle", "old"}
    world.offset += timedelta(seconds=20)
    world.service.tick()
    assert world.call("GET", f"{CLUSTERS}/idle")["status"]["state"] == "DELETING"
    world.offset += timedelta(seconds=600)
    world.until(lambda: world.call("GET", CLUSTERS) == {})


def test_a_creation_goes_on_after_the_server_was_killed(world: Any) -> None:
    operation = world.call("POST", CLUSTERS, {"clusterName": "tough"})
    world.restart()
    assert world.finished(operation)["response"]["clusterName"] == "tough"
    assert world.call("GET", f"{CLUSTERS}/tough")["status"]["state"] == "RUNNING"
