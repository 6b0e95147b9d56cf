"""A person stops ansible-playbook while it follows a run: the real process gets a real signal."""

from __future__ import annotations

import signal
import time
import uuid
from typing import Any

import pytest

from tests.integration.conftest import LocalCloud
from tests.integration.google import PROJECT, Google, wait_for

BUCKET = "interruption-tests-scripts"
CLUSTER = "interruption-tests"
DRIVERS = {
    "sleep": "import time\nprint('started')\ntime.sleep(300)\n",
    # Writes faster than anybody reads, so that the pipe to Ansible is full when the signal arrives.
    "noisy": "import time\nwhile True:\n    print('noise ' * 40)\n    time.sleep(0.0005)\n",
}


@pytest.fixture(scope="module")
def google(localcloud: LocalCloud) -> Google:
    """The cloud with the drivers, a template for each, and one cluster."""
    google = Google(localcloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in DRIVERS.items():
        google.upload(BUCKET, f"{name}.py", text)
        job = {"mainPythonFileUri": f"gs://{BUCKET}/{name}.py"}
        placement = {"managedCluster": {"clusterName": name, "config": {}}}
        google.post(
            "workflowTemplates", {"id": name, "placement": placement, "jobs": [{"stepId": "run", "pysparkJob": job}]}
        )
    google.post("clusters", {"clusterName": CLUSTER, "projectId": PROJECT, "config": {}})
    wait_for(lambda: google.get(f"clusters/{CLUSTER}").get("status", {}).get("state") == "RUNNING", "the cluster")
    return google


def run_of(google: Google, template: str, known: set[str]) -> dict[str, Any]:
    """The run of a template that is not among the known ones; empty while there is none."""
    for operation in google.workflows():
        if operation["name"] not in known and operation["metadata"]["template"].endswith(f"/{template}"):
            return operation
    return {}


def job_of(google: Google, operation: dict[str, Any]) -> dict[str, Any]:
    """The job of a one-step run as it is now; empty while there is none."""
    nodes = google.call("GET", f"https://dataproc.googleapis.com/v1/{operation['name']}").json()["metadata"]["graph"]
    job_id = nodes["nodes"][0].get("jobId")
    return google.get(f"jobs/{job_id}") if job_id else {}


def is_running(job: dict[str, Any]) -> bool:
    """Whether a job is RUNNING."""
    return job.get("status", {}).get("state") == "RUNNING"


@pytest.mark.parametrize(
    ("template", "number"),
    [("sleep", signal.SIGINT), ("sleep", signal.SIGTERM), ("noisy", signal.SIGINT)],
    ids=["ctrl-c", "terminated", "ctrl-c under a flood of output"],
)
def test_a_stopped_play_cancels_its_workflow_and_leaves_no_cluster(
    google: Google, play: Any, template: str, number: signal.Signals
) -> None:
    known = {operation["name"] for operation in google.workflows()}
    started = play(f"dataplatform.compute.dataproc_workflow: {{template: {template}}}")
    operation = wait_for(lambda: run_of(google, template, known), "the run")
    wait_for(lambda: is_running(job_of(google, operation)), "the job")
    time.sleep(1)
    started.process.send_signal(number)
    assert started.wait(60) != 0

    def ended() -> dict[str, Any]:
        now = google.call("GET", f"https://dataproc.googleapis.com/v1/{operation['name']}").json()
        return now if now.get("done") else {}

    # Terminated, ansible-playbook dies at once, and the clean-up goes on behind it.
    now = wait_for(ended, "the end of the run", 180 if number == signal.SIGTERM else 0.5)
    assert now["error"]["code"] == 1, "CANCELLED"
    wait_for(lambda: now["metadata"]["clusterName"] not in google.clusters(), "the end of the cluster")
    assert job_of(google, operation)["status"]["state"] == "CANCELLED"
    if number == signal.SIGINT:
        assert "Interrupted: stopping the run at Google." in started.shown
        assert f"cluster {now['metadata']['clusterName']} is gone" in started.shown


def test_ctrl_c_while_the_cluster_is_created_leaves_nothing(localcloud: LocalCloud, google: Google, play: Any) -> None:
    known = {operation["name"] for operation in google.workflows()}
    started = play("dataplatform.compute.dataproc_workflow: {template: sleep}")
    operation = wait_for(lambda: run_of(google, "sleep", known), "the run")
    started.process.send_signal(signal.SIGINT)
    assert started.wait(60) != 0
    now = google.call("GET", f"https://dataproc.googleapis.com/v1/{operation['name']}").json()
    assert now["done"] is True
    assert now["error"]["code"] == 1
    assert [name for name in google.clusters() if name.startswith("sleep")] == []


def test_a_second_ctrl_c_frees_the_person_but_not_the_run(google: Google, play: Any) -> None:
    known = {operation["name"] for operation in google.workflows()}
    started = play("dataplatform.compute.dataproc_workflow: {template: sleep}")
    operation = wait_for(lambda: run_of(google, "sleep", known), "the run")
    wait_for(lambda: is_running(job_of(google, operation)), "the job")
    started.process.send_signal(signal.SIGINT)
    wait_for(lambda: "Interrupted" in started.shown, "the announcement")
    started.process.send_signal(signal.SIGINT)
    assert started.wait(10) != 0
    wait_for(lambda: [name for name in google.clusters() if name.startswith("sleep")] == [], "the end of the cluster")


def test_ctrl_c_cancels_a_single_job(google: Google, play: Any) -> None:
    job_id = f"job-{uuid.uuid4()}"
    main = f"pysparkJob: {{mainPythonFileUri: 'gs://{BUCKET}/sleep.py'}}"
    job = f"{{placement: {{clusterName: {CLUSTER}}}, {main}}}"
    started = play(f"dataplatform.compute.dataproc_job: {{job_id: {job_id}, job: {job}}}")
    wait_for(lambda: is_running(google.get(f"jobs/{job_id}")), "the job")
    time.sleep(1)
    started.process.send_signal(signal.SIGINT)
    assert started.wait(60) != 0
    assert google.get(f"jobs/{job_id}")["status"]["state"] == "CANCELLED"
    assert "it has been cancelled" in started.shown
    assert CLUSTER in google.clusters(), "a cluster the job only used is left alone"


def test_the_time_limit_of_the_task_itself_cancels_the_run(google: Google, play: Any) -> None:
    known = {operation["name"] for operation in google.workflows()}
    started = play("{dataplatform.compute.dataproc_workflow: {template: sleep}, timeout: 20}")
    operation = wait_for(lambda: run_of(google, "sleep", known), "the run")
    assert started.wait(60) == 2
    assert "imed out" in started.shown

    def ended() -> bool:
        return google.call("GET", f"https://dataproc.googleapis.com/v1/{operation['name']}").json().get("done", False)

    wait_for(ended, "the end of the run")
    wait_for(lambda: [name for name in google.clusters() if name.startswith("sleep")] == [], "the end of the cluster")
