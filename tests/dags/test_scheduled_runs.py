"""Runs by a real scheduler and triggerer, from the archive: everything waits in the triggerer, pools count."""

from __future__ import annotations

import json
from pathlib import Path

import facts
import pytest
import runs
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import DagArchive, build_archive
from composer import Environment, create_environment
from dataplatform_dask import names
from local_cloud import LocalCloud

DAGS = '''"""Airflow DAGs of a test."""

from datetime import timedelta

from dataplatform_dask import DaskCluster, platform_dag

QUICKLY = {"retries": 0, "retry_delay": timedelta(seconds=1), "retry_exponential_backoff": False}


def one(dag_id, script, seconds=120, **options):
    with platform_dag(dag_id, owner="ada", default_args=QUICKLY, is_paused_upon_creation=False):
        with DaskCluster(template="etl", owner="ada", name="cluster", polling_seconds=1, **options) as cluster:
            body = {"pysparkJob": {"mainPythonFileUri": "gs://local-project-artifacts/" + script}}
            cluster.job("run", body, seconds, retries=3)


# The cloud is that of all tests here, so names are of this file alone.
one("turn-a", "short.py")
one("turn-b", "short.py")
one("overdue", "hangs.py", seconds=8)
one("repeated", "ok.py")
one("released", "waits.py", seconds=600)
one("stopped", "waits.py")
one("begun", "ok.py")
one("shared-stopped", "waits.py", placement="shared")
one("ended-creating", "ok.py")
one("ended-running", "waits.py")
one("ended-shared", "waits.py", placement="shared")
'''
WAITS = """
import pathlib, time
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.2)
"""
ARCHIVE = "dags/dataplatform-growth.zip"
OURS = {"managed-by": "dataplatform-compute", "environment": "local"}
PAUSED = "dag_id,is_paused"
JOBS_GET = "dataproc.projects.regions.jobs.get"
SHARED = "shared-local-etl"
POOLS = {"user-ada": {"slots": 3, "description": "", "include_deferred": True}}


def _archive(note: str = "") -> DagArchive:
    """The archive of the test's DAGs; another note makes another release."""
    built = facts.archive(workloads={}, config=runs.CONFIG, launcher=runs.LAUNCHER)
    files = {name: data for name, data in built.files.items() if not name.startswith("growth_")}
    files["growth_test.py"] = f"{DAGS}# {note}\n".encode()
    document = json.dumps(facts.document(workloads={}, config=runs.CONFIG, launcher=runs.LAUNCHER))
    return build_archive("growth", "local", files, document)


@pytest.fixture(scope="module")
def environment(cloud: LocalCloud) -> Environment:
    """An environment with an archive and the users' pools."""
    environment = create_environment(cloud)
    cloud.upload("artifacts", "short.py", "import time\ntime.sleep(15)\n")
    cloud.upload("artifacts", "hangs.py", runs.HANGS)
    cloud.upload("artifacts", "ok.py", runs.SUCCEEDS)
    environment.upload("data/pools.json", json.dumps(POOLS))
    cloud.until(lambda: environment.run("pools", "import", "/home/airflow/gcs/data/pools.json")[0] == 0)
    environment.upload(ARCHIVE, _archive().data)
    cloud.until(lambda: {"turn-a", "begun"} <= set(_tags(environment)), 120)
    return environment


def _reaped(environment: Environment) -> set[str]:
    """States of all runs of the reaper."""
    return {row["state"] for row in environment.read("dags", "list-runs", "-d", "platform-reaper")} or {"unknown"}


def _tags(environment: Environment) -> dict[str, str]:
    """Tags of the DAGs that the scheduler knows; one that is only a file yet is listed too, without a time."""
    rows = environment.read("dags", "list", "--columns", "dag_id,tags,last_parsed_time")
    return {row["dag_id"]: str(row["tags"]) for row in rows if row["last_parsed_time"]}


def _over(environment: Environment, dag_id: str) -> str:
    over = ("success", "failed")
    return environment.cloud.until(lambda: (state := environment.state(dag_id)) in over and state, 240)


def test_clusters_of_one_user_wait_their_turn(cloud: LocalCloud, environment: Environment) -> None:
    environment.trigger("turn-a")
    cloud.until(lambda: cloud.clusters(dag="turn-a"), 120)
    environment.trigger("turn-b")
    at_once = 0

    def over() -> bool:
        nonlocal at_once
        at_once = max(at_once, len(cloud.clusters(owner="ada")))
        return cloud.jobs(dag="turn-b") != []

    cloud.until(over, 240)
    assert (_over(environment, "turn-a"), _over(environment, "turn-b")) == ("success", "success")
    # The first one's cluster was gone before the second one's began, although every task but one was deferred.
    assert at_once == 1
    log = environment.log("turn-b", "create")
    assert "waiting for worker slots of ada (pool user-ada); in use by: cluster turn-a-" in log
    assert "No cluster of this run is left: the slots are free." in environment.log("turn-a", "slots")
    assert cloud.clusters() == []


