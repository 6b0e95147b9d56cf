"""A new image through all environments, what cannot go ahead, and the way back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.google import DATAPROC, PROJECT, wait_for
from tests.patching.environments import BLOCKED, NOTHING, PATCHED, Environments, kill

# Two or three canaries, each with the time a busy machine takes for a cluster.
pytestmark = pytest.mark.timeout(1800)
NEW, NEWER = "2.3.90-debian12", "2.3.91-debian12"
ARTIFACTS = f"{PROJECT}-dev-artifacts"
# What a user's script waits for, so that its cluster is there from before a patching run until after it.
WAITS = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.2)
print("waited")
"""


@pytest.fixture(scope="module", autouse=True)
def a_new_image(environments: Environments) -> None:
    environments.cloud.cli("image", "add", NEW)


def test_environments_come_one_after_another(environments: Environments) -> None:
    for name, before in (("staging", "dev"), ("prod", "staging")):
        found = environments.patch(name, "-e", "patching_ignore_window=true", expect=BLOCKED)
        assert found["reasons"][0].startswith(f"{before} has no green record")
    assert environments.clusters() == {}


def test_a_check_tells_the_whole_plan_and_writes_nothing(environments: Environments) -> None:
    before = environments.pin_file("dev").read_text()
    environments.cloud.clear_requests()
    found, said = environments.patch_and_listen("dev", "--check", "--diff", expect=PATCHED)
    assert found["changes"][0].endswith(f" -> {NEW}")
    # What follows is told by the roles that would do it: uploads, and every template with its new image.
    assert re.search(rf"^\+.*{re.escape(NEW)}", said, re.MULTILINE)
    templates = re.findall(r"to try on a cluster like those of the template ([a-z-]+)", said)
    assert [row["what"] for row in found["rows"]] == [
        "Dataproc image",
        "Dask environment",
        "initialization actions",
        "node bundle",
    ]
    assert templates == found["canary_templates"] != []
    assert environments.writes() == []
    assert environments.pin_file("dev").read_text() == before


def test_a_new_image_is_tried_and_promoted_while_a_users_job_runs_on_the_old_one(
    environments: Environments,
) -> None:
    old = environments.pins("dev")["dataproc_image"]
    before = environments.templates("dev")
    flag = environments.directory / "go-on"
    uri = "gs://local-project-dev-staging/waits.py"
    environments.google.upload("local-project-dev-staging", "waits.py", WAITS)
    template = next(one for one in json.loads(before) if one["id"] == "flights-etl")
    config = template["placement"]["managedCluster"]["config"]
    environments.google.post("clusters", {"clusterName": "users", "config": config, "labels": {"owner": "ada"}})
    wait_for(lambda: environments.clusters().get("users") == "RUNNING", "the user's cluster", 600)
    job = {"placement": {"clusterName": "users"}, "reference": {"jobId": "long"}}
    body = {"job": {**job, "pysparkJob": {"mainPythonFileUri": uri, "args": [str(flag)]}}}
    environments.google.post("jobs:submit", body)

    found = environments.patch("dev", expect=PATCHED)

    assert environments.google.get("jobs/long")["status"]["state"] == "RUNNING"
    users = environments.google.get("clusters/users")
    assert users["config"]["softwareConfig"]["imageVersion"] == old
    flag.touch()
    wait_for(lambda: environments.google.get("jobs/long")["status"]["state"] == "DONE", "the user's job")
    environments.google.call("DELETE", f"{DATAPROC}/clusters/users")
    wait_for(lambda: environments.clusters() == {}, "no cluster")

    pins = environments.pins("dev")
    assert (pins["dataproc_image"], found["pins"]) == (NEW, pins)
    assert "node-bundle.sh" in pins["init_actions"]
    assert environments.images("dev") == {NEW}
    (smoke,) = environments.record("dev")["canary"]["jobs"].values()
    assert (smoke["workers"], smoke["machine_type"]) == ({"first": 3, "last": 2}, "n2-standard-4")
    assert NEW not in environments.images("staging")
    assert environments.locks() == []


def test_a_second_run_changes_nothing(environments: Environments) -> None:
    text = environments.pin_file("dev").read_text()
    environments.cloud.clear_requests()
    assert environments.patch("dev", expect=NOTHING)["outcome"] == "nothing"
    assert environments.writes() == []
    assert environments.pin_file("dev").read_text() == text


def test_outside_its_window_an_environment_waits(environments: Environments) -> None:
    patching = json.loads((environments.directory / "staging.json").read_text())["platform_patching"]
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%a").lower()
    window = {"days": [later], "from": "20:00", "until": "22:00"}
    found = environments.patch("staging", expect=BLOCKED, platform_patching={**patching, "window": window})
    assert found["reasons"][0].startswith("outside the maintenance window; it opens on ")


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_the_same_hashes_go_on(environments: Environments, name: str) -> None:
    # Newer still, and not looked at: what was tried goes on.
    environments.cloud.cli("image", "add", NEWER)
    try:
        environments.patch(name, "-e", "patching_ignore_window=true", expect=PATCHED)
    finally:
        environments.cloud.cli("image", "withdraw", NEWER)
    ours, before = environments.pins(name), environments.pins("dev")
    assert {**ours, "node_bundle": None} == {**before, "node_bundle": None}
    assert environments.images(name) == {NEW}


