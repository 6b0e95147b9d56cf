"""``sync_dags.yml`` and ``rollback_dags.yml`` against a Composer environment whose Airflow really runs.

One environment for all tests of the file, because creating one takes seconds; each test begins with a release.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud
from tests.integration.google import PROJECT, REGION, STORAGE, Google, wait_for
from tests.integration.processes import kill_family
from tests.integration.test_site import changed, play
from tests.orchestration.gate_support import AIRFLOW_PYTHON, GUARD, LIBRARY, sound_dag
from tests.orchestration.test_gate import BROKEN

pytestmark = pytest.mark.skipif(not AIRFLOW_PYTHON.exists(), reason="Airflow is not installed: make setup")

SYNC, ROLLBACK = "playbooks/sync_dags.yml", "playbooks/rollback_dags.yml"
COMPOSER = f"https://composer.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}/environments/dataplatform-local"
ARTIFACTS = "local-project-artifacts"
CREATE = """
- hosts: localhost
  gather_facts: false
  environment: "{{ platform_process_environment | default({}) }}"
  tasks:
    - ansible.builtin.import_role: {name: composer}
"""
# What only the environment has: its DAGs are in a folder of this name.
ONLY_THERE = """
import os

if "/gcs/dags" in __file__ or "gcs" in os.environ.get("AIRFLOW__CORE__DAGS_FOLDER", ""):
    raise ModuleNotFoundError("No module named 'only_there'")
