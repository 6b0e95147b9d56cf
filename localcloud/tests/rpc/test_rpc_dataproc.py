"""Unmodified Dataproc clients over gRPC, led here by environment variables alone, as users have them."""

from __future__ import annotations

import json
import sys

CREATE = "dataproc.projects.regions.clusters.create"

CLIENT = """
import json
import sys
from google.api_core import exceptions
from google.cloud import dataproc_v1

where = {"project_id": "local-project", "region": "europe-west1"}
name = sys.argv[1]
clusters = dataproc_v1.ClusterControllerClient(
    client_options={"api_endpoint": "europe-west1-dataproc.googleapis.com:443"})
told = {"transport": clusters.transport.kind}
operation = clusters.create_cluster(**where, cluster={"cluster_name": name, "labels": {"a-b": "c"}})
told["metadata"] = operation.metadata.cluster_name
told["result"] = operation.result(timeout=60).cluster_name
told["state"] = clusters.get_cluster(**where, cluster_name=name).status.state.name
told["labels"] = dict(clusters.get_cluster(**where, cluster_name=name).labels)
told["listed"] = [each.cluster_name for each in clusters.list_clusters(**where)]
try:
    clusters.create_cluster(**where, cluster={"cluster_name": name})
except exceptions.AlreadyExists as error:
    told["again"] = error.grpc_status_code.name
clusters.delete_cluster(**where, cluster_name=name).result(timeout=60)
try:
    clusters.get_cluster(**where, cluster_name=name)
except exceptions.NotFound as error:
    told["gone"] = error.message
print(json.dumps(told))
"""


def test_a_cluster_lives_and_dies_over_grpc(server):
    result = server.client(sys.executable, "-c", CLIENT, "over-grpc")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["transport"] == "grpc"
    assert told["metadata"] == told["result"] == "over-grpc"
    assert told["state"] == "RUNNING"
    assert told["labels"]["a-b"] == "c"
    assert "over-grpc" in told["listed"]
    assert told["again"] == "ALREADY_EXISTS"
    assert told["gone"].endswith("clusters/over-grpc")
    calls = [entry for entry in server.journal() if entry.get("rpc", "").endswith("/CreateCluster")]
    assert {entry["method_id"] for entry in calls} == {CREATE}
    assert {entry["host"] for entry in calls} == {"europe-west1-dataproc.googleapis.com"}


ASYNC_CLIENT = """
import asyncio
import json
import sys
from google.api_core import exceptions
from google.cloud import dataproc_v1

where = {"project_id": "local-project", "region": "europe-west1"}

async def main(name):
    clusters = dataproc_v1.ClusterControllerAsyncClient(
        client_options={"api_endpoint": "europe-west1-dataproc.googleapis.com:443"})
    told = {"transport": clusters.transport.kind}
    operation = await clusters.create_cluster(**where, cluster={"cluster_name": name})
    told["result"] = (await operation.result(timeout=60)).cluster_name
    told["state"] = (await clusters.get_cluster(**where, cluster_name=name)).status.state.name
    jobs = dataproc_v1.JobControllerAsyncClient(
        client_options={"api_endpoint": "europe-west1-dataproc.googleapis.com:443"})
    job = await jobs.submit_job(**where, job={
        "placement": {"cluster_name": name},
        "pyspark_job": {"main_python_file_uri": "gs://no-such-bucket/no-such.py"},
    })
    for _ in range(100):
        job = await jobs.get_job(**where, job_id=job.reference.job_id)
        if job.status.state.name in ("DONE", "ERROR", "CANCELLED"):
            break
        await asyncio.sleep(0.1)
    told["job"] = job.status.state.name
    operation = await clusters.delete_cluster(**where, cluster_name=name)
    await operation.result(timeout=60)
    try:
        await clusters.get_cluster(**where, cluster_name=name)
    except exceptions.NotFound as error:
        told["gone"] = error.grpc_status_code.name
    return told

print(json.dumps(asyncio.run(main(sys.argv[1]))))
"""


def test_the_asynchronous_clients(server):
    result = server.client(sys.executable, "-c", ASYNC_CLIENT, "over-aio")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told == {
        "transport": "grpc_asyncio",
        "result": "over-aio",
        "state": "RUNNING",
        "job": "ERROR",
        "gone": "NOT_FOUND",
    }


def test_composer_answers_over_grpc_by_its_own_rules(server):
    code = (
        "from google.api_core.exceptions import NotFound\n"
        "from google.cloud.orchestration.airflow import service_v1 as composer\n"
        "client = composer.EnvironmentsClient()\n"
        "parent = 'projects/local-project/locations/europe-west1'\n"
        "print(list(client.list_environments(parent=parent)))\n"
        "try:\n"
        "    client.get_environment(name=parent + '/environments/absent')\n"
        "except NotFound as error:\n"
        "    print(error.grpc_status_code.name)\n"
    )
    answer = server.client(sys.executable, "-c", code)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["[]", "NOT_FOUND"]
    noted = [entry for entry in server.journal() if entry.get("rpc", "").endswith("Environments/ListEnvironments")]
    assert noted[-1]["method_id"] == "composer.projects.locations.environments.list"
    assert noted[-1]["path"] == "/v1/projects/local-project/locations/europe-west1/environments"
