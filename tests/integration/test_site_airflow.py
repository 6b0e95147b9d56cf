"""``site.yml`` with Airflow against a local cloud: looked at, made once, mended after changes by hand, taken away."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, LocalCloud
from tests.integration.google import PROJECT, REGION, STORAGE, Google
from tests.integration.test_site import changed, play

LOCAL_COMPOSER = {
    **yaml.safe_load((REPOSITORY / "inventories/local/group_vars/all/composer.yml").read_text())["platform_composer"],
    "location": REGION,
}
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


def live_releases(cloud: LocalCloud) -> dict[str, str]:
    """The release of each team that its object in the DAG folder says Airflow was seen to run."""
    google = Google(cloud.environment)
    bucket = google.call("GET", f"{ENVIRONMENTS}/dataplatform-local").json()["storageConfig"]["bucket"]
    listed = google.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o", params={"prefix": "dags/dataplatform-"}).json()
    found = [one["metadata"] for one in listed.get("items", [])]
    return {one["team"]: one["release"] for one in found if one["verified"] == "true"}


def import_errors(cloud: LocalCloud) -> list[dict[str, str]]:
    """What Airflow cannot import."""
    said = airflow(cloud, "dags", "list-import-errors", "--output", "json")
    return json.loads(next(line for line in said.splitlines() if line.startswith(("[{", "[]"))))


def test_check_on_an_empty_cloud_shows_what_is_to_be_made_and_makes_nothing(cloud: LocalCloud) -> None:
    run = play(cloud, "site.yml", "--check", "--diff")
    assert "+++ after: Composer environment dataplatform-local (create)" in run.stdout
    assert "+++ after: Airflow pool user-ada (create)" in run.stdout
    assert environments(cloud) == []


def test_first_run_makes_everything_and_the_second_nothing(cloud: LocalCloud) -> None:
    play(cloud, "site.yml")
    assert environments(cloud) == ["dataplatform-local"]
    assert '"pool": "user-grace", "slots": "3"' in airflow(cloud, "pools", "list", "--output", "json")
    assert sorted(live_releases(cloud)) == ["growth", "platform"]
    listed = airflow(cloud, "dags", "list", "--output", "json", "--columns", "dag_id,tags")
    assert all(f"release:{release}" in listed for release in live_releases(cloud).values())
    assert all(f'"dag_id": "{dag}"' in listed for dag in ("flights-etl", "growth-flights", "platform-reaper"))
    assert import_errors(cloud) == []
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


def test_dags_that_a_change_of_the_environment_breaks_are_found_though_nobody_touched_them(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    sources = tmp_path / "dags"
    shutil.copytree(REPOSITORY / "dags", sources)
    growth = sources / "teams/growth/growth_flights.py"
    growth.write_text(f"{growth.read_text()}\nimport os\n\nif 'ONLY_THERE' in os.environ:\n    import only_there\n")
    arguments = ("site.yml", "-e", f"dag_release_source={sources}")
    before = live_releases(cloud)
    assert changed(play(cloud, *arguments)) == 1
    growth_now, growth_before = live_releases(cloud)["growth"], before["growth"]
    assert growth_now != growth_before

    def facts(value: str | None) -> str:
        return json.dumps({"platform_composer": {**LOCAL_COMPOSER, "environment_variables": {"ONLY_THERE": value}}})

    broken = play(cloud, *arguments, "-e", facts("1"), check=False)
    assert broken.returncode != 0
    assert "No module named 'only_there'" in broken.stdout
    assert f"Put back: release {growth_before}, which Airflow runs again" in broken.stdout
    assert live_releases(cloud) == before

    mended = play(cloud, "site.yml", "-e", facts(None))
    assert f"growth: release {growth_before} is live, seen by Airflow again" in mended.stdout
    assert import_errors(cloud) == []


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
