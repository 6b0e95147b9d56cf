"""Jobs on the shared cluster of a template: one cluster for all, made by whoever comes first."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from dataplatform_dask import names
from local_cloud import LocalCloud
from runs import FAILS, HANGS, SUCCEEDS, run, said, shared_job, start_elsewhere

pytestmark = pytest.mark.usefixtures("database")

CREATE = "dataproc.projects.regions.clusters.create"
QUOTA = "Insufficient 'CPUS' quota. Requested 12.0, available 4.0."
STOCK_OUT = "The zone 'projects/p/zones/z' does not have enough resources available to fulfill the request."
NAME = "shared-local-etl"


@pytest.fixture(autouse=True)
def only_the_shared_cluster_is_left(cloud: LocalCloud) -> Iterator[None]:
    """Runs do not delete the shared cluster, and leave no other."""
    yield
    cloud.cli("fault", "clear")
    assert {cluster.name for cluster in cloud.clusters()} <= {NAME}
    cloud.remove(NAME)


def _created(cloud: LocalCloud, since: int) -> list[int]:
    return [entry["status"] for entry in cloud.requests()[since:] if entry["method_id"] == CREATE]


@pytest.mark.parametrize("deferrable", [None, True], ids=["in place", "by triggers"])
def test_the_second_run_finds_the_cluster_of_the_first(cloud: LocalCloud, deferrable: bool | None) -> None:
    script = cloud.upload("artifacts", "ok.py", SUCCEEDS)
    since = len(cloud.requests())
    first = run(shared_job("shared-a", script, deferrable=deferrable))
    second = run(shared_job("shared-b", script, deferrable=deferrable))
    assert (first.state, second.state) == ("success", "success")
    assert _created(cloud, since) == [200]
    assert {first.job(cloud).cluster, second.job(cloud).cluster} == {NAME}
    [cluster] = cloud.clusters()
    # The cluster is nobody's, the jobs say whose they are.
    assert "owner" not in cluster.labels
    assert "run" not in cluster.labels
    assert first.job(cloud).labels["owner"] == "ada"
    assert first.job(cloud).labels["slots"] == "3"


def test_two_runs_at_once_make_one_cluster(cloud: LocalCloud) -> None:
    script = cloud.upload("artifacts", "ok.py", SUCCEEDS)
    since = len(cloud.requests())
    # So that both find none: the first creation to be asked for takes a while.
    cloud.fault(CREATE, kind="delay", delay=20, count=1)
    other = start_elsewhere("shared-c", script, "shared_job")
    cloud.until(lambda: _seen(cloud, since, "dataproc.projects.regions.clusters.get"))
    assert run(shared_job("shared-d", script)).state == "success"
    assert other.wait(90) == 0
    assert sorted(_created(cloud, since)) == [200, 409]
    assert len(cloud.clusters()) == 1


def _seen(cloud: LocalCloud, since: int, method: str) -> bool:
    return any(entry["method_id"] == method for entry in cloud.requests()[since:])


def test_a_job_that_fails_leaves_the_cluster_to_others(cloud: LocalCloud) -> None:
    ended = run(shared_job("shared-e", cloud.upload("artifacts", "fails.py", FAILS)))
    assert ended.state == "failed"
    assert [cluster.state for cluster in cloud.clusters()] == ["RUNNING"]


@pytest.mark.parametrize("deferrable", [None, True], ids=["in place", "by triggers"])
def test_stock_outs_go_to_the_next_zone_in_the_same_try(
    cloud: LocalCloud, caplog: pytest.LogCaptureFixture, deferrable: bool | None
) -> None:
    caplog.set_level("INFO")
    since = len(cloud.requests())
    # The place that Dataproc chooses, and the first zone of the list.
    cloud.fault(CREATE, kind="operation-error", status="UNAVAILABLE", message=STOCK_OUT, count=2)
    ended = run(shared_job("shared-f", cloud.upload("artifacts", "ok.py", SUCCEEDS), deferrable=deferrable))
    assert ended.state == "success"
    assert _created(cloud, since) == [200, 200, 200]
    assert ended.job(cloud).labels["try"] == "1"
    assert said(caplog, f"Shared cluster {NAME} is ERROR", STOCK_OUT)
    [cluster] = cloud.clusters()
    assert cluster.zone == "europe-west1-c"


def test_a_creation_that_is_refused_for_a_stock_out_goes_to_the_next_zone(cloud: LocalCloud) -> None:
    cloud.fault(CREATE, status=429, message=STOCK_OUT, count=1)
    assert run(shared_job("shared-k", cloud.upload("artifacts", "ok.py", SUCCEEDS))).state == "success"
    [cluster] = cloud.clusters()
    assert cluster.zone == "europe-west1-b"


def test_every_zone_is_exhausted(cloud: LocalCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    since = len(cloud.requests())
    cloud.fault(CREATE, kind="operation-error", status="UNAVAILABLE", message=STOCK_OUT)
    ended = run(shared_job("shared-l", "gs://nothing"))
    assert ended.state == "failed"
    assert _created(cloud, since) == [200, 200, 200]
    assert ended.jobs(cloud) == []
    assert said(caplog, f"shared cluster {NAME} is ERROR: ", STOCK_OUT, "another try makes a new one")


def test_a_cluster_that_could_not_be_created_is_replaced_in_the_next_try(
    cloud: LocalCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    since = len(cloud.requests())
    cloud.fault(CREATE, kind="operation-error", status="RESOURCE_EXHAUSTED", message=QUOTA, count=1)
    dag = shared_job("shared-m", cloud.upload("artifacts", "ok.py", SUCCEEDS))
    dag.get_task("cluster.run").retries = 1
    ended = run(dag)
    assert ended.state == "success"
    assert _created(cloud, since) == [200, 200]
    assert ended.job(cloud).labels["try"] == "2"
    assert said(caplog, f"shared cluster {NAME} is ERROR: ", QUOTA)


def test_those_who_wait_for_a_stock_out_of_another_run_go_on_together(cloud: LocalCloud) -> None:
    since = len(cloud.requests())
    cloud.fault(CREATE, kind="operation-error", status="UNAVAILABLE", message=STOCK_OUT, count=2)
    script = cloud.upload("artifacts", "ok.py", SUCCEEDS)
    other = start_elsewhere("shared-n", script, "shared_job")
    cloud.until(lambda: _seen(cloud, since, CREATE))
    assert run(shared_job("shared-o", script)).state == "success"
    assert other.wait(90) == 0
    # One creation after the other, whoever was faster. A run that begins after the first has failed begins with the
    # first place again, so which one the third is in depends on that.
    assert _created(cloud, since).count(200) == 3
    [cluster] = cloud.clusters()
    assert cluster.zone in ("europe-west1-b", "europe-west1-c")


def test_a_foreign_cluster_of_that_name_is_not_used(cloud: LocalCloud, caplog: Any) -> None:
    caplog.set_level("INFO")
    dag = shared_job("shared-g", cloud.upload("artifacts", "ok.py", SUCCEEDS))
    # Idle deletion would come within seconds at this pace.
    config = {**dag.get_task("cluster.run").config, "lifecycleConfig": {}}
    cloud.dataproc.create_cluster(NAME, config, {"managed-by": "somebody"}, names.unique())
    ended = run(dag)
    assert ended.state == "failed"
    assert ended.jobs(cloud) == []
    assert said(caplog, f"cluster {NAME} is not the shared one", "nothing of it was touched")
    assert [cluster.name for cluster in cloud.clusters()] == [NAME]


def test_a_cluster_that_another_run_makes_anew_is_waited_for(cloud: LocalCloud) -> None:
    task = shared_job("shared-h", "gs://nothing", creation_timeout=2).get_task("cluster.run")
    cloud.fault(CREATE, kind="operation-hang", count=1)
    cloud.dataproc.create_cluster(NAME, task.config, task.cluster_labels, names.unique())
    # Both runs saw the first one fail; the other was faster to replace it.
    with pytest.raises(AirflowException, match="creating the shared cluster took longer than 0:00:02"):
        task.ready({"ti": SimpleNamespace(queued_dttm=None)}, {"cluster_state": "ERROR"})
    assert [cluster.state for cluster in cloud.clusters()] == ["CREATING"]


def test_a_cluster_that_another_run_made_anew_is_not_taken_for_the_one_that_failed(cloud: LocalCloud) -> None:
    task = shared_job("shared-p", "gs://nothing").get_task("cluster.run")
    cloud.fault(CREATE, kind="operation-error", status="RESOURCE_EXHAUSTED", message=QUOTA, count=1)
    cloud.dataproc.create_cluster(NAME, task.config, task.cluster_labels, names.unique())
    failed = cloud.until(lambda: (seen := cloud.dataproc.cluster(NAME)).state == "ERROR" and seen)
    # Both runs saw it fail; the other was faster to replace it.
    cloud.remove(NAME)
    cloud.dataproc.create_cluster(NAME, {**task.config, "lifecycleConfig": {}}, task.cluster_labels, names.unique())
    task._remove(failed)
    assert cloud.until(lambda: (seen := cloud.dataproc.cluster(NAME)).state == "RUNNING" and seen).uuid != failed.uuid


def test_a_job_whose_trigger_failed_is_cancelled_and_not_blamed_on_the_cluster(cloud: LocalCloud) -> None:
    task = shared_job("shared-i", "gs://nothing").get_task("cluster.run")
    config = {**task.config, "lifecycleConfig": {}}
    cloud.dataproc.create_cluster(NAME, config, task.cluster_labels, names.unique())
    cloud.until(lambda: cloud.dataproc.cluster(NAME).state == "RUNNING")
    body = {
        "reference": {"jobId": "of-a-lost-trigger"},
        "placement": {"clusterName": NAME},
        "pysparkJob": {"mainPythonFileUri": cloud.upload("artifacts", "hangs.py", HANGS)},
    }
    job_id = cloud.dataproc.submit_job(body, names.unique())
    # None lets Airflow raise its own error, after which the task is tried again.
    assert task.give_up({"ti": SimpleNamespace(xcom_pull=lambda **_: job_id)}, "Trigger failure") is None
    assert cloud.dataproc.job(job_id).state == "CANCELLED"
