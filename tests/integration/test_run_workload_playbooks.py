"""run_workload.yml, logs.yml, cancel.yml, and what run_dag.yml refuses, with the inventory `local`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud
from tests.integration.google import Google, wait_for

WORKLOAD = "flights-etl"
BUCKET = "playbook-tests-scripts"
LABELS = {"workload": WORKLOAD, "owner": "ada", "team": "growth", "priority": "normal", "environment": "local"}
SCRIPTS = {
    "short": "for number in range(5):\n    print('line', number)\n",
    "long": "import time\nprint('started')\ntime.sleep(300)\n",
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud of these tests' own: the workload's template in it runs other scripts than the inventory's."""
    home = tmp_path_factory.mktemp("playbooks") / "home"
    LocalCloud(home=home, environment={}).cli("up", "--port", "0", "--engine", "process")
    try:
        yield LocalCloud(home=home, environment=json.loads((home / "environment.json").read_text()))
    finally:
        LocalCloud(home=home, environment={}).cli("down", check=False)


@pytest.fixture(scope="module")
def google(cloud: LocalCloud) -> Google:
    """That cloud with the scripts uploaded."""
    google = Google(cloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in SCRIPTS.items():
        google.upload(BUCKET, f"{name}.py", text)
    return google


def store_template(google: Google, script: str, **labels: str) -> None:
    """Make the workload's template run a script, with the labels of the inventory unless told otherwise."""
    name = f"workflowTemplates/{WORKLOAD}"
    stored = google.get(name)
    all_labels = {**LABELS, **labels}
    job = {
        "mainPythonFileUri": f"gs://{BUCKET}/{script}.py",
        "args": ["--output", "gs://somewhere/out"],
        "properties": {"spark.yarn.queue": "root.normal"},
    }
    body = {
        "id": WORKLOAD,
        "labels": all_labels,
        "placement": {"managedCluster": {"clusterName": WORKLOAD, "config": {}}},
        "jobs": [{"stepId": "run", "pysparkJob": job, "labels": all_labels}],
    }
    if stored:
        body |= {"version": stored["version"], "name": stored["name"]}
        google.call("PUT", f"https://dataproc.googleapis.com/v1/{stored['name']}", json=body)
    else:
        google.post("workflowTemplates", body)


def playbook(cloud: LocalCloud, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook with the default inventory; only the state directory tells it which local cloud."""
    command = [str(TOOLS / "ansible-playbook"), f"playbooks/{name}.yml", *arguments]
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=cloud.environment_without_proxy(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def changed(completed: subprocess.CompletedProcess[str]) -> int:
    """How many tasks the recap calls changed."""
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return int(re.search(r"changed=(\d+)", completed.stdout)[1])


def running_operation(google: Google) -> dict[str, Any]:
    """The run whose job is running; empty while there is none."""
    for operation in google.workflows():
        job_id = operation["metadata"]["graph"]["nodes"][0].get("jobId")
        if not operation.get("done") and job_id:
            state = google.get(f"jobs/{job_id}").get("status", {}).get("state")
            return operation if state == "RUNNING" else {}
    return {}


@pytest.fixture
def started(cloud: LocalCloud, google: Google) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """run_workload.yml while the job of a workload that never ends is running, and its operation."""
    store_template(google, "long")
    process = subprocess.Popen(
        [str(TOOLS / "ansible-playbook"), "playbooks/run_workload.yml", "-e", f"workload={WORKLOAD}"],
        cwd=REPOSITORY,
        env=cloud.environment_without_proxy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, wait_for(lambda: running_operation(google), "the job")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def operation_id(operation: dict[str, Any]) -> str:
    """The id a person passes around."""
    return operation["name"].rpartition("/")[2]


def now(google: Google, operation: dict[str, Any]) -> dict[str, Any]:
    """The operation as it is now."""
    return google.get(f"operations/{operation_id(operation)}")


def test_a_workload_runs_and_its_log_is_found_again(cloud: LocalCloud, google: Google) -> None:
    store_template(google, "short")
    run = playbook(cloud, "run_workload", "-e", f"workload={WORKLOAD}")
    assert changed(run) == 1
    operation = google.workflows()[0]
    job_id = operation["metadata"]["graph"]["nodes"][0]["jobId"]
    assert operation["done"] is True
    assert google.clusters() == []
    facts = dict(re.findall(r"^ +(\w[\w ]*): +(\S.*)$", run.stdout, re.MULTILINE))
    assert facts["Run"] == operation_id(operation)
    assert facts["Queue"] == "root.normal"
    assert facts["Owner"] == "ada (team growth)"
    assert facts["Output"] == "gs://somewhere/out"
    assert facts["Log"] == google.get(f"jobs/{job_id}")["driverOutputResourceUri"] + ".*"
    assert f"{WORKLOAD}: succeeded in" in run.stdout
    for name in (operation_id(operation), job_id):
        shown = playbook(cloud, "logs", "-e", f"run={name}")
        assert changed(shown) == 0
        assert re.findall(r"^line \d$", shown.stdout, re.MULTILINE) == [f"line {number}" for number in range(5)]
    last = playbook(cloud, "logs", "-e", f"run={operation_id(operation)}", "-e", "step=run", "-e", "lines=2")
    assert re.findall(r"^line \d$", last.stdout, re.MULTILINE) == ["line 3", "line 4"]


def test_ctrl_c_cancels_the_run_and_leaves_no_cluster(google: Google, started: Any) -> None:
    process, operation = started
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    ended = now(google, operation)
    assert ended["done"] is True
    assert ended["error"]["code"] == 1, "CANCELLED"
    assert ended["metadata"]["deleteCluster"]["done"] is True
    assert google.clusters() == []
    job = google.get(f"jobs/{ended['metadata']['graph']['nodes'][0]['jobId']}")
    assert job["status"]["state"] == "CANCELLED"
    assert "it has been cancelled and cluster" in shown


def test_a_play_that_is_killed_leaves_the_run_alone_and_no_process_behind(
    cloud: LocalCloud, google: Google, started: Any
) -> None:
    process, operation = started
    process.kill()
    process.communicate(timeout=30)

    def workers() -> str:
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return "\n".join(line for line in listing.splitlines() if f"workload={WORKLOAD}" in line)

    wait_for(lambda: not workers(), "the end of the worker")
    assert not now(google, operation).get("done"), "nobody asked for its end"
    cancelled = playbook(cloud, "cancel", "-e", f"run={operation_id(operation)}")
    assert changed(cancelled) == 1


def test_cancel_ends_a_run_once_and_then_changes_nothing(cloud: LocalCloud, google: Google, started: Any) -> None:
    process, operation = started
    run = f"run={operation_id(operation)}"
    predicted = playbook(cloud, "cancel", "-e", run, "--check")
    assert changed(predicted) == 1
    assert not now(google, operation).get("done")
    assert changed(playbook(cloud, "cancel", "-e", run)) == 1
    assert now(google, operation)["done"] is True
    assert google.clusters() == []
    assert changed(playbook(cloud, "cancel", "-e", run)) == 0
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 2, "whoever followed the run is told"
    assert "cancelled" in shown


def test_cancelling_the_job_takes_the_run_and_its_cluster_with_it(
    cloud: LocalCloud, google: Google, started: Any
) -> None:
    process, operation = started
    job_id = operation["metadata"]["graph"]["nodes"][0]["jobId"]
    assert changed(playbook(cloud, "cancel", "-e", f"run={job_id}")) == 1
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert now(google, operation)["done"] is True
    assert google.clusters() == []


def test_a_template_that_would_charge_somebody_else_is_not_started(cloud: LocalCloud, google: Google) -> None:
    store_template(google, "short", owner="grace")
    before = len(google.workflows())
    refused = playbook(cloud, "run_workload", "-e", f"workload={WORKLOAD}")
    assert refused.returncode == 2
    assert "owner=grace; expected owner=ada" in " ".join((refused.stdout + refused.stderr).split())
    assert len(google.workflows()) == before


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("run_workload", ["-e", "workload=flights-elt"], "did you mean 'flights-etl'?"),
        ("run_workload", [], "workload is ''"),
        ("run_dag", [], "dag is not set"),
        ("run_dag", ["-e", "dag=x", "-e", "conf=gs://answers"], 'conf is "gs://answers"; expected a mapping, such as'),
        ("run_dag", ["-e", "dag=x", "-e", '{"conf": ["a"]}'], 'conf is ["a"]; expected a mapping, such as'),
        ("logs", [], "run is not set"),
        ("cancel", ["-e", "run=nothing"], "'nothing' is neither a workflow run"),
    ],
)
def test_a_name_that_is_none_is_refused(
    cloud: LocalCloud, google: Google, name: str, arguments: list[str], words: str
) -> None:
    refused = playbook(cloud, name, *arguments)
    assert refused.returncode == 2
    assert words in " ".join((refused.stdout + refused.stderr).split())


def test_check_mode_starts_nothing(cloud: LocalCloud, google: Google) -> None:
    store_template(google, "short")
    before = len(google.workflows())
    predicted = playbook(cloud, "run_workload", "-e", f"workload={WORKLOAD}", "--check")
    assert changed(predicted) == 1
    assert f"Workload {WORKLOAD} would be started." in predicted.stdout
    assert len(google.workflows()) == before
