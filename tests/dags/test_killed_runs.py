"""Runs that are killed: jobs are cancelled; what is left goes by label, by the run's own deletion or by the reaper."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from dataplatform_dask import names, platform_dag
from dataplatform_dask.reap import Reap
from local_cloud import LocalCloud
from runs import CONFIG, HANGS, QUICKLY, Run, one_job, release, run, start_elsewhere

pytestmark = pytest.mark.usefixtures("database")

CREATE = "dataproc.projects.regions.clusters.create"
OURS = {"managed-by": "dataplatform-compute", "environment": "local"}


@pytest.fixture(autouse=True)
def nothing_is_left(cloud: LocalCloud) -> Iterator[None]:
    """After every run there is no cluster."""
    yield
    cloud.cli("fault", "clear")
    assert cloud.clusters() == []


def _reap() -> Run:
    with platform_dag("reaper-test", owner="grace", release=release(team="platform"), default_args=QUICKLY) as dag:
        Reap(task_id="reap", release=dag.platform_release)
    return run(dag)


def _done(reaped: Run) -> list[str]:
    return [line.rpartition(": ")[0] for line in reaped.dag_run.get_task_instance("reap").xcom_pull(task_ids="reap")]


def _end(dag_id: str) -> None:
    """Let the run be over, as the scheduler does with one whose task is gone."""
    with create_session() as session:
        for one in session.query(DagRun).filter(DagRun.dag_id == dag_id):
            one.state = DagRunState.FAILED


def test_terminated_while_creating(cloud: LocalCloud) -> None:
    cloud.fault(CREATE, kind="operation-hang")
    other = start_elsewhere("terminated", "gs://nothing")
    cloud.until(lambda: cloud.clusters(dag="terminated"))
    other.send_signal(signal.SIGTERM)
    assert other.wait(60) == 1
    assert cloud.until(lambda: not cloud.clusters())


@pytest.mark.parametrize("kind", ["one_job", "shared_job"])
def test_terminated_while_its_job_runs(cloud: LocalCloud, kind: str) -> None:
    dag_id = f"terminated-{kind.replace('_', '-')}"
    since = len(cloud.requests())
    other = start_elsewhere(dag_id, cloud.upload("artifacts", "hangs.py", HANGS), kind)
    [job] = cloud.until(lambda: [job for job in cloud.jobs(dag=dag_id) if job.state == "RUNNING"])
    other.send_signal(signal.SIGTERM)
    assert other.wait(60) == 1
    assert cloud.until(lambda: cloud.dataproc.job(job.job_id).ended)
    assert cloud.dataproc.job(job.job_id).state == "CANCELLED"
    # By the task itself, and not because the cluster went: with the process nothing else of the run goes on.
    assert f"{job.job_id}:cancel" in [entry["path"].rpartition("/")[2] for entry in cloud.requests()[since:]]
    cloud.remove(job.cluster)


def test_killed_while_creating_then_the_reaper(cloud: LocalCloud) -> None:
    cloud.fault(CREATE, kind="operation-hang")
    other = start_elsewhere("killed", "gs://nothing")
    [cluster] = cloud.until(lambda: cloud.clusters(dag="killed"))
    other.kill()
    other.wait()
    # As long as the run is not over, its own next try or deletion is to come.
    assert _done(_reap()) == []
    _end("killed")
    assert _done(_reap()) == [f"delete cluster {cluster.name}"]
    assert cloud.until(lambda: not cloud.clusters())


def test_killed_while_creating_then_the_runs_own_deletion(cloud: LocalCloud) -> None:
    cloud.fault(CREATE, kind="operation-hang", count=1)
    other = start_elsewhere("deleted", "gs://nothing")
    [cluster] = cloud.until(lambda: cloud.clusters(dag="deleted"))
    other.kill()
    other.wait()
    dag = one_job("deleted", "gs://nothing")
    [dag_run] = DagRun.find(dag_id="deleted")
    instance = dag_run.get_task_instance("cluster.delete")
    instance.task = dag.get_task("cluster.delete")
    instance.run(ignore_all_deps=True, ignore_ti_state=True)
    assert instance.state == "success"
    assert cloud.dataproc.cluster(cluster.name) is None


def test_the_reaper_takes_what_is_over_and_nothing_else(cloud: LocalCloud) -> None:
    own = {**OURS, "placement": "own", "owner": "ada", "dag": "gone", "run": "gone", "slots": "2"}
    for name, labels in (
        ("of-an-ended-run", own),
        ("foreign", {**own, "managed-by": "somebody"}),
        ("unlabelled", {}),
        ("shared", {**OURS, "placement": "shared"}),
    ):
        # Idle deletion would come within seconds at this pace.
        cloud.dataproc.create_cluster(name, {**CONFIG, "lifecycleConfig": {}}, labels, names.unique())
    cloud.until(lambda: all(cluster.state == "RUNNING" for cluster in cloud.clusters()))
    script = cloud.upload("artifacts", "hangs.py", HANGS)
    for job_id, labels in (
        ("ended", {**OURS, **names.run_labels("gone", "gone")}),
        ("foreign", names.run_labels("gone", "gone")),
    ):
        body: dict[str, Any] = {
            "reference": {"jobId": job_id},
            "placement": {"clusterName": "shared"},
            "labels": labels,
            "pysparkJob": {"mainPythonFileUri": script},
        }
        cloud.dataproc.submit_job(body, names.unique())
    assert _done(_reap()) == ["delete cluster of-an-ended-run", "cancel job ended"]
    cloud.until(lambda: cloud.dataproc.job("ended").state == "CANCELLED")
    cloud.until(lambda: cloud.dataproc.cluster("of-an-ended-run") is None)
    assert {cluster.name for cluster in cloud.clusters()} == {"foreign", "unlabelled", "shared"}
    assert not cloud.dataproc.job("foreign").ended
    cloud.dataproc.cancel_job("foreign")
    for name in ("foreign", "unlabelled", "shared"):
        cloud.remove(name)
