"""playbooks/status.yml against a local cloud in which something runs, waits and failed; it only looks."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import Google, wait_for

BUCKET = "status-tests-scripts"
CLUSTER = "status-tests"
LABELS = {"managed-by": "dataplatform-compute", "environment": "local"}
DRIVERS = {"fail": "raise KeyError('carrier')\n", "sleep": "import time\ntime.sleep(300)\n"}
CREATE = "dataproc.projects.regions.clusters.create"


def submit(google: Google, name: str, script: str, *options: str) -> None:
    """Submit a driver as a run of the workload flights-etl, with options of run_dask.py."""
    labels = {**LABELS, "owner": "ada", "team": "growth", "priority": "normal", "workload": "flights-etl"}
    main = {"mainPythonFileUri": f"gs://{BUCKET}/{script}.py", "args": list(options)}
    job = {"reference": {"jobId": name}, "placement": {"clusterName": CLUSTER}, "labels": labels, "pysparkJob": main}
    google.post("jobs:submit", {"job": job})


def cluster(name: str, **properties: str) -> dict[str, Any]:
    """A cluster of this environment."""
    labels = {**LABELS, "cluster-template": "etl", "placement": "shared"}
    return {"clusterName": name, "labels": labels, "config": {"softwareConfig": {"properties": properties}}}


@pytest.fixture(scope="module")
def google(localcloud: LocalCloud) -> Iterator[Google]:
    """A cluster for one driver at a time: one job failed there, one runs, one waits; two clusters could not be made."""
    localcloud.cli("reset", "--yes")
    google = Google(localcloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in DRIVERS.items():
        google.upload(BUCKET, f"{name}.py", text)
    google.post("clusters", cluster(CLUSTER, **{"dataproc:dataproc.scheduler.max-concurrent-jobs": "1"}))
    wait_for(lambda: google.get(f"clusters/{CLUSTER}").get("status", {}).get("state") == "RUNNING", "the cluster")
    submit(google, "failed", "fail")
    wait_for(lambda: google.get("jobs/failed")["status"]["state"] == "ERROR", "a failed job")
    submit(google, "runs", "sleep", "--timeout", "1800")
    wait_for(lambda: google.get("jobs/runs")["status"]["state"] == "RUNNING", "a running job")
    submit(google, "waits", "sleep", "--timeout", "1800")
    wait_for(lambda: google.get("jobs/waits")["status"].get("substate") == "QUEUED", "a waiting job")
    fault = ("fault", "add", "--method", CREATE, "--kind", "operation-error", "--status", "RESOURCE_EXHAUSTED")
    localcloud.cli(*fault, "--message", "Quota N2_CPUS exceeded.", "--count", "2")
    google.post("clusters", cluster("broken"))
    wait_for(lambda: google.get("clusters/broken")["status"]["state"] == "ERROR", "a broken cluster")
    managed = {"managedCluster": {"clusterName": "flights-etl", "config": {}, "labels": LABELS}}
    step = {"stepId": "run", "pysparkJob": {"mainPythonFileUri": f"gs://{BUCKET}/sleep.py"}}
    google.post("workflowTemplates", {"id": "flights-etl", "placement": managed, "jobs": [step]})
    google.post("workflowTemplates/flights-etl:instantiate", {})
    wait_for(lambda: [one for one in google.workflows() if one.get("done")], "a failed workflow")
    yield google
    localcloud.cli("fault", "clear")


def status(
    localcloud: LocalCloud, file: Path, *options: str, inventory: str = "inventories/local", **variables: str
) -> tuple[dict[str, Any], str]:
    """Run the playbook, which is told the file as seen from where it is run; what it wrote and what it showed."""
    relative = os.path.relpath(file, REPOSITORY)
    arguments = ("-i", inventory, *WITHOUT_AIRFLOW, "-e", f"status_file={relative}", *options)
    shown = localcloud.run("ansible-playbook", "playbooks/status.yml", *arguments, **variables).stdout
    return json.loads(file.read_text(encoding="utf-8")), shown


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["as it is", "in check mode"])
def test_it_says_what_runs_who_waits_and_what_failed(
    google: Google, localcloud: LocalCloud, tmp_path: Path, options: tuple[str, ...]
) -> None:
    localcloud.clear_requests()
    found, shown = status(localcloud, tmp_path / "status.json", *options)

    runs = {run["run"]: run for run in found["runs"]}
    assert {name: run["phase"] for name, run in runs.items()} == {"runs": "running", "waits": "waiting"}
    assert (runs["runs"]["workload"], runs["runs"]["owner"], runs["runs"]["team"]) == ("flights-etl", "ada", "growth")
    assert 1500 < runs["runs"]["seconds_left_at_least"] <= 1800
    assert runs["waits"]["reason"]["code"] == "driver_slot"
    failures = {failure["run"]: failure for failure in found["failures"]}
    assert failures["failed"]["reason"] == "KeyError: 'carrier'"
    assert failures["failed"]["command"] == "ansible-playbook playbooks/logs.yml -e run=failed"
    (workflow,) = set(failures) - {"failed", ""}
    assert "Quota N2_CPUS exceeded." in failures[workflow]["reason"]
    assert (failures[workflow]["what"], failures[workflow]["owner"]) == ("flights-etl", "ada")
    assert failures[""]["reason"] == "creating cluster broken: Quota N2_CPUS exceeded."
    assert [(one["name"], one["broken"]) for one in found["clusters"]] == [("broken", True), (CLUSTER, False)]
    assert found["counts"]["failed"] == len(found["failures"]) == 3
    assert found["notes"] == []
    assert "3 failed in 24 h | 1 waiting | 1 running | 2 clusters, 1 broken" in shown
    assert "status-tests runs as many drivers as its master holds (1)" in shown

    asked = Counter(one["method_id"] for one in localcloud.requests() if one["method_id"].startswith("dataproc."))
    assert asked == {f"dataproc.projects.regions.{kind}.list": 1 for kind in ("clusters", "jobs", "operations")}


def test_what_its_command_shows_is_the_failed_drivers_output(google: Google, localcloud: LocalCloud) -> None:
    shown = localcloud.run("ansible-playbook", "playbooks/logs.yml", "-e", "run=failed", *WITHOUT_AIRFLOW).stdout
    assert "KeyError: 'carrier'" in shown


def test_its_command_names_another_inventory(google: Google, localcloud: LocalCloud, tmp_path: Path) -> None:
    for name in ("common", "local"):
        shutil.copytree(REPOSITORY / "inventories" / name, tmp_path / "my inventories" / name, symlinks=True)
    inventory = tmp_path / "my inventories" / "local"
    found, shown = status(localcloud, tmp_path / "status.json", inventory=str(inventory))
    (command,) = [failure["command"] for failure in found["failures"] if failure["run"] == "failed"]
    assert command == f"ansible-playbook playbooks/logs.yml -i '{inventory}' -e run=failed"
    assert f"      ansible-playbook playbooks/logs.yml -i '{inventory}' -e run=" in shown
    assert "KeyError: 'carrier'" in localcloud.run(*shlex.split(command), *WITHOUT_AIRFLOW).stdout


def test_its_command_names_the_inventory_that_only_a_variable_chose(
    google: Google, localcloud: LocalCloud, tmp_path: Path
) -> None:
    found, _shown = status(localcloud, tmp_path / "status.json", ANSIBLE_INVENTORY="inventories/local")
    commands = [failure["command"] for failure in found["failures"] if failure["run"] == "failed"]
    assert commands == ["ansible-playbook playbooks/logs.yml -i inventories/local -e run=failed"]


def test_what_may_not_be_listed_is_said_and_the_rest_shown(
    google: Google, localcloud: LocalCloud, tmp_path: Path
) -> None:
    operations = "dataproc.projects.regions.operations.list"
    localcloud.cli(
        "fault", "add", "--method", operations, "--status", "403", "--message", "not for you", "--count", "1"
    )
    found, _shown = status(localcloud, tmp_path / "status.json")
    assert found["counts"]["failed"] == 1
    (note,) = found["notes"]
    assert "failed operations" in note
    assert "not for you" in note


def test_hours_out_of_range_are_refused(google: Google, localcloud: LocalCloud) -> None:
    play = ("ansible-playbook", "playbooks/status.yml", *WITHOUT_AIRFLOW, "-e", "status_hours=0")
    refused = localcloud.run(*play, check=False)
    assert refused.returncode == 2
    assert "hours is 0; expected above 0 and at most 168" in refused.stdout
