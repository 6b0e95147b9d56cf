"""``site.yml`` with Airflow against a local cloud: looked at, made once, mended after changes by hand, taken away."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest

from tests.integration.conftest import LocalCloud
from tests.integration.google import PROJECT, REGION, Google
from tests.integration.test_site import changed, play

ENVIRONMENTS = f"https://composer.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}/environments"


@pytest.fixture(scope="module", name="cloud")
def empty_cloud(localcloud: LocalCloud) -> Iterator[LocalCloud]:
    """An empty cloud for the tests of this file, which follow one another."""
    localcloud.cli("reset", "--yes")
    yield localcloud
    localcloud.cli("reset", "--yes")


def environments(cloud: LocalCloud) -> list[str]:
    """Names of all environments."""
    answer = Google(cloud.environment).call("GET", ENVIRONMENTS).json()
    return [one["name"].rpartition("/")[2] for one in answer.get("environments", [])]


def airflow(cloud: LocalCloud, *command: str) -> str:
    """Run a command of Airflow with Google's own command line."""
    run = ["gcloud", "composer", "environments", "run", "dataplatform-local", "--location", REGION]
    completed = cloud.run(*run, *command[:2], *(["--", *command[2:]] if command[2:] else []))
    return completed.stdout + completed.stderr


def test_check_on_an_empty_cloud_shows_what_is_to_be_made_and_makes_nothing(cloud: LocalCloud) -> None:
    run = play(cloud, "site.yml", "--check", "--diff")
    assert "+++ after: Composer environment dataplatform-local (create)" in run.stdout
    assert "+++ after: Airflow pool user-ada (create)" in run.stdout
    assert environments(cloud) == []


def test_first_run_makes_everything_and_the_second_nothing(cloud: LocalCloud) -> None:
    play(cloud, "site.yml")
    assert environments(cloud) == ["dataplatform-local"]
    assert '"pool": "user-grace", "slots": "3"' in airflow(cloud, "pools", "list", "--output", "json")
    assert changed(play(cloud, "site.yml", "--check", "--diff")) == 0
    assert changed(play(cloud, "site.yml")) == 0
    assert "ok      Airflow dataplatform-local: its state is RUNNING" in play(cloud, "playbooks/doctor.yml").stdout


def test_airflow_looks_for_secrets_in_secret_manager(cloud: LocalCloud) -> None:
    google = Google(cloud.environment)
    secrets = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets"
    name = "airflow-variables-weather_token"
    google.call("POST", secrets, params={"secretId": name}, json={"replication": {"automatic": {}}})
    payload = {"payload": {"data": base64.b64encode(b"from-secret-manager").decode()}}
    google.call("POST", f"{secrets}/{name}:addVersion", json=payload)
    assert "from-secret-manager" in airflow(cloud, "variables", "get", "weather_token")
    assert "weather_token" not in airflow(cloud, "variables", "list")


def test_changes_by_hand_are_shown_and_put_right(cloud: LocalCloud) -> None:
    airflow(cloud, "variables", "set", "dataplatform", "gone")
    shown = play(cloud, "site.yml", "--check", "--diff")
    assert changed(shown) == 1
    assert re.search(r"^-\s+value: gone$", shown.stdout, re.MULTILINE)
    run = play(cloud, "site.yml", "--diff")
    assert changed(run) == 1
    assert re.search(r"^-\s+value: gone$", run.stdout, re.MULTILINE)
    assert "local-project-data" in airflow(cloud, "variables", "get", "dataplatform")


def test_environment_of_terraform_is_only_looked_at(cloud: LocalCloud) -> None:
    facts = {
        "environment": "dataplatform-local",
        "location": REGION,
        "managed_by": "terraform",
        "image_version": "composer-2.17.9-airflow-2.11.1",
        "airflow_config_overrides": {"core-parallelism": "77"},
    }
    run = play(cloud, "site.yml", "-e", json.dumps({"platform_composer": facts}))
    assert changed(run) == 0
    assert "It belongs to Terraform" in run.stdout
    assert re.search(r"airflowConfigOverrides\.core-parallelism +77 +\(absent\)", run.stdout)
    taken_down = play(cloud, "playbooks/teardown.yml", "--check", "-e", json.dumps({"platform_composer": facts}))
    said = " ".join(taken_down.stdout.split())
    assert "dataplatform-local belongs to Terraform and stays, and its DAGs go on making clusters" in said


def test_inventory_without_airflow_says_so_and_leaves_it_alone(cloud: LocalCloud) -> None:
    run = play(cloud, "site.yml", "-e", '{"platform_composer": null}')
    assert "platform_composer is null in local, so nothing of Airflow is set up" in run.stdout
    assert environments(cloud) == ["dataplatform-local"]


def test_teardown_deletes_the_environment(cloud: LocalCloud) -> None:
    shown = play(cloud, "playbooks/teardown.yml", "--check", "--diff")
    assert "+++ after: Composer environment dataplatform-local (delete)" in shown.stdout
    assert environments(cloud) == ["dataplatform-local"]
    play(cloud, "playbooks/teardown.yml", "-e", "confirm=local")
    assert environments(cloud) == []