@pytest.mark.slow
def test_job_that_hangs_is_cancelled_while_deferred(cloud: LocalCloud, environment: Environment) -> None:
    environment.trigger("overdue")
    assert _over(environment, "overdue") == "failed"
    assert environment.states("overdue") == {
        "begin": "success",
        "create": "success",
        "run": "failed",
        "delete": "success",
        "slots": "success",
    }
    assert [job.state for job in cloud.jobs(dag="overdue")] == ["CANCELLED"]
    assert "took longer than 0:00:08 and was cancelled" in environment.log("overdue", "run")
    assert cloud.clusters() == []


@pytest.mark.slow
def test_clearing_one_job_runs_the_whole_life_of_its_cluster_again(cloud: LocalCloud, environment: Environment) -> None:
    environment.trigger("repeated")
    assert _over(environment, "repeated") == "success"
    _clear(environment, "repeated", "run")
    cloud.until(lambda: len(cloud.jobs(dag="repeated")) == 2, 240)
    assert _over(environment, "repeated") == "success"
    jobs = cloud.jobs(dag="repeated")
    assert len({job.cluster for job in jobs}) == 2
    assert {job.labels["try"] for job in jobs} == {"1", "2"}
    assert cloud.clusters() == []


def _clear(environment: Environment, dag_id: str, task: str) -> None:
    code, output = environment.run("tasks", "clear", dag_id, "-t", f"^cluster.{task}$", "-y")
    assert code == 0, output


def _clear_while_deferred(environment: Environment, dag_id: str, task: str) -> None:
    """Clear a task when there is no process that could be told to end."""
    environment.cloud.until(lambda: environment.states(dag_id).get(task) == "deferred")
    _clear(environment, dag_id, task)


def _running_job(cloud: LocalCloud, dag_id: str) -> str:
    [job] = cloud.until(lambda: [job for job in cloud.jobs(dag=dag_id) if job.state == "RUNNING"], 120)
    return job.job_id


