"""``site.yml`` where initialization actions and the node bundle are pinned: templates name what is pinned."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import REPOSITORY, LocalCloud
from tests.integration.google import Google
from tests.integration.test_site import changed, content, remove_object, site, stored

BUCKET = "gs://local-project-artifacts"
IMAGE = "2.3.10-debian12"
OLD = "ab" * 32


@pytest.fixture(name="converged")
def converged_cloud(empty_localcloud: LocalCloud) -> Iterator[LocalCloud]:
    """A cloud that ``site.yml`` has converged once, without pins."""
    site(empty_localcloud)
    yield empty_localcloud


def pinned(
    cloud: LocalCloud, *, init_actions: dict[str, str], node_bundle: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Converge with these pins."""
    pins = {"dataproc_image": IMAGE, "environment": None, "init_actions": init_actions, "node_bundle": node_bundle}
    return site(cloud, "-e", json.dumps({"platform_pins": pins}), **options)


def upload_what_is_old(cloud: LocalCloud) -> None:
    """What another checkout uploaded once."""
    for name in ("yarn_queues.py", "node-bundle.tar"):
        Google(cloud.environment).upload(BUCKET.removeprefix("gs://"), f"{OLD}/{name}", "of another checkout")


def unpatched(run: subprocess.CompletedProcess[str]) -> list[str]:
    """What a converge says it has newer than the pins."""
    told = re.search(r"versions than platform_pins of (.+?)\. New clusters", " ".join(run.stdout.split()))
    return told[1].split(", ") if told else []


def config_of(cloud: LocalCloud) -> dict[str, Any]:
    """The cluster configuration of a workload's template."""
    return Google(cloud.environment).get("workflowTemplates/flights-etl")["placement"]["managedCluster"]["config"]


def actions_of(config: dict[str, Any]) -> dict[str, str]:
    """Hashes of a configuration's initialization actions by their names, in their order."""
    addresses = [action["executableFile"].split("/") for action in config["initializationActions"]]
    assert {address[2] for address in addresses} == {BUCKET.removeprefix("gs://")}
    return {address[4]: address[3] for address in addresses}


def bundle_of(config: dict[str, Any]) -> str:
    """Hash of a configuration's node bundle."""
    return config["gceClusterConfig"]["metadata"]["node-bundle-uri"].removeprefix(f"{BUCKET}/").split("/")[0]


def documents(cloud: LocalCloud) -> list[dict[str, Any]]:
    """Everything that DAGs of this cloud ever created an own cluster of the template ``etl`` from."""
    names = [name for name in stored(cloud) if name.endswith("/etl-own.json")]
    google = Google(cloud.environment)
    return [json.loads(content(google, f"{BUCKET}/{name}"))["config"] for name in names]


def test_what_is_pinned_is_in_every_template_and_the_checkouts_is_uploaded(converged: LocalCloud) -> None:
    before = config_of(converged)
    own = actions_of(before)
    pins = {**own, "yarn_queues.py": OLD}
    upload_what_is_old(converged)
    run = pinned(converged, init_actions=pins, node_bundle=OLD)
    assert unpatched(run) == ["yarn_queues.py", "node-bundle.tar"]

    after = config_of(converged)
    assert actions_of(after) == pins
    assert list(actions_of(after)) == list(own), "in their order"
    assert bundle_of(after) == OLD
    (document,) = [document for document in documents(converged) if bundle_of(document) == OLD]
    assert actions_of(document) == pins
    assert {f"{own['yarn_queues.py']}/yarn_queues.py", f"{bundle_of(before)}/node-bundle.tar"} <= set(stored(converged))

    again = pinned(converged, init_actions=pins, node_bundle=OLD)
    assert changed(again) == 0
    assert unpatched(again) == unpatched(run)

    site(converged)
    assert config_of(converged) == before, "without pins it is the checkout's again"


def test_pins_of_what_is_nowhere_are_refused_before_a_template_names_them(converged: LocalCloud) -> None:
    before = config_of(converged)
    upload_what_is_old(converged)
    remove_object(converged, f"{OLD}/node-bundle.tar")
    run = pinned(converged, init_actions={"yarn_queues.py": OLD}, node_bundle=OLD, check=False)
    assert run.returncode != 0
    told = " ".join(run.stdout.split())
    assert f"nor in the bucket: {BUCKET}/{OLD}/node-bundle.tar. No template was changed." in told
    assert f"(playbooks/patch.yml -i {REPOSITORY}/inventories/local -e rollback=true)" in told
    assert config_of(converged) == before


def test_pins_of_the_checkouts_own_content_change_nothing_and_say_nothing(converged: LocalCloud) -> None:
    config = config_of(converged)
    run = pinned(converged, init_actions=actions_of(config), node_bundle=bundle_of(config))
    assert changed(run) == 0
    assert unpatched(run) == []


def test_an_action_that_was_not_pinned_waits_for_a_patch_run(converged: LocalCloud) -> None:
    config = config_of(converged)
    pins = {name: sha for name, sha in actions_of(config).items() if name != "node-metrics.sh"}
    run = pinned(converged, init_actions=pins, node_bundle=bundle_of(config))
    assert actions_of(config_of(converged)) == pins
    assert unpatched(run) == ["node-metrics.sh"]
