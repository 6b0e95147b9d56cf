"""Dataproc behind the real server: unmodified clients, gcsfs in a driver, and `kill -9` in the middle of everything."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

import psutil
import pytest
import requests

from localcloud.settings import default_cluster_python

API = "https://dataproc.googleapis.com/v1"
PARENT = "projects/local-project/regions/europe-west1"
DRIVER = """
import sys, time
print("driver began", flush=True)
time.sleep(float(sys.argv[1]))
print("driver ended", flush=True)
"""
# Ends when the file is there that it is told of.
SURVIVOR = """
import pathlib, sys, time
print("driver began", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.1)
print("driver ended", flush=True)
"""
WITH_GCSFS = """
import gcsfs
files = gcsfs.GCSFileSystem()
with files.open("dataproc-end-to-end/result.txt", "w") as stream:
    stream.write("written by a driver")
print(files.cat("dataproc-end-to-end/result.txt").decode())
"""
CLIENT = """
from google.cloud import dataproc_v1 as dataproc
clusters = dataproc.ClusterControllerClient(transport="rest")
jobs = dataproc.JobControllerClient(transport="rest")
scope = {"project_id": "local-project", "region": "europe-west1"}
cluster = {"project_id": "local-project", "cluster_name": "by-library", "config": {}}
made = clusters.create_cluster({**scope, "cluster": cluster}).result(timeout=60)
print(made.cluster_name, clusters.get_cluster({**scope, "cluster_name": "by-library"}).status.state.name)
job = {"placement": {"cluster_name": "by-library"}, "pyspark_job": {
    "main_python_file_uri": "gs://dataproc-end-to-end/driver.py", "args": ["0"]}}
done = jobs.submit_job_as_operation({**scope, "job": job}).result(timeout=60)
print(done.status.state.name, len(list(jobs.list_jobs({**scope, "cluster_name": "by-library"}))))
clusters.delete_cluster({**scope, "cluster_name": "by-library"}).result(timeout=60)
policies = dataproc.AutoscalingPolicyServiceClient(transport="rest")
policy = {"id": "by-library", "worker_config": {"max_instances": 5}, "basic_algorithm": {"yarn_config": {
    "graceful_decommission_timeout": {"seconds": 60}, "scale_up_factor": 1.0, "scale_down_factor": 1.0}}}
