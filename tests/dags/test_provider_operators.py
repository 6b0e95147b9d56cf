"""Google's own operators and secrets backend, unmodified, in the real Airflow against a local cloud over gRPC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.dag import DAG
from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
    DataprocSubmitJobOperator,
)
from airflow.providers.google.cloud.secrets.secret_manager import CloudSecretManagerBackend
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from local_cloud import PROJECT, REGION, LocalCloud

pytestmark = pytest.mark.usefixtures("database")

WHERE = {"project_id": PROJECT, "region": REGION}
START = datetime(2026, 3, 1, tzinfo=UTC)


def plain_dag(name: str, script: str, *, deferrable: bool) -> DAG:
    """Return a DAG as the provider's documentation writes it: a cluster, a job on it, the cluster's end."""
    often = {"deferrable": True, "polling_interval_seconds": 1} if deferrable else {}
    with DAG(name, start_date=START, schedule=None, default_args={"retries": 0, **WHERE}) as dag:
        create = DataprocCreateClusterOperator(
            task_id="create",
            cluster_name=name,
            cluster_config={"worker_config": {"num_instances": 2}},
            labels={"team": "growth"},
            use_if_exists=False,
            **often,
        )
        job = {"placement": {"cluster_name": name}, "pyspark_job": {"main_python_file_uri": script}}
        submit = DataprocSubmitJobOperator(task_id="submit", job=job, **often)
        delete = DataprocDeleteClusterOperator(task_id="delete", cluster_name=name, **often)
        create >> submit >> delete.as_teardown(setups=create)
    return dag


def states(run: Any) -> dict[str, str]:
    """Return the states of a run's tasks."""
    return {instance.task_id: str(instance.state) for instance in run.get_task_instances()}


def calls(cloud: LocalCloud, since: int) -> list[tuple[str, int]]:
    """Return the gRPC methods called since a line of the journal, with the HTTP status of each answer."""
    noted = cloud.requests()[since:]
    return [(entry["rpc"].rpartition(".")[2], entry["status"]) for entry in noted if "rpc" in entry]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_cluster_and_a_job(cloud: LocalCloud, deferrable: bool) -> None:
    name = "plain-deferred" if deferrable else "plain"
    since = len(cloud.requests())
    script = cloud.upload("artifacts", f"{name}.py", "print('done')\n")
    run = plain_dag(name, script, deferrable=deferrable).test(execution_date=START + timedelta(days=deferrable))
    assert states(run) == dict.fromkeys(("create", "submit", "delete"), "success")
    assert str(run.state) == "success"
    called = calls(cloud, since)
    for method in ("ClusterController/CreateCluster", "JobController/SubmitJob", "ClusterController/DeleteCluster"):
        assert called.count((method, 200)) == 1
    # Triggers ask for the resource, operators for the operation.
    assert (("ClusterController/GetCluster" if deferrable else "Operations/GetOperation"), 200) in called
    assert ("JobController/GetJob", 200) in called


def test_a_job_that_fails(cloud: LocalCloud) -> None:
    script = cloud.upload("artifacts", "fails.py", "raise SystemExit('no data')\n")
    run = plain_dag("job-fails", script, deferrable=True).test(execution_date=START)
    assert states(run) == {"create": "success", "submit": "failed", "delete": "success"}
    assert str(run.state) == "failed"


def test_a_quota_that_is_used_up(cloud: LocalCloud, caplog: pytest.LogCaptureFixture) -> None:
    method = "dataproc.projects.regions.clusters.create"
    cloud.fault(method, kind="operation-error", status="429", message="Insufficient 'CPUS' quota.", count=1)
    since = len(cloud.requests())
    run = plain_dag("no-quota", "gs://none/none.py", deferrable=False).test(execution_date=START)
    assert states(run)["create"] == "failed"
    assert states(run)["submit"] == "upstream_failed"
    # The operator diagnoses and deletes what it could not make, and the error that counts is still told.
    called = calls(cloud, since)
    assert ("ClusterController/DiagnoseCluster", 200) in called
    assert ("ClusterController/DeleteCluster", 200) in called
    assert any("Insufficient 'CPUS' quota." in str(record.exc_info) for record in caplog.records)


def test_the_secrets_backend(cloud: LocalCloud) -> None:
    client = SecretManagerServiceClient()
    for identifier, payload in {
        "airflow-variables-greeting": b"hello",
        "airflow-connections-store": b"http://store.example.org",
    }.items():
        secret = {"replication": {"user_managed": {"replicas": [{"location": REGION}]}}}
        made = client.create_secret(parent=f"projects/{PROJECT}", secret_id=identifier, secret=secret)
        client.add_secret_version(parent=made.name, payload={"data": payload})
    backend = CloudSecretManagerBackend(project_id=PROJECT)
    assert backend.get_variable("greeting") == "hello"
    assert backend.get_connection("store").host == "store.example.org"
    assert backend.get_variable("nowhere") is None
