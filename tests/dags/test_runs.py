"""Runs on a cluster of their own, in the real Airflow against a local cloud; no cluster may be left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.models.dagrun import DagRun
from airflow.utils.types import DagRunType
from dask_on_yarn.run_record import RunRecord
from dataplatform_dask import DaskCluster, names, platform_dag
from dataplatform_dask.cloud import Dataproc
from local_cloud import PROJECT, REGION, LocalCloud
from runs import CONFIG, FAILS, HANGS, QUICKLY, SUCCEEDS, next_date, one_job, release, run, said, start_elsewhere

pytestmark = pytest.mark.usefixtures("database")

CREATE = "dataproc.projects.regions.clusters.create"
QUOTA = "Insufficient 'CPUS' quota. Requested 12.0, available 4.0."
STOCK_OUT = "The zone 'projects/p/zones/z' does not have enough resources available to fulfill the request."
ALL = ("begin", "create", "run", "delete", "slots")


@pytest.fixture(autouse=True)
def nothing_is_left(cloud: LocalCloud) -> Iterator[None]:
    """After every run there is no cluster."""
    yield
    cloud.cli("fault", "clear")
    assert cloud.clusters() == []


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the tasks say."""
    caplog.set_level("INFO")
    return caplog


def _creations(cloud: LocalCloud, since: int) -> list[dict[str, Any]]:
    return [entry for entry in cloud.requests()[since:] if entry["method_id"] == CREATE]