def test_pins_that_somebody_broke_stop_the_run_before_anything_is_asked(environments: Environments) -> None:
    path = environments.pin_file("dev")
    text = path.read_text()
    path.write_text(text.replace("  environment: null", "  environment: nonsense"))
    environments.cloud.clear_requests()
    done = environments.play("dev", "playbooks/patch.yml")
    path.write_text(text)
    assert done.returncode == 2
    assert "pins.yml:" in done.stdout + done.stderr
    assert environments.writes() == []


def test_killed_between_pins_and_templates_and_again_on_the_way_back(environments: Environments) -> None:
    before, good = environments.templates("dev"), environments.pins("dev")
    environments.cloud.cli("image", "add", NEWER)
    unnamed, named = f"{'5' * 64}/node-bundle.tar", f"{good['node_bundle']}/node-bundle.tar"
    environments.google.upload(ARTIFACTS, unnamed, "of nobody")
    _kill_when_the_pins_are_written(environments)
    assert environments.pins("dev")["dataproc_image"] == NEWER
    assert environments.images("dev") == {NEW}, "the templates were not reached"
    told = environments.patch("dev", "--check", expect=PATCHED)
    assert (told["changes"], environments.images("dev")) == ([], {NEW})
    found = environments.patch("dev", expect=PATCHED, patching_prune_days=0)
    assert (found["changes"], found["canary"]) == ([], {}), "what was tried is finished, not tried again"
    assert environments.images("dev") == {NEWER}
    assert unnamed not in environments.artifacts("dev", "5")
    assert named in environments.artifacts("dev", good["node_bundle"]), "the last good pins have it"
    promoted = environments.pin_file("dev").read_text()
    _refuse_a_record_of_other_files(environments)
    environments.cloud.cli("image", "withdraw", NEWER)
    found = environments.patch("staging", expect=BLOCKED)
    assert f"{NEWER} is not listed by Google any more" in found["reasons"][0]
    environments.cloud.cli("image", "add", NEWER)

    _kill_when_the_pins_are_written(environments, rollback=True, patching_reason="slow")
    assert environments.pins("dev") == good
    assert environments.images("dev") == {NEWER}
    environments.patch("dev", "-e", "rollback=true", expect=PATCHED)
    assert environments.pins("dev") == good
    assert environments.templates("dev") == before

    text = environments.pin_file("dev").read_text()
    assert environments.patch("dev", "-e", "rollback=true", expect=NOTHING)["outcome"] == "nothing"
    waiting = environments.patch("dev", expect=NOTHING)
    assert "rolled back here" in waiting["notes"][0]
    assert environments.pin_file("dev").read_text() == text
    assert environments.locks() == []
    _go_back_from_what_cannot_be_finished(environments, promoted, good)
    environments.pin_file("dev").write_text(text)


def _go_back_from_what_cannot_be_finished(environments: Environments, promoted: str, good: dict[str, Any]) -> None:
    """A promotion failed at the templates and always will; the way back does not lead over them."""
    environments.pin_file("dev").write_text(promoted)
    environments.google.upload(ARTIFACTS, "patching/dev/lock", "left without an owner")
    method = "dataproc.projects.regions.workflowTemplates.update"
    environments.cloud.cli("fault", "add", "--method", method, "--kind", "status", "--status", "403")
    try:
        environments.patch("dev", "--check", "-e", "rollback=true", expect=PATCHED)
        assert environments.pin_file("dev").read_text() == promoted
        environments.patch("dev", "-e", "rollback=true", expect=PATCHED)
    finally:
        environments.cloud.cli("fault", "clear")
    assert environments.pins("dev") == good
    assert environments.images("dev") == {NEW}
    assert environments.locks() == []


@pytest.mark.slow
@pytest.mark.usefixtures("patched")
def test_current_pins_get_a_new_record(environments: Environments) -> None:
    before, pins = environments.record("dev"), environments.pins("dev")
    assert environments.patch("dev", expect=PATCHED, patching_renew=True)["changes"] == [
        "nothing but the record: the present pins are tried again"
    ]
    assert environments.pins("dev") == pins
    assert environments.record("dev")["promoted_at"] > before["promoted_at"]


def _kill_when_the_pins_are_written(environments: Environments, **extra: object) -> None:
    """End a run after its first write, in the middle of the next."""
    text = environments.pin_file("dev").read_text()
    environments.cloud.cli(
        *("fault", "add", "--method", "dataproc.projects.regions.workflowTemplates.update", "--kind", "delay"),
        *("--delay", "60"),
    )
    process = environments.start("dev", **extra)
    try:
        wait_for(lambda: environments.pin_file("dev").read_text() != text, "the pins to be written", 900)
    finally:
        kill(process)
        environments.cloud.cli("fault", "clear")


def _refuse_a_record_of_other_files(environments: Environments) -> None:
    """What `dev` tried with other files than this checkout has does not come to `staging`."""
    path = environments.pin_file("dev")
    text = path.read_text()
    digest = environments.record("dev")["files"]["jobs/run_dask.py"]
    path.write_text(text.replace(digest, "0" * 63 + "a"))
    found = environments.patch("staging", expect=BLOCKED)
    assert "has another jobs/run_dask.py" in found["reasons"][0]
    path.write_text(text)
