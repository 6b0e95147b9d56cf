"""Workflows: order of the jobs, and the managed cluster that goes away whatever happens."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from localcloud.errors import ApiError

REGION = "projects/test-project/regions/europe-west4"
TEMPLATES = f"{REGION}/workflowTemplates"


def step(name: str, uri: str, *after: str, arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {"stepId": name, "pysparkJob": {"mainPythonFileUri": uri, "args": list(arguments)}}
    if after:
        made["prerequisiteStepIds"] = list(after)
    return made


def template(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    managed = {"clusterName": "made", "config": {"workerConfig": {"numInstances": 2}}, "labels": {"own": "label"}}
    return {"id": "nightly", "placement": {"managedCluster": managed}, "jobs": list(jobs), **more}


def run(world: Any, made: dict[str, Any], **request: Any) -> dict[str, Any]:
    world.call("POST", TEMPLATES, made)
    return world.call("POST", f"{TEMPLATES}/nightly:instantiate", request)


def nodes(world: Any, operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = world.call("GET", operation["name"])["metadata"]["graph"]["nodes"]
    return {node["stepId"]: node for node in found}


def clusters(world: Any) -> list[dict[str, Any]]:
    return world.call("GET", f"{REGION}/clusters").get("clusters", [])


def states(world: Any, operation: dict[str, Any]) -> dict[str, str]:
    return {step_id: node["state"] for step_id, node in nodes(world, operation).items()}


def test_jobs_run_in_order_on_a_cluster_made_for_them(world: Any) -> None:
    log = world.settings.home / "log"
    uri = world.script(f"import sys; open({str(log)!r}, 'a').write(sys.argv[1] + ' ')")
    made = template(
        step("last", uri, "left", "right", arguments=("last",)),
        step("left", uri, "first", arguments=("middle",)),
        step("right", uri, "first", arguments=("middle",)),
        step("first", uri, arguments=("first",)),
        labels={"team": "red"},
    )
    operation = run(world, made)
    assert "done" not in operation
    assert states(world, operation) == {"last": "BLOCKED", "left": "BLOCKED", "right": "BLOCKED", "first": "RUNNABLE"}
    world.until(lambda: clusters(world))
    cluster = clusters(world)[0]
    assert cluster["clusterName"].startswith("made-")
    assert {"team": "red", "own": "label", "goog-dataproc-workflow-template-id": "nightly"}.items() <= cluster[
        "labels"
    ].items()
    done = world.finished(operation)
    assert done["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    metadata = done["metadata"]
    assert metadata["@type"].endswith("WorkflowMetadata")
    assert (metadata["state"], metadata["clusterName"], metadata["version"]) == ("DONE", cluster["clusterName"], 1)
    assert metadata["createCluster"]["done"] is metadata["deleteCluster"]["done"] is True
    assert set(states(world, operation).values()) == {"COMPLETED"}
    assert log.read_text() == "first middle middle last "
    assert clusters(world) == []
    job = world.job(nodes(world, operation)["first"]["jobId"])
    assert {"team": "red", "goog-dataproc-workflow-step-id": "first"}.items() <= job["labels"].items()
    instance = operation["name"].rpartition("/")[2]
    assert job["labels"]["goog-dataproc-workflow-instance-id"] == instance


def test_parameters_reach_the_job(world: Any) -> None:
    uri = world.script("import sys; print(sys.argv[1])")
    parameter = {"name": "DAY", "fields": ["jobs['only'].pysparkJob.args[0]"]}
    operation = run(
        world, template(step("only", uri, arguments=("?",)), parameters=[parameter]), parameters={"DAY": "tue"}
    )
    assert world.finished(operation)["metadata"]["parameters"] == {"DAY": "tue"}
    assert world.output(world.job(nodes(world, operation)["only"]["jobId"])) == "tue\n"
    assert world.call("GET", f"{TEMPLATES}/nightly")["jobs"][0]["pysparkJob"]["args"] == ["?"]


def test_a_failed_job_ends_the_workflow_and_the_cluster(world: Any) -> None:
    failing, endless = (
        world.script("raise SystemExit('no input')"),
        world.script("import time; time.sleep(300)", "b.py"),
    )
    made = template(step("bad", failing), step("long", endless), step("never", endless, "bad"))
    operation = run(world, made)
    done = world.finished(operation)
    assert "no input" in done["error"]["message"]
    found = nodes(world, operation)
    assert "no input" in found["bad"]["error"]
    assert (found["bad"]["state"], found["long"]["state"], found["never"]["state"]) == ("FAILED", "FAILED", "BLOCKED")
    assert world.job(found["long"]["jobId"])["status"]["state"] == "CANCELLED"
    assert "jobId" not in found["never"]
    assert clusters(world) == []


@pytest.mark.parametrize("when", ["creating", "running"])
def test_a_cancelled_workflow_deletes_its_cluster_first(world: Any, when: str) -> None:
    operation = run(world, template(step("long", world.script("import time; time.sleep(300)"))))
    if when == "running":
        world.until(lambda: states(world, operation)["long"] == "RUNNING")
    else:
        world.until(lambda: clusters(world))
    assert world.call("POST", f"{operation['name']}:cancel") == {}
    assert "done" not in world.call("GET", operation["name"])
    done = world.finished(operation)
    assert done["error"]["code"] == 1
    assert clusters(world) == []
    assert world.call("GET", f"{REGION}/jobs", filter="status.state = ACTIVE") == {}


def test_a_cancelled_workflow_ends_also_when_somebody_deletes_its_jobs(world: Any) -> None:
    sleeper = world.script("import time; time.sleep(300)")
    operation = run(world, template(step("one", sleeper), step("two", sleeper)))
    world.until(lambda: set(states(world, operation).values()) == {"RUNNING"})
    world.call("POST", f"{operation['name']}:cancel")
    job_id = nodes(world, operation)["one"]["jobId"]
    world.call("POST", f"{REGION}/jobs/{job_id}:cancel", {})
    while world.job(job_id)["status"]["state"] != "CANCELLED":
        world.service._job_runs.tick()
    world.call("DELETE", f"{REGION}/jobs/{job_id}")
    assert world.finished(operation)["error"]["code"] == 1
    assert clusters(world) == []


def test_a_workflow_that_takes_too_long_is_ended(world: Any) -> None:
    made = template(step("long", world.script("import time; time.sleep(300)")), dagTimeout="600s")
    operation = run(world, made)
    world.until(lambda: states(world, operation)["long"] == "RUNNING")
    world.offset += timedelta(seconds=599)
    world.service.tick()
    assert states(world, operation)["long"] == "RUNNING"
    world.offset += timedelta(seconds=2)
    done = world.finished(operation)
    assert done["error"]["code"] == 4
    assert "dagTimeout (600s)" in done["error"]["message"]
    assert done["metadata"]["dagStartTime"] < done["metadata"]["dagEndTime"]
    assert clusters(world) == []


def test_a_cluster_that_cannot_be_made_ends_the_workflow(world: Any) -> None:
    made = template(step("only", world.script("")))
    made["placement"]["managedCluster"]["config"]["autoscalingConfig"] = {"policyUri": "none"}
    done = world.finished(run(world, made))
    assert "none" in done["error"]["message"]
    assert "none" in done["metadata"]["createCluster"]["error"]


def test_a_cluster_that_fails_while_it_is_made_is_deleted(world: Any) -> None:
    world.fault, world.fault_method = {"kind": "operation-error", "status": "RESOURCE_EXHAUSTED"}, "clusters.create"
    done = world.finished(run(world, template(step("only", world.script("")))))
    assert done["metadata"]["createCluster"]["error"]
    assert done["metadata"]["deleteCluster"]["done"] is True
    assert clusters(world) == []


def test_a_selector_uses_a_running_cluster_and_leaves_it(world: Any) -> None:
    made = {
        **template(step("only", world.script("print('here')"))),
        "placement": {"clusterSelector": {"clusterLabels": {"pool": "shared"}}},
    }
    operation = run(world, made)
    assert "pool=shared" in world.finished(operation)["error"]["message"]
    world.cluster("standing", labels={"pool": "shared"})
    again = world.call("POST", f"{TEMPLATES}/nightly:instantiate", {})
    assert world.finished(again)["metadata"]["clusterName"] == "standing"
    assert [cluster["clusterName"] for cluster in clusters(world)] == ["standing"]


def test_an_inline_template_needs_no_storing(world: Any) -> None:
    made = template(step("only", world.script("print('inline')")))
    operation = world.call("POST", f"{TEMPLATES}:instantiateInline", made)
    assert "template" not in world.finished(operation)["metadata"]
    assert world.call("GET", TEMPLATES) == {}


def test_the_same_tag_does_not_run_twice_at_once(world: Any) -> None:
    first = run(world, template(step("only", world.script("print('x')"))), requestId="tag-1")
    again = world.call("POST", f"{TEMPLATES}/nightly:instantiate", {"requestId": "tag-1"})
    assert again["name"] == first["name"]
    world.finished(first)
    later = world.call("POST", f"{TEMPLATES}/nightly:instantiate", {"requestId": "tag-1"})
    assert later["name"] != first["name"]
    world.finished(later)


def test_an_outdated_version_is_refused(world: Any) -> None:
    world.call("POST", TEMPLATES, template(step("only", world.script(""))))
    with pytest.raises(ApiError) as raised:
        world.call("POST", f"{TEMPLATES}/nightly:instantiate", {"version": 9})
    assert raised.value.status == "ABORTED"


@pytest.mark.parametrize("pause", [0.0, 0.3, 0.9, 1.2, 1.5])
def test_a_workflow_goes_on_after_the_server_was_killed(world: Any, pause: float) -> None:
    log = world.settings.home / "log"
    uri = world.script(f"import sys, time; time.sleep(0.3); open({str(log)!r}, 'a').write(sys.argv[1])")
    operation = run(world, template(step("one", uri, arguments=("1",)), step("two", uri, "one", arguments=("2",))))
    killed_at = time.monotonic() + pause
    while time.monotonic() < killed_at:
        world.service.tick()
        time.sleep(0.05)
    world.restart()
    done = world.finished(operation)
    assert done["response"]
    assert log.read_text() == "12"
    assert clusters(world) == []


def test_operations_are_listed_and_ended_ones_deleted(world: Any) -> None:
    world.freeze()
    world.cluster("one")
    running = world.call("DELETE", f"{REGION}/clusters/one")
    names = [found["name"] for found in world.call("GET", f"{REGION}/operations")["operations"]]
    assert names[0] == running["name"]
    assert len(names) == 2
    with pytest.raises(ApiError) as raised:
        world.call("DELETE", running["name"])
    assert raised.value.status == "FAILED_PRECONDITION"
    world.finished(running)
    twin = running["name"].replace("/regions/", "/locations/")
    assert world.call("GET", twin)["done"] is True
    assert world.call("DELETE", running["name"]) == {}
    with pytest.raises(ApiError) as raised:
        world.call("GET", running["name"])
    assert raised.value.code == 404