@pytest.fixture
def created(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The clusters that tasks begin to create, as Google has them."""
    clusters: list[Any] = []
    create = Dataproc.create_cluster

    def noted(self: Dataproc, name: str, *arguments: Any) -> Any:
        operation = create(self, name, *arguments)
        request = {"project_id": PROJECT, "region": REGION, "cluster_name": name}
        clusters.append(self._clusters.get_cluster(request=request))
        return operation

    monkeypatch.setattr(Dataproc, "create_cluster", noted)
    return clusters


@pytest.mark.parametrize("deferrable", [None, True], ids=["in place", "by triggers"])
def test_success(cloud: LocalCloud, created: list[Any], deferrable: bool | None) -> None:
    ended = run(one_job("ok", cloud.upload("artifacts", "ok.py", SUCCEEDS), cluster={"deferrable": deferrable}))
    assert ended.state == "success"
    assert ended.states == dict.fromkeys(ALL, "success")
    job = ended.job(cloud)
    expected = {"owner": "ada", "team": "growth", "cost-center": "cc-4711", "dag": "ok", "try": "1", "timeout": "120"}
    assert expected.items() <= dict(job.labels).items()
    assert job.labels["run"] == names.label_value(ended.run_id)
    # The cluster is what costs, and what the reaper and the run's own deletion know it by.
    [cluster] = created
    assert (
        dict(cluster.labels).items()
        >= {
            "managed-by": "dataplatform-compute",
            "environment": "local",
            "owner": "ada",
            "team": "growth",
            "cost-center": "cc-4711",
            "workload": "ok-cluster",
            "priority": "normal",
            "placement": "own",
            "dag": "ok",
            "run": names.label_value(ended.run_id),
            "cluster": "cluster",
            "slots": "3",
            "try": "1",
        }.items()
    )
    lifecycle = cluster.config.lifecycle_config
    assert (lifecycle.idle_delete_ttl, lifecycle.auto_delete_ttl) == (timedelta(minutes=10), timedelta(hours=4))


def test_a_cluster_whose_template_sets_no_lifetime_has_one(cloud: LocalCloud, created: list[Any]) -> None:
    cloud.fault(CREATE, kind="operation-error", status="RESOURCE_EXHAUSTED", message=QUOTA)
    run(one_job("endless", "gs://nothing", config={**CONFIG, "lifecycleConfig": {}}))
    [cluster] = created
    lifecycle = cluster.config.lifecycle_config
    assert (lifecycle.idle_delete_ttl, lifecycle.auto_delete_ttl) == (timedelta(minutes=30), timedelta(days=1))


def test_job_that_fails(cloud: LocalCloud, log: Any) -> None:
    ended = run(one_job("fails", cloud.upload("artifacts", "fails.py", FAILS)))
    assert ended.state == "failed"
    assert ended.states == {**dict.fromkeys(ALL, "success"), "run": "failed"}
    assert said(
        log,
        "DAG fails of ada",
        "task cluster.run failed: job fails-cluster-run-",
        "its output ends: the data is not there; no run record: the driver did not get that far",
        f" | log: {ended.dag_run.get_task_instance('cluster.run').log_url}",
    )


#: How the launcher ends a job, and how often one is tried that may be tried twice.
ENDS = {
    1: ("the script ended", 2),
    77: ("ada may not use the queue root.critical", 1),
    124: ("the script ran longer than --timeout 1800 s", 1),
    125: ("no worker came within --queue-timeout 600 s", 1),
}


def test_the_launchers_reason_is_given_and_says_whether_another_try_helps(
    cloud: LocalCloud, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the records can be there before the jobs are.
    monkeypatch.setattr(names, "unique", lambda: "known")
    date = next_date()
    run_id = DagRun.generate_run_id(DagRunType.MANUAL, date)
    with (
        platform_dag("ends", owner="ada", release=release(), default_args=QUICKLY) as dag,
        DaskCluster(template="etl", owner="ada", name="cluster", polling_seconds=0.3) as cluster,
    ):
        for code in ENDS:
            script = cloud.upload("artifacts", f"ends-{code}.py", f"raise SystemExit({code})\n")
            cluster.job(f"run-{code}", {"pysparkJob": {"mainPythonFileUri": script}}, 120)
    uris = {}
    for code, (reason, tries) in ENDS.items():
        for number in range(1, tries + 1):
            job_id = names.job_id("ends", run_id, f"cluster.run-{code}", "known", try_number=number)
            record = RunRecord(run="dask-run-1", job_id=job_id)
            record.finish(code, f"{reason} (try {number})")
            uris[job_id] = cloud.upload("staging", f"runs/ends-cluster/{job_id}/run.json", record.to_json())
    ended = run(dag, date)
    assert ended.run_id == run_id
    assert sorted(job.job_id for job in ended.jobs(cloud)) == sorted(uris)
    for code, (reason, tries) in ENDS.items():
        job_id = names.job_id("ends", run_id, f"cluster.run-{code}", "known", try_number=tries)
        assert ended.states[f"run-{code}"] == "failed"
        assert said(
            log,
            f"task cluster.run-{code} failed: job {job_id} failed with exit code {code}: {reason} (try {tries});",
            f"; run record: {uris[job_id]}; output: gs://",
        )


@pytest.mark.parametrize("deferrable", [None, True], ids=["in place", "by triggers"])
def test_job_that_fails_is_tried_again_as_another_job(cloud: LocalCloud, deferrable: bool | None) -> None:
    dag = one_job("again", cloud.upload("artifacts", "fails.py", FAILS), retries=1, cluster={"deferrable": deferrable})
    ended = run(dag)
    assert ended.states["run"] == "failed"
    assert [job.labels["try"] for job in ended.jobs(cloud)] == ["1", "2"]


def test_job_that_hangs_is_cancelled(cloud: LocalCloud, log: Any) -> None:
    ended = run(one_job("hangs", cloud.upload("artifacts", "hangs.py", HANGS), seconds=3, retries=3))
    assert ended.states == {**dict.fromkeys(ALL, "success"), "run": "failed"}
    # Once: what hung will hang again.
    assert [job.state for job in ended.jobs(cloud)] == ["CANCELLED"]
    assert said(log, "took longer than 0:00:03 and was cancelled")


def test_job_that_is_cancelled_by_somebody(cloud: LocalCloud, log: Any) -> None:
    dag = one_job("cancelled", cloud.upload("artifacts", "hangs.py", HANGS), retries=3)
    watch = threading.Thread(target=_cancel_when_running, args=(cloud, "cancelled"))
    watch.start()
    ended = run(dag)
    watch.join()
    assert ended.states["run"] == "failed"
    assert [job.state for job in ended.jobs(cloud)] == ["CANCELLED"]
    assert said(log, "was cancelled")


def _cancel_when_running(cloud: LocalCloud, dag_id: str) -> None:
    [job] = cloud.until(lambda: [job for job in cloud.jobs(dag=dag_id) if job.state == "RUNNING"])
    cloud.dataproc.cancel_job(job.job_id)


@pytest.mark.parametrize("deferrable", [None, True], ids=["in place", "by triggers"])
def test_quota_is_the_reason_that_is_given(cloud: LocalCloud, log: Any, deferrable: bool | None) -> None:
    cloud.fault(CREATE, kind="operation-error", status="RESOURCE_EXHAUSTED", message=QUOTA)
    ended = run(one_job("quota", "gs://nothing", cluster={"deferrable": deferrable}))
    assert ended.state == "failed"
    assert ended.states == {
        "begin": "success",
        "create": "failed",
        "run": "upstream_failed",
        "delete": "success",
        "slots": "success",
    }
    assert said(log, "task cluster.create failed: cluster quota-", QUOTA)


@pytest.mark.parametrize("deferrable", [None, True], ids=["in place", "by triggers"])
def test_stock_out_goes_to_the_next_zone(cloud: LocalCloud, deferrable: bool | None) -> None:
    since = len(cloud.requests())
    cloud.fault(CREATE, kind="operation-error", status="UNAVAILABLE", message=STOCK_OUT, count=1)
    dag = one_job("zones", cloud.upload("artifacts", "ok.py", SUCCEEDS), cluster={"deferrable": deferrable})
    ended = run(dag)
    assert ended.state == "success"
    assert len(_creations(cloud, since)) == 2
    assert ended.job(cloud).cluster.endswith("-1b")


def test_every_zone_is_exhausted(cloud: LocalCloud, log: Any) -> None:
    since = len(cloud.requests())
    cloud.fault(CREATE, kind="operation-error", status="UNAVAILABLE", message=STOCK_OUT)
    ended = run(one_job("nowhere", "gs://nothing"))
    assert ended.states["create"] == "failed"
    assert len(_creations(cloud, since)) == 3
    assert said(log, STOCK_OUT)


def test_initialization_action_is_the_reason_that_is_given(cloud: LocalCloud, log: Any) -> None:
    message = "Initialization action failed. Failed action 'gs://b/a.sh', see output in: gs://b/output"
    cloud.fault(CREATE, kind="operation-error", status="INTERNAL", message=message)
    ended = run(one_job("init", "gs://nothing"))
    assert ended.states["create"] == "failed"
    assert said(log, message)


def test_creation_that_hangs(cloud: LocalCloud, log: Any) -> None:
    cloud.fault(CREATE, kind="operation-hang")
    ended = run(one_job("slow", "gs://nothing", cluster={"creation_timeout": 2}))
    assert ended.states["create"] == "failed"
    assert ended.states["delete"] == "success"
    assert said(log, "took longer than 0:00:02", "it is being deleted")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        ("Trigger/execution timeout", AirflowFailException, "timeout after 0:01:00: waiting for worker slots of ada"),
        ("Trigger failure", AirflowException, "Trigger failure: waiting for worker slots of ada"),
    ],
)
def test_waiting_for_slots_ends_when_time_is_up_and_goes_on_after_a_lost_trigger(
    cloud: LocalCloud, error: str, kind: type[Exception], says: str
) -> None:
    create = one_job("turn", "gs://nothing", cluster={"turn_timeout": 60}).get_task("cluster.create")
    with pytest.raises(AirflowException, match=says) as raised:
        create.give_up({"ti": SimpleNamespace(xcom_pull=lambda **_: None)}, error)
    assert raised.type is kind


def test_refused_configuration_is_not_tried_again(cloud: LocalCloud, log: Any) -> None:
    since = len(cloud.requests())
    cloud.fault(CREATE, status=400, message="Invalid zone")
    ended = run(one_job("refused", "gs://nothing", default_args={"retries": 3}))
    assert ended.states["create"] == "failed"
    assert len(_creations(cloud, since)) == 1
    assert said(log, "is refused: 400 Invalid zone")


def test_failed_creation_is_tried_again_under_another_name(cloud: LocalCloud) -> None:
    since = len(cloud.requests())
    cloud.fault(CREATE, kind="operation-error", status="RESOURCE_EXHAUSTED", message=QUOTA, count=1)
    dag = one_job("quota2", cloud.upload("artifacts", "ok.py", SUCCEEDS), default_args={"retries": 1})
    ended = run(dag)
    assert ended.state == "success"
    assert ended.job(cloud).cluster.endswith("-2a")
    assert len(_creations(cloud, since)) == 2


def test_run_that_is_cleared_runs_again_with_a_new_cluster(cloud: LocalCloud) -> None:
    dag = one_job("cleared", cloud.upload("artifacts", "ok.py", SUCCEEDS))
    first = run(dag)
    second = run(dag, first.dag_run.logical_date)
    assert (first.run_id, second.state) == (second.run_id, "success")
    assert len({job.cluster for job in second.jobs(cloud)}) == 2


def test_leftover_of_an_earlier_try_is_deleted_and_not_adopted(cloud: LocalCloud) -> None:
    dag = one_job("leftover", cloud.upload("artifacts", "ok.py", SUCCEEDS))
    first = run(dag)
    create = dag.get_task("cluster.create")
    left = {**create.labels, **names.run_labels("leftover", first.run_id, "cluster"), "try": "1"}
    cloud.dataproc.create_cluster("left-by-a-crash", create.config, left, names.unique())
    foreign = {**left, "run": "another"}
    # Idle deletion would come within seconds at this pace.
    config = {**create.config, "lifecycleConfig": {}}
    cloud.dataproc.create_cluster("of-another-run", config, foreign, names.unique())
    second = run(dag, first.dag_run.logical_date)
    assert second.state == "success"
    assert [cluster.name for cluster in cloud.clusters()] == ["of-another-run"]
    cloud.remove("of-another-run")


def test_two_runs_at_once_have_a_cluster_each(cloud: LocalCloud) -> None:
    script = cloud.upload("artifacts", "short.py", "import time\ntime.sleep(4)\n")
    other = start_elsewhere("twice", script)
    cloud.until(lambda: cloud.jobs(dag="twice"))
    assert run(one_job("twice", script)).state == "success"
    assert other.wait(60) == 0
    jobs = cloud.jobs(dag="twice")
    assert len({job.cluster for job in jobs}) == 2
    assert len({job.labels["run"] for job in jobs}) == 2


def test_cluster_that_is_gone_is_said(cloud: LocalCloud, log: Any) -> None:
    dag = one_job("gone", "gs://nothing", retries=2)
    dag.get_task("cluster.create").execute = lambda context: "of-yesterday"  # noqa: ARG005
    ended = run(dag)
    assert ended.states["run"] == "failed"
    assert ended.jobs(cloud) == []
    assert said(log, "cluster of-yesterday is gone; clear this task")
