"""A canary's play is stopped or killed in the middle of its job: no cluster outlives it for long."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import LocalCloud
from tests.integration.google import Google, wait_for
from tests.integration.play import Play

BUCKET = "canary-interruption-tests"
NAME = "canary-stopped"
DRIVERS = {
    "sleep": "import time\nprint('started')\ntime.sleep(300)\n",
    "good": (
        "import fsspec, json, sys\nwith fsspec.open(sys.argv[1], 'w') as file:\n"
        "    json.dump({'results': {'a': 1}}, file)\n"
    ),
}


@pytest.fixture(scope="module")
def google(localcloud: LocalCloud) -> Google:
    """The cloud with the drivers uploaded."""
    google = Google(localcloud.environment)
    google.ensure_bucket(BUCKET)
    for name, text in DRIVERS.items():
        google.upload(BUCKET, f"{name}.py", text)
    return google


def task(driver: str, cluster: str = NAME) -> str:
    """A canary that runs one driver, as a task."""
    results = f"gs://{BUCKET}/{cluster}.json"
    main = {"mainPythonFileUri": f"gs://{BUCKET}/{driver}.py", "args": [results]}
    options: dict[str, Any] = {
        "cluster": cluster,
        "config": {"workerConfig": {"numInstances": 2}},
        "labels": {"managed-by": "dataplatform-compute", "environment": "interrupted"},
        "jobs": [{"name": "smoke", "job": {"pysparkJob": main}, "results": results}],
    }
    return f"dataplatform.compute.dataproc_canary: {json.dumps(options)}"


def job_of(google: Google, known: set[str]) -> dict[str, Any]:
    """The job of the canary that is not among the known ones, once it runs; empty before."""
    for job in google.get("jobs").get("jobs", []):
        identity = job["reference"]["jobId"]
        if identity.startswith(NAME) and identity not in known and job["status"]["state"] == "RUNNING":
            return job
    return {}


def start_and_wait_for_the_job(google: Google, play: Callable[[str], Play]) -> tuple[Play, str]:
    """A play in the middle of its canary's job, and the job's id."""
    known = {job["reference"]["jobId"] for job in google.get("jobs").get("jobs", [])}
    started = play(task("sleep"))
    job = wait_for(lambda: job_of(google, known), "the job")
    time.sleep(1)
    return started, job["reference"]["jobId"]


def state_of(google: Google, job_id: str) -> str:
    return google.get(f"jobs/{job_id}")["status"]["state"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_a_stopped_canary_takes_its_cluster_with_it(
    google: Google, play: Callable[[str], Play], number: signal.Signals
) -> None:
    started, job_id = start_and_wait_for_the_job(google, play)
    started.process.send_signal(number)
    assert started.wait(60) != 0
    # Terminated, ansible-playbook dies at once, and the clean-up goes on behind it.
    wait_for(lambda: google.clusters() == [], "the end of the cluster", 180 if number == signal.SIGTERM else 0.5)
    assert state_of(google, job_id) == "CANCELLED"
    if number == signal.SIGINT:
        assert "failed at the step 'job smoke'" in started.shown
        assert "nothing is left behind" in started.shown


def test_ctrl_c_while_the_cluster_is_created_leaves_nothing(google: Google, play: Callable[[str], Play]) -> None:
    started = play(task("sleep"))
    wait_for(lambda: google.clusters() == [NAME], "the cluster")
    started.process.send_signal(signal.SIGINT)
    assert started.wait(60) != 0
    assert google.clusters() == []


def test_the_time_limit_of_the_task_itself_takes_the_cluster_too(google: Google, play: Callable[[str], Play]) -> None:
    started = play(f"{{{task('sleep')}, timeout: 20}}")
    wait_for(lambda: google.clusters() == [NAME], "the cluster")
    assert started.wait(60) == 2
    assert google.clusters() == []


def test_a_canary_whose_play_is_killed_cleans_up_behind_it(google: Google, play: Callable[[str], Play]) -> None:
    started, _ = start_and_wait_for_the_job(google, play)
    started.process.kill()
    wait_for(lambda: google.clusters() == [], "the end of the cluster")


def test_what_a_killed_canary_left_is_swept_by_the_next(google: Google, play: Callable[[str], Play]) -> None:
    started, _ = start_and_wait_for_the_job(google, play)
    started.kill_everything()
    time.sleep(2)
    assert google.clusters() == [NAME]
    following = play(task("good", "canary-next"))
    assert following.wait(120) == 0, following.shown
    assert google.clusters() == []