policies.create_autoscaling_policy(parent="projects/local-project/regions/europe-west1", policy=policy)
print([found.id for found in policies.list_autoscaling_policies(parent="projects/local-project/regions/europe-west1")])
"""


def upload(session: requests.Session, name: str, text: str) -> str:
    """Store an object, making its bucket first; return its URI."""
    session.post(
        "https://storage.googleapis.com/storage/v1/b?project=local-project", json={"name": "dataproc-end-to-end"}
    )
    url = f"https://storage.googleapis.com/upload/storage/v1/b/dataproc-end-to-end/o?uploadType=media&name={name}"
    answer = session.post(url, data=text.encode(), headers={"Content-Type": "text/x-python"})
    assert answer.status_code == 200, answer.text
    return f"gs://dataproc-end-to-end/{name}"


def post(session: requests.Session, path: str, body: Any) -> dict[str, Any]:
    answer = session.post(f"{API}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended_job(session: requests.Session, job_id: str, seconds: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = session.get(f"{API}/{PARENT}/jobs/{job_id}").json()
        if job.get("done"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"not ended within {seconds} s: {job}")


def driver_output(session: requests.Session, job: dict[str, Any]) -> str:
    bucket, _, name = job["driverOutputResourceUri"].removeprefix("gs://").partition("/")
    listing = session.get(f"https://storage.googleapis.com/storage/v1/b/{bucket}/o", params={"prefix": name}).json()
    return "".join(session.get(item["mediaLink"]).text for item in listing["items"] if item["size"] != "0")


def pyspark(uri: str, *arguments: str) -> dict[str, Any]:
    return {"pysparkJob": {"mainPythonFileUri": uri, "args": list(arguments)}}


def cluster(session: requests.Session, server: Any, name: str) -> None:
    operation = post(session, f"{PARENT}/clusters", {"clusterName": name, "config": {}})
    server.operation(f"{API}/{operation['name']}", session)


needs_cluster_python = pytest.mark.skipif(
    not default_cluster_python().exists(), reason=f"no cluster environment at {default_cluster_python()}"
)


@needs_cluster_python
def test_everything_under_way_goes_on_after_kill_9(own_server: Any) -> None:
    session = own_server.session()
    uri = upload(session, "driver.py", DRIVER)
    cluster(session, own_server, "standing")
    gate = own_server.home / "gate"
    survivor_uri = upload(session, "survivor.py", SURVIVOR)
    placement = {"clusterName": "standing"}
    job = {"job": {"placement": placement, "reference": {"jobId": "survivor"}, **pyspark(survivor_uri, str(gate))}}
    post(session, f"{PARENT}/jobs:submit", job)
    template = {
        "id": "inline",
        "placement": {"managedCluster": {"clusterName": "made", "config": {"workerConfig": {"numInstances": 2}}}},
        "jobs": [
            {"stepId": "one", **pyspark(uri, "2")},
            {"stepId": "two", "prerequisiteStepIds": ["one"], **pyspark(uri, "0")},
        ],
    }
    workflow = post(session, f"{PARENT}/workflowTemplates:instantiateInline", template)
    deadline = time.monotonic() + 60
    while "RUNNING" not in str(session.get(f"{API}/{workflow['name']}").json()["metadata"]["graph"]):
        assert time.monotonic() < deadline, "the first job of the workflow did not start"
        time.sleep(0.1)
    creation = post(session, f"{PARENT}/clusters", {"clusterName": "half-made", "config": {}})
    driver = str(own_server.settings.jobs_directory / "survivor" / "work" / "survivor.py")
    while not (drivers := [process for process in psutil.process_iter() if driver in _command(process)]):
        assert time.monotonic() < deadline, "the driver of the job did not start"
        time.sleep(0.1)
    own_server.kill()
    assert [process.is_running() for process in drivers] == [True]
    own_server.up()
    session = own_server.session()
    made = own_server.operation(f"{API}/{creation['name']}", session)
    assert made["response"]["clusterName"] == "half-made"
    gate.touch()
    survivor = ended_job(session, "survivor")
    assert survivor["status"]["state"] == "DONE", survivor
    assert driver_output(session, survivor) == "driver began\ndriver ended\n"
    done = own_server.operation(f"{API}/{workflow['name']}", session, seconds=120)
    assert "response" in done, done
    assert {node["state"] for node in done["metadata"]["graph"]["nodes"]} == {"COMPLETED"}
    names = [found["clusterName"] for found in session.get(f"{API}/{PARENT}/clusters").json()["clusters"]]
    assert names == ["half-made", "standing"]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@needs_cluster_python
def test_down_ends_the_drivers(own_server: Any) -> None:
    session = own_server.session()
    uri = upload(session, "driver.py", DRIVER)
    cluster(session, own_server, "standing")
    job = {"job": {"placement": {"clusterName": "standing"}, "reference": {"jobId": "endless"}, **pyspark(uri, "300")}}
    post(session, f"{PARENT}/jobs:submit", job)
    jobs_directory = str(own_server.settings.jobs_directory)

    def running() -> bool:
        return any(jobs_directory in " ".join(_command(process)) for process in psutil.process_iter())

    deadline = time.monotonic() + 20
    while not running():
        assert time.monotonic() < deadline, "the driver did not start"
        time.sleep(0.1)
    own_server.down()
    assert not running()
    own_server.up()
    assert "was stopped" in ended_job(own_server.session(), "endless")["status"]["details"]


@needs_cluster_python
def test_gcsfs_in_a_driver_reaches_the_local_cloud(server: Any, session: requests.Session) -> None:
    uri = upload(session, "with_gcsfs.py", WITH_GCSFS)
    cluster(session, server, "for-gcsfs")
    job = post(session, f"{PARENT}/jobs:submit", {"job": {"placement": {"clusterName": "for-gcsfs"}, **pyspark(uri)}})
    ended = ended_job(session, job["reference"]["jobId"], seconds=60)
    assert driver_output(session, ended) == "written by a driver\n"


@needs_cluster_python
def test_the_client_library_works_over_rest(server: Any, session: requests.Session) -> None:
    upload(session, "driver.py", DRIVER)
    result = server.client(sys.executable, "-c", CLIENT)
    assert result.returncode == 0, result.stderr
    cluster_and_state, job, policies = result.stdout.splitlines()
    assert (cluster_and_state, job) == ("by-library RUNNING", "DONE 1")
    # Tests of this cloud leave other policies behind.
    assert "'by-library'" in policies


@needs_cluster_python
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_streams_the_output_of_a_job_and_kills_another(server: Any, session: requests.Session) -> None:
    uri = upload(session, "driver.py", DRIVER)
    cluster(session, server, "for-gcloud")
    submit = ("gcloud", "dataproc", "jobs", "submit", "pyspark", uri, "--cluster", "for-gcloud")
    result = server.client(*submit, "--", "1")
    assert result.returncode == 0, result.stderr
    assert "driver began\ndriver ended" in result.stderr
    assert "finished successfully" in result.stderr
    assert server.client(*submit, "--async", "--id", "to-be-killed", "--", "300").returncode == 0
    killed = server.client("gcloud", "dataproc", "jobs", "kill", "to-be-killed")
    assert killed.returncode == 0, killed.stderr
    assert ended_job(session, "to-be-killed")["status"]["state"] == "CANCELLED"