def test_a_run_goes_on_through_a_release(cloud: LocalCloud, environment: Environment, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    cloud.upload("artifacts", "waits.py", WAITS.format(gate=str(gate)))
    environment.trigger("released")
    job = _running_job(cloud, "released")
    following = _archive("a release in the middle of a run")
    assert following.release != _archive().release
    environment.upload(ARCHIVE, following.data)
    cloud.until(lambda: f"release:{following.release}" in _tags(environment).get("released", ""), 120)
    assert cloud.dataproc.job(job).state == "RUNNING"
    gate.touch()
    assert _over(environment, "released") == "success"
    assert environment.states("released") == dict.fromkeys(("begin", "create", "run", "delete", "slots"), "success")
    assert [(one.job_id, one.state) for one in cloud.jobs(dag="released")] == [(job, "DONE")]
    assert cloud.clusters() == []


def test_clearing_a_job_that_runs_ends_it_with_its_cluster_and_makes_a_new_one(
    cloud: LocalCloud, environment: Environment, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    cloud.upload("artifacts", "waits.py", WAITS.format(gate=str(gate)))
    environment.trigger("stopped")
    first = _running_job(cloud, "stopped")
    _clear_while_deferred(environment, "stopped", "run")
    cloud.until(lambda: len(cloud.jobs(dag="stopped")) == 2, 240)
    assert cloud.dataproc.job(first).ended
    gate.touch()
    assert _over(environment, "stopped") == "success"
    jobs = {job.job_id: job for job in cloud.jobs(dag="stopped")}
    before, [after] = jobs.pop(first), jobs.values()
    assert after.state == "DONE"
    assert before.cluster != after.cluster
    assert cloud.clusters() == []


def test_clearing_a_creation_that_hangs_deletes_what_it_began(cloud: LocalCloud, environment: Environment) -> None:
    cloud.fault("dataproc.projects.regions.clusters.create", kind="operation-hang", count=1)
    environment.trigger("begun")
    [first] = cloud.until(lambda: cloud.clusters(dag="begun"), 120)
    # Nothing but the next try knows of the cluster then.
    _clear_while_deferred(environment, "begun", "create")
    cloud.until(lambda: cloud.jobs(dag="begun") != [], 240)
    assert _over(environment, "begun") == "success"
    assert first.name not in [job.cluster for job in cloud.jobs(dag="begun")]
    assert cloud.clusters() == []


@pytest.mark.slow
def test_clearing_a_job_on_a_shared_cluster_cancels_it(
    cloud: LocalCloud, environment: Environment, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    cloud.upload("artifacts", "waits.py", WAITS.format(gate=str(gate)))
    environment.trigger("shared-stopped")
    first = _running_job(cloud, "shared-stopped")
    _clear_while_deferred(environment, "shared-stopped", "run")
    cloud.until(lambda: cloud.dataproc.job(first).state == "CANCELLED", 120)
    cloud.until(lambda: len(cloud.jobs(dag="shared-stopped")) == 2, 240)
    gate.touch()
    assert _over(environment, "shared-stopped") == "success"
    # The cluster is the same, so nothing but the cancellation ended the first job.
    assert {job.cluster for job in cloud.jobs(dag="shared-stopped")} == {SHARED}
    assert sorted(job.state for job in cloud.jobs(dag="shared-stopped")) == ["CANCELLED", "DONE"]
    cloud.remove(SHARED)


@pytest.mark.slow
def test_a_run_that_is_marked_failed_while_it_creates_has_no_cluster(
    cloud: LocalCloud, environment: Environment
) -> None:
    cloud.fault("dataproc.projects.regions.clusters.create", kind="operation-hang", count=1)
    environment.trigger("ended-creating")
    cloud.until(lambda: cloud.clusters(dag="ended-creating"), 120)
    cloud.until(lambda: environment.states("ended-creating")["create"] == "deferred")
    environment.mark_failed("ended-creating")
    cloud.until(lambda: not cloud.clusters(), 120)
    # A deletion does not count, and the job, which had not begun, is no failure.
    assert _over(environment, "ended-creating") == "success"
    assert environment.states("ended-creating") == {
        "begin": "success",
        "create": "failed",
        "run": "skipped",
        "delete": "success",
        "slots": "success",
    }
    assert cloud.jobs(dag="ended-creating") == []


@pytest.mark.parametrize("dag_id", ["ended-running", "ended-shared"])
def test_a_run_that_is_marked_failed_while_its_job_runs_has_no_job(
    cloud: LocalCloud, environment: Environment, tmp_path: Path, dag_id: str
) -> None:
    cloud.upload("artifacts", "waits.py", WAITS.format(gate=str(tmp_path / "never")))
    since = len(cloud.requests())
    environment.trigger(dag_id)
    job = _running_job(cloud, dag_id)
    cloud.until(lambda: environment.states(dag_id)["run"] == "deferred")
    # Before the triggerer has the trigger nobody is there to cancel; the cluster's deletion or the reaper ends it then.
    deferred = len(cloud.requests())
    cloud.until(lambda: JOBS_GET in [entry["method_id"] for entry in cloud.requests()[deferred:]])
    environment.mark_failed(dag_id)
    ended = cloud.until(lambda: (seen := cloud.dataproc.job(job)).ended and seen, 120)
    assert _over(environment, dag_id) == "failed"
    assert environment.states(dag_id)["run"] == "failed"
    assert len(cloud.jobs(dag=dag_id)) == 1
    assert f"{job}:cancel" in [entry["path"].rpartition("/")[2] for entry in cloud.requests()[since:]]
    # One of the run's own may end with its cluster before it is cancelled: both begin at the same moment.
    assert ended.state in {"ended-running": ("CANCELLED", "ERROR"), "ended-shared": ("CANCELLED",)}[dag_id]
    if dag_id == "ended-shared":
        assert [cluster.state for cluster in cloud.clusters()] == ["RUNNING"]
        cloud.remove(SHARED)
    assert cloud.clusters() == []


def test_the_reaper_of_a_release_runs_without_being_asked(cloud: LocalCloud, environment: Environment) -> None:
    orphan = {**OURS, "placement": "own", "owner": "ada", **names.run_labels("gone", "gone")}
    for name, labels in (("orphan", orphan), ("foreign", {**orphan, "environment": "another"})):
        # The reaper is to delete it, not its idle time.
        cloud.dataproc.create_cluster(name, {**runs.CONFIG, "lifecycleConfig": {}}, labels, names.unique())
    built = facts.archive("platform", workloads={}, config=runs.CONFIG, launcher=runs.LAUNCHER)
    environment.upload("dags/dataplatform-platform.zip", built.data)
    cloud.until(lambda: cloud.dataproc.cluster("orphan") is None, 240)
    try:
        assert cloud.dataproc.cluster("foreign") is not None
        # A DAG that does not say so waits until somebody starts it here.
        paused = {row["dag_id"]: row["is_paused"] for row in environment.read("dags", "list", "--columns", PAUSED)}
        assert (paused["platform-reaper"], paused["platform-delay-model"]) == ("False", "True")
        listed = environment.read("dags", "list-runs", "-d", "platform-reaper")
        assert all(row["run_id"].startswith("scheduled__") for row in listed)
    finally:
        # To it, what tests in this process run is over.
        environment.run("dags", "pause", "platform-reaper")
        cloud.until(lambda: _reaped(environment) <= {"success", "failed"})
        cloud.remove("foreign")