"""

LOOSE_FILES = json.dumps({"platform_dag_release": {"layout": "files", "keep": 3, "schedules": True}})


@dataclass
class Deployment:
    """An Airflow environment, and the sources that a test releases to it."""

    cloud: LocalCloud
    google: Google
    sources: Path
    bucket: str

    def write(self, name: str, text: str, team: str = "growth") -> None:
        """Give a team a file."""
        path = self.sources / "teams" / team / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def arguments(self, *more: str) -> list[str]:
        """The playbook that releases these sources."""
        return [SYNC, "-e", f"dag_release_source={self.sources}", *more]

    def sync(self, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Release these sources."""
        return play(self.cloud, *self.arguments(*more), check=check)

    def rollback(self, *more: str, team: str = "growth", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Go back."""
        return play(self.cloud, ROLLBACK, "-e", f"team={team}", *more, check=check)

    def update(self) -> None:
        """Begin an update of the environment, as somebody else would."""
        labels = {"labels": {"updated-at": str(time.monotonic_ns())}}
        self.google.call("PATCH", f"{COMPOSER}?updateMask=labels.updated-at", json=labels)
        assert self.google.call("GET", COMPOSER).json()["state"] == "UPDATING"

    def objects(self, bucket: str, prefix: str) -> dict[str, dict[str, Any]]:
        """All objects below a prefix, by name."""
        found = self.google.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o", params={"prefix": prefix}).json()
        return {item["name"]: item for item in found.get("items", [])}

    def live(self, name: str = "dags/dataplatform-growth.zip") -> dict[str, str]:
        """What the live release of a team says of itself; empty when there is none."""
        return self.objects(self.bucket, name).get(name, {}).get("metadata", {})

    def generations(self) -> dict[str, str]:
        """Every object of a release, live or kept, with its generation."""
        places = ((self.bucket, "dags/"), (ARTIFACTS, "dag-releases/"))
        return {
            f"{bucket}/{name}": f"{item['generation']}.{item['metageneration']}"
            for bucket, prefix in places
            for name, item in self.objects(bucket, prefix).items()
        }

    def airflow(self, command: str, subcommand: str, *parameters: str) -> list[dict[str, Any]]:
        """What Airflow's command line answers as JSON."""
        body = {"command": command, "subcommand": subcommand, "parameters": [*parameters, "--output", "json"]}
        started = self.google.call("POST", f"{COMPOSER}:executeAirflowCommand", json=body).json()
        lines: list[str] = []

        def ended() -> bool:
            ask = {**started, "nextLineNumber": len(lines) + 1}
            answer = self.google.call("POST", f"{COMPOSER}:pollAirflowCommand", json=ask).json()
            lines.extend(line.get("content", "") for line in answer.get("output", []))
            return bool(answer.get("outputEnd"))

        wait_for(ended, f"airflow {command} {subcommand}")
        return json.loads(next(line for line in lines if line.startswith(("[{", "[]"))))

    def running(self) -> dict[str, set[str]]:
        """The tags of every DAG that Airflow's scheduler knows."""
        rows = self.airflow("dags", "list", "--columns", "dag_id,tags,last_parsed_time")
        return {row["dag_id"]: {tag["name"] for tag in row["tags"]} for row in rows if row["last_parsed_time"]}


@pytest.fixture(name="environment", scope="module")
def airflow_environment(localcloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> LocalCloud:
    """A converged cloud with an Airflow environment."""
    playbook = tmp_path_factory.mktemp("composer") / "composer.yml"
    playbook.write_text(CREATE)
    play(localcloud, "site.yml")
    roles = {"ANSIBLE_ROLES_PATH": str(REPOSITORY / "roles")}
    play(localcloud, "-i", "inventories/local", str(playbook), **roles)
    return localcloud


@pytest.fixture(scope="module")
def released() -> dict[str, str]:
    """The objects of the release that each test begins with, once there is one."""
    return {}


@pytest.fixture(name="deployment")
def deployment_of_small_sources(environment: LocalCloud, released: dict[str, str], tmp_path: Path) -> Deployment:
    """Small sources, released once: one DAG per team and no workloads, so that files decide what happens.

    What a test before left untouched is not released again.
    """
    google = Google(environment.environment)
    folder = google.call("GET", COMPOSER).json()["config"]["dagGcsPrefix"]
    bucket = folder.removeprefix("gs://").removesuffix("/dags")
    sources = tmp_path / "dags"
    for name, text in {**LIBRARY, "entry/00_release_guard.py": GUARD, "entry/workloads.py": "\n"}.items():
        path = sources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    deployment = Deployment(environment, google, sources, bucket)
    deployment.write("flights.py", sound_dag("flights"))
    deployment.write("watch.py", sound_dag("watch", "grace"), team="platform")
    if not released or deployment.generations() != released:
        for name in deployment.objects(bucket, "dags/"):
            google.call("DELETE", f"{STORAGE}/storage/v1/b/{bucket}/o/{quote(name, safe='')}", allow=(404,))
        deployment.sync()
        released.clear()
        released.update(deployment.generations())
    return deployment


def test_a_release_runs_once_and_leaves_foreign_files_alone(deployment: Deployment) -> None:
    foreign = {"dags/airflow_monitoring.py": "# airflow dag, Composer's own\n", "dags/somebody/notes.txt": "mine"}
    for name, text in foreign.items():
        deployment.google.upload(deployment.bucket, name, text)
    release = deployment.live()["release"]
    assert deployment.live()["verified"] == "true"
    assert f"release:{release}" in deployment.running()["flights"]
    before = deployment.generations()
    again = deployment.sync("--diff")
    assert changed(again) == 0
    assert f"growth: release {release} is live, unchanged, 1 DAGs" in again.stdout

    deployment.write("arrivals.py", sound_dag("arrivals"))
    (deployment.sources / "teams/growth/flights.py").unlink()
    shown = deployment.sync("--check", "--diff")
    assert "+DAG arrivals" in shown.stdout
    assert "-DAG flights" in shown.stdout
    assert "growth: no longer there: flights" in shown.stdout
    assert deployment.generations() == before

    done = deployment.sync()
    assert changed(done) == 1
    assert set(deployment.running()) >= {"arrivals", "watch"}
    assert "flights" not in deployment.running()
    after = deployment.generations()
    unchanged = [
        *(f"{deployment.bucket}/{name}" for name in foreign),
        f"{deployment.bucket}/dags/dataplatform-platform.zip",
    ]
    assert {name: after[name] for name in unchanged} == {name: before.get(name, after[name]) for name in unchanged}
    assert deployment.live()["previous"] == release


def test_what_is_live_and_unchanged_is_looked_for_again_on_request(deployment: Deployment) -> None:
    before = deployment.live()
    again = deployment.sync("-e", "dag_release_verify_unchanged=true")
    assert f"growth: release {before['release']} is live, seen by Airflow again" in again.stdout
    assert changed(again) == 0
    assert deployment.live() == before


def test_an_error_that_only_the_environment_has_is_put_back(deployment: Deployment) -> None:
    release = deployment.live()["release"]
    deployment.write("flights.py", sound_dag("flights") + ONLY_THERE)
    failed = deployment.sync(check=False)
    assert failed.returncode != 0
    assert "No module named 'only_there'" in failed.stdout
    assert f"Put back: release {release}, which Airflow runs again" in failed.stdout
    assert (deployment.live()["release"], deployment.live()["verified"]) == (release, "true")
    assert f"release:{release}" in deployment.running()["flights"]
    assert deployment.airflow("dags", "list-import-errors") == []


def test_broken_dags_of_every_kind_are_all_named_and_the_buckets_untouched(deployment: Deployment) -> None:
    before = deployment.generations()
    for name, text in BROKEN.items():
        deployment.write(name, text)
    refused = deployment.sync("-e", "dag_release_import_seconds=3", check=False)
    assert refused.returncode != 0
    broken = set(BROKEN) - {"sound.py", "cluster.py", "allowed.py", "twice_a.py", "twice_b.py"}
    folder = deployment.sources / "teams" / "growth"
    assert [name for name in sorted(broken) if f"{folder / name}:" not in refused.stdout] == []
    assert "nothing was changed" in refused.stdout
    assert deployment.generations() == before


@pytest.mark.parametrize("play_again", ["sync", "rollback"])
def test_an_environment_that_is_not_there_is_named_and_nothing_written(deployment: Deployment, play_again: str) -> None:
    elsewhere = json.dumps({"dag_release_composer_environment": "dataplatform-locl"})
    before = deployment.generations()
    refused = getattr(deployment, play_again)("-e", elsewhere, check=False)
    assert refused.returncode == 2
    assert "There is no Composer environment 'dataplatform-locl'" in refused.stdout
    assert "did you mean 'dataplatform-local'?" in refused.stdout
    assert deployment.generations() == before


def test_an_id_that_somebodys_file_has_is_refused(deployment: Deployment) -> None:
    theirs = sound_dag("theirs").replace("from dataplatform_dask import RELEASE, platform_dag", "platform_dag = DAG")
    deployment.google.upload(deployment.bucket, "dags/theirs.py", theirs)
    wait_for(lambda: "theirs" in deployment.running(), "the foreign DAG", 60)
    deployment.write("mine.py", sound_dag("theirs"))
    before = deployment.generations()
    refused = deployment.sync(check=False)
    assert refused.returncode != 0
    assert "DAG theirs: " in refused.stdout
    assert "theirs.py in the environment has this id" in refused.stdout
    assert deployment.generations() == before


def test_rollback_lists_and_chooses(deployment: Deployment) -> None:
    first = deployment.live()["release"]
    deployment.write("flights.py", sound_dag("flights") + "\nVERSION = 2\n")
    deployment.sync()
    second = deployment.live()["release"]
    before = deployment.generations()
    listed = deployment.rollback("--check", "--diff")
    assert f"growth: release {first} would replace {second}" in listed.stdout
    assert f"{second}  " in listed.stdout
    assert "localcloud@local-project.iam.gserviceaccount.com  (live)" in listed.stdout
    wrong = deployment.rollback("-e", f"release={first[:-1]}x", check=False)
    assert f"did you mean '{first}'?" in wrong.stdout
    nobody = deployment.rollback(team="grwth", check=False)
    assert "did you mean 'growth'?" in nobody.stdout
    assert deployment.generations() == before

    back = deployment.rollback()
    assert f"growth: release {first} is live in place of {second}" in back.stdout
    assert f"release:{first}" in deployment.running()["flights"]
    again = deployment.rollback("-e", f"release={first}")
    assert changed(again) == 0
    deployment.rollback("-e", f"release={second}")
    assert deployment.live()["release"] == second


def test_killed_in_the_middle_the_next_run_completes(deployment: Deployment) -> None:
    before = deployment.live()["release"]
    deployment.write("flights.py", sound_dag("flights") + "\nVERSION = 3\n")
    running = subprocess.Popen(
        [str(TOOLS / "ansible-playbook"), *deployment.arguments()],
        env=deployment.cloud.environment_without_proxy(),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: deployment.live()["release"] != before, "the new archive", 120)
    finally:
        kill_family(running.pid)
        running.wait(timeout=30)
    release = deployment.live()
    assert (release["verified"], release["previous"]) == ("false", before)
    done = deployment.sync()
    assert f"growth: release {release['release']} is live, seen by Airflow now" in done.stdout
    assert deployment.live()["verified"] == "true"


def test_two_releases_at_once_one_is_live_and_whole(deployment: Deployment, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(deployment.sources, other)
    theirs = Deployment(deployment.cloud, deployment.google, other, deployment.bucket)
    deployment.write("flights.py", sound_dag("flights") + "\nMINE = True\n")
    theirs.write("flights.py", sound_dag("flights") + "\nTHEIRS = True\n")
    runs = [
        subprocess.Popen(
            [str(TOOLS / "ansible-playbook"), *one.arguments()],
            env=deployment.cloud.environment_without_proxy(),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for one in (deployment, theirs)
    ]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    won = [output for run, output in zip(runs, outputs, strict=True) if run.returncode == 0]
    lost = [output for run, output in zip(runs, outputs, strict=True) if run.returncode != 0]
    assert len(won) >= 1
    assert all("Another release of team growth came first" in output for output in lost)
    live = deployment.live()
    assert live["verified"] == "true"
    assert any(f"growth: release {live['release']} is live" in output for output in won)
    assert f"release:{live['release']}" in deployment.running()["flights"]


def test_loose_files_are_one_tree_beside_foreign_ones(deployment: Deployment) -> None:
    refused = deployment.sync("-e", LOOSE_FILES, check=False)
    assert "holds releases of another layout" in refused.stdout
    deployment.google.upload(deployment.bucket, "dags/airflow_monitoring.py", "# airflow dag\n")

    deployment.sync("-e", LOOSE_FILES, "-e", "dag_release_replace_layout=true")
    assert deployment.live() == {}
    present = set(deployment.objects(deployment.bucket, "dags/"))
    assert {"dags/flights.py", "dags/watch.py", "dags/dataplatform_dask/__init__.py"} <= present
    first = deployment.live("dags/dataplatform-files.json")["release"]
    assert {f"release:{first}"} == deployment.running()["flights"] == deployment.running()["watch"]
    assert changed(deployment.sync("-e", LOOSE_FILES)) == 0

    deployment.write("arrivals.py", sound_dag("arrivals"))
    (deployment.sources / "teams/growth/flights.py").unlink()
    (deployment.sources / "teams/platform/watch.py").rename(deployment.sources / "teams/platform/watching.py")
    shown = deployment.sync("-e", LOOSE_FILES, "--check", "--diff")
    assert "+DAG arrivals" in shown.stdout
    deployment.sync("-e", LOOSE_FILES)
    present = set(deployment.objects(deployment.bucket, "dags/"))
    assert "dags/flights.py" not in present
    assert {"dags/arrivals.py", "dags/watching.py", "dags/airflow_monitoring.py"} <= present
    assert "dags/watch.py" not in present

    deployment.write("arrivals.py", sound_dag("arrivals") + ONLY_THERE)
    failed = deployment.sync("-e", LOOSE_FILES, check=False)
    assert "No module named 'only_there'" in failed.stdout
    assert "which Airflow runs again" in failed.stdout

    deployment.rollback("-e", LOOSE_FILES, "-e", f"release={first}", team="files")
    assert "dags/flights.py" in deployment.objects(deployment.bucket, "dags/")
    assert "dags/arrivals.py" not in deployment.objects(deployment.bucket, "dags/")


def test_loose_files_that_fail_give_way_to_the_archives_before(deployment: Deployment) -> None:
    teams = {team: deployment.live(f"dags/dataplatform-{team}.zip")["release"] for team in ("growth", "platform")}
    deployment.write("arrivals.py", sound_dag("arrivals") + ONLY_THERE)
    failed = deployment.sync("-e", LOOSE_FILES, "-e", "dag_release_replace_layout=true", check=False)
    assert failed.returncode != 0
    assert "No module named 'only_there'" in failed.stdout
    running = deployment.running()
    for team, dag in (("growth", "flights"), ("platform", "watch")):
        assert f"team {team}: release {teams[team]}, which Airflow runs again" in failed.stdout
        live = deployment.live(f"dags/dataplatform-{team}.zip")
        assert (live["release"], live["verified"]) == (teams[team], "true")
        assert f"release:{teams[team]}" in running[dag]
    left = {"dags/dataplatform-files.json", "dags/arrivals.py", "dags/flights.py", "dags/dataplatform_dask/__init__.py"}
    assert not left & set(deployment.objects(deployment.bucket, "dags/"))


def test_archives_that_fail_give_way_to_the_loose_files_before(deployment: Deployment) -> None:
    replace = ("-e", "dag_release_replace_layout=true")
    deployment.sync("-e", LOOSE_FILES, *replace)
    release = deployment.live("dags/dataplatform-files.json")["release"]
    deployment.write("arrivals.py", sound_dag("arrivals") + ONLY_THERE)
    failed = deployment.sync(*replace, check=False)
    assert failed.returncode != 0
    assert "No module named 'only_there'" in failed.stdout
    # Also the archive of the team that did well: its DAGs are in the loose files.
    assert "The release of team platform failed: it was taken out again with the others" in failed.stdout
    assert f"team files: release {release}, which Airflow runs again" in failed.stdout
    live = deployment.live("dags/dataplatform-files.json")
    assert (live["release"], live["verified"]) == (release, "true")
    assert not [name for name in deployment.objects(deployment.bucket, "dags/") if name.endswith(".zip")]
    running = deployment.running()
    assert f"release:{release}" in running["flights"] & running["watch"]


def test_an_environment_that_is_being_updated_is_waited_for(deployment: Deployment) -> None:
    first = deployment.live()["release"]
    deployment.write("flights.py", sound_dag("flights") + "\nVERSION = 4\n")
    deployment.update()
    deployment.sync()
    second = deployment.live()["release"]
    assert second != first
    deployment.update()
    assert f"growth: release {first} is live in place of {second}" in deployment.rollback().stdout


# The last test: nothing ends this update.
def test_an_environment_that_stays_updating_is_left_alone(deployment: Deployment) -> None:
    deployment.write("flights.py", sound_dag("flights") + "\nVERSION = 5\n")
    # Now there is one to go back to.
    deployment.sync()
    deployment.write("flights.py", sound_dag("flights") + "\nVERSION = 6\n")
    deployment.cloud.cli("fault", "add", "--method", "composer.*.environments.patch", "--kind", "operation-hang")
    deployment.update()
    before = deployment.generations()
    soon = ("-e", "dag_release_ready_timeout=3")
    for refused in (deployment.sync(*soon, check=False), deployment.rollback(*soon, check=False)):
        assert refused.returncode == 2
        assert "dataplatform-local is still UPDATING after 3 s. Nothing was changed" in refused.stdout
    assert deployment.generations() == before
