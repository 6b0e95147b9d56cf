"""DAGs as Airflow loads them from archives: complete, read once; clearing one job clears its cluster's whole life."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import facts
import pytest
from airflow.models.dag import DAG
from airflow.models.dagbag import DagBag
from airflow.utils.trigger_rule import TriggerRule
from dataplatform_dask import DaskCluster, platform_dag, workload_dags
from dataplatform_dask import release as releases

Loader = Callable[..., DagBag]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Load the archive of a team as Airflow does; what this process has of the library is put back afterwards."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "dataplatform_dask"}

    def load(team: str = "growth", **options: Any) -> DagBag:
        built = facts.archive(team, **options)
        path = tmp_path / f"dataplatform-{team}.zip"
        path.write_bytes(built.data)
        bag = DagBag(str(path), include_examples=False)
        assert bag.import_errors == {}
        for dag in bag.dags.values():
            assert f"release:{built.release}" in dag.tags
        return bag

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == "dataplatform_dask"]:
        del sys.modules[name]
    sys.modules.update(kept)


def test_archive_has_the_workloads(load: Loader) -> None:
    bag = load()
    dag = bag.dags["flights-etl"]
    assert {task.task_id: task.operator_name for task in dag.tasks} == {
        "cluster.begin": "Begin",
        "cluster.create": "CreateCluster",
        "cluster.run": "RunJob",
        "cluster.delete": "DeleteClusters",
        "cluster.slots": "WorkerSlots",
    }
    assert dag.timetable.summary == "0 5 * * *"
    assert {"owner:ada", "team:growth"} <= set(dag.tags)
    assert dag.dagrun_timeout is None
    assert dag.catchup is False
    for task in dag.tasks:
        assert task.execution_timeout is not None
        assert task.retries >= 1
        assert task.retry_exponential_backoff
        assert task.owner == "ada"
        assert task.on_failure_callback
    assert "runs/flights-etl/" in dag.doc_md


def test_jobs_of_workloads_are_not_templated(load: Loader) -> None:
    run = load().dags["flights-etl"].get_task("cluster.run")
    assert "gs://data/{{ not a template }}" in run.job["pysparkJob"]["args"]
    assert list(run.arguments) == []


def test_two_archives_in_one_process_have_their_own_facts(load: Loader) -> None:
    growth = load("growth")
    platform = load("platform", workloads={"model": facts.workload(owner="grace", team="platform")})
    again = load("growth")
    assert "flights-etl" in growth.dags
    assert "model" in platform.dags
    assert "flights-etl" not in platform.dags
    assert {"flights-etl"} <= set(again.dags)
    assert "model" not in again.dags


def test_bad_facts_are_one_clear_import_error(tmp_path: Path, load: Loader) -> None:
    built = facts.archive(workloads={"flights-etl": facts.workload(placement="own")})
    broken = {**built.files}
    broken["dataplatform_dask/release/workloads.json"] = broken["dataplatform_dask/release/workloads.json"].replace(
        b'"template": "etl"', b'"template": "elt"'
    )
    path = tmp_path / "broken.zip"
    path.write_bytes(facts.zipped(broken))
    errors = DagBag(str(path), include_examples=False).import_errors
    [message] = [text for name, text in errors.items() if name.endswith("workloads_growth.py")]
    assert "workloads.json: workloads.flights-etl: template 'elt'" in message
    assert "did you mean 'etl'?" in message


def test_deletion_follows_a_failed_creation_and_slots_are_held_beside(load: Loader) -> None:
    dag = load().dags["flights-etl"]
    delete, slots, create = (dag.get_task(f"cluster.{name}") for name in ("delete", "slots", "create"))
    assert delete.is_teardown
    assert delete.trigger_rule == TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert delete.upstream_task_ids == {"cluster.begin", "cluster.run"}
    assert create.is_setup
    assert slots.is_teardown
    assert (slots.pool, slots.pool_slots) == ("user-ada", 3)
    assert slots.upstream_task_ids == {"cluster.begin"}
    assert all(task.pool == "default_pool" for task in dag.tasks if task is not slots)


def test_clearing_a_job_clears_the_whole_life_of_its_cluster(load: Loader) -> None:
    dag = load().dags["flights-etl"]
    cleared = dag.partial_subset(["cluster.run"], include_upstream=False, include_downstream=False)
    assert set(cleared.task_dict) == set(dag.task_dict)


def _two_clusters() -> Any:
    with platform_dag("two", owner="ada", release=facts.release()) as dag:
        with DaskCluster(template="etl", owner="ada") as first:
            clean = first.dask_job("clean", script="examples/flights_etl.py", arguments=["{{ ds }}"])
            again = first.dask_job("again", script="examples/flights_etl.py")
            clean >> again
        with DaskCluster(template="ml", owner="ada", workers=2) as second:
            train = second.dask_job("train", script="examples/flights_delay_model.py")
        again >> train
    return dag


def test_a_cluster_begins_after_what_its_jobs_wait_for() -> None:
    dag = _two_clusters()
    # Slots that the second held while it waited for the first could never be given to the first.
    assert dag.get_task("ml.begin").upstream_task_ids == {"etl.again"}
    assert dag.get_task("etl.begin").upstream_task_ids == set()
    assert dag.get_task("ml.slots").pool_slots == 2
    assert dag.topological_sort()


def test_jobs_of_one_cluster_and_tasks_between_make_no_cycle() -> None:
    with platform_dag("between", owner="ada", release=facts.release()) as dag:
        with DaskCluster(template="etl", owner="ada") as cluster:
            first = cluster.dask_job("first", script="examples/flights_etl.py")
            last = cluster.dask_job("last", script="examples/flights_etl.py")
        with DaskCluster(template="ml", owner="alan", placement="shared") as shared:
            middle = shared.dask_job("middle", script="examples/flights_etl.py")
        first >> middle >> last
    assert dag.get_task("etl.begin").upstream_task_ids == set()
    assert dag.topological_sort()


def _between(**middle: Any) -> None:
    with platform_dag("between", owner="ada", release=facts.release()):
        with DaskCluster(template="etl", owner="ada", workers=2) as cluster:
            first = cluster.dask_job("first", script="examples/flights_etl.py")
            last = cluster.dask_job("last", script="examples/flights_etl.py")
        with DaskCluster(template="ml", owner="ada", **middle) as other:
            job = other.dask_job("middle", script="examples/flights_etl.py")
        first >> job >> last


@pytest.mark.parametrize("placement", ["own", "shared"])
def test_a_run_that_would_wait_for_its_own_slots_is_refused(placement: str) -> None:
    message = r"cluster ml waits for 2 worker slots of ada, who has 3, while cluster etl holds 2 and waits for it"
    with pytest.raises(releases.ReleaseError, match=message):
        _between(workers=2, placement=placement)
    _between(workers=1, placement=placement)


def test_shared_jobs_hold_their_own_slots_and_delete_nothing() -> None:
    with (
        platform_dag("s", owner="ada", release=facts.release()) as dag,
        DaskCluster(template="etl", owner="ada", placement="shared", workers=2) as cluster,
    ):
        cluster.dask_job("a", script="examples/flights_etl.py")
        cluster.dask_job("b", script="examples/flights_etl.py", workers=(1, 1))
    assert [task.task_id for task in dag.tasks] == ["etl.a", "etl.b"]
    job = dag.get_task("etl.a")
    assert (job.pool, job.pool_slots, job.labels["slots"]) == ("user-ada", 2, "2")
    # One that asks for less takes less of its owner's.
    small = dag.get_task("etl.b")
    assert (small.pool, small.pool_slots, small.labels["slots"]) == ("user-ada", 1, "1")
    assert job.cluster_name == "shared-local-etl"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: platform_dag("d", owner="ada", release=facts.release(), dagrun_timeout=timedelta(1)),
            TypeError,
            "dagrun_timeout",
        ),
        (lambda: platform_dag("d", owner="adda", release=facts.release()), releases.ReleaseError, "did you mean 'ada'"),
        (
            lambda: _job(script="examples/flight_etl.py"),
            releases.ReleaseError,
            "did you mean 'examples/flights_etl.py'",
        ),
        (lambda: DaskCluster(template="etl", owner="ada", dag=DAG("d", schedule=None)), TypeError, "platform_dag"),
        (
            lambda: platform_dag("d", owner="grace", release=facts.release()),
            releases.ReleaseError,
            "owner 'grace' is of the team 'platform', expected a user of 'growth'",
        ),
        (lambda: _cluster(owner="grace"), releases.ReleaseError, "owner 'grace' is of the team 'platform'"),
        (
            lambda: _cluster(labels={"owner": "grace"}),
            releases.ReleaseError,
            "label owner is 'grace', expected 'ada', as the platform sets it",
        ),
        (lambda: _cluster(labels={"managed-by": "me"}), releases.ReleaseError, "label managed-by is 'me'"),
        (lambda: _job(workers=(1, 3)), releases.ReleaseError, r"workers is \(1, 3\), expected at most 2"),
        (lambda: _job(workers=(2, 1)), releases.ReleaseError, r"workers is \(2, 1\), expected"),
        (
            lambda: _job(arguments=["gs://${data_buckt}/x"]),
            releases.ReleaseError,
            "placeholder 'data_buckt' is not one of .*; did you mean 'data_bucket'",
        ),
        (lambda: _job(labels={"owner": "grace"}), TypeError, "'labels'"),
        (lambda: _job(placement="shared", pool="default_pool"), TypeError, "'pool'"),
        (lambda: _job(placement="shared", pool_slots=1), TypeError, "'pool_slots'"),
    ],
)
def test_misuse_is_refused(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def _cluster(**options: Any) -> DaskCluster:
    with platform_dag("d", owner="ada", release=facts.release()):
        return DaskCluster(**{"template": "etl", "owner": "ada", **options})


def _job(**options: Any) -> None:
    placement = options.pop("placement", "own")
    with (
        platform_dag("d", owner="ada", release=facts.release()),
        DaskCluster(template="etl", owner="ada", placement=placement, workers=2) as cluster,
    ):
        cluster.dask_job("a", **{"script": "examples/flights_etl.py", **options})


def test_one_archive_has_the_dags_of_five_hundred_workloads(load: Loader) -> None:
    many = {f"w-{number}": facts.workload() for number in range(500)}
    assert set(many) <= set(load(workloads=many).dags)


def test_the_facts_are_read_once_for_all_dag_files_of_an_archive(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    loads = json.loads

    def noted(text: Any, **options: Any) -> Any:
        parsed = loads(text, **options)
        read.extend([parsed] if isinstance(parsed, dict) and "launcher" in parsed else [])
        return parsed

    workloads = {f"w-{number}": facts.workload() for number in range(3)}
    # They are large, and the archive has DAG files of its own beside that of the workloads.
    facts_of_team = facts.document(workloads=workloads)
    monkeypatch.setattr(json, "loads", noted)
    bag = load(workloads=workloads)
    assert len({dag.fileloc for dag in bag.dags.values()}) > 1
    assert read[-1] == facts_of_team
    assert len(read) == 2, "once by the test, which renders them"


def test_a_workload_costs_the_same_among_many() -> None:
    def calls(count: int) -> int:
        release = facts.release(workloads={f"w-{number}": facts.workload() for number in range(count)})
        events: Counter[str] = Counter()
        sys.setprofile(lambda _frame, event, _argument: events.update([event]))
        try:
            workload_dags(release)
        finally:
            sys.setprofile(None)
        return events["call"]

    # What is remembered from the first time on.
    calls(1)
    assert calls(40) < 4.2 * calls(10)


def test_parsing_does_not_import_the_providers_clients(tmp_path: Path) -> None:
    path = tmp_path / "dataplatform-growth.zip"
    path.write_bytes(facts.archive().data)
    program = (
        "import sys; from airflow.models.dagbag import DagBag; "
        f"bag = DagBag({str(path)!r}, include_examples=False); assert bag.dags and not bag.import_errors; "
        "print([name for name in ('google.cloud.dataproc_v1', 'google.cloud.storage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_examples_and_reaper_are_in_their_teams_archives(load: Loader) -> None:
    growth, platform = load("growth"), load("platform", workloads={})
    assert {"growth-flights", "growth-analytics-nfs"} <= set(growth.dags)
    assert {"platform-delay-model", "platform-reaper"} == set(platform.dags)
    flights = growth.dags["growth-flights"]
    assert flights.get_task("etl.clean").arguments[1] == "gs://local-project-data/nycflights13"
    assert flights.get_task("etl.analyse").arguments[3].endswith("/{{ ds }}")
    model = platform.dags["platform-delay-model"]
    assert model.get_task("training.begin").upstream_task_ids == {"statistics.delays"}
    assert model.get_task("statistics.slots").pool_slots == 2
    reaper = platform.dags["platform-reaper"]
    assert reaper.timetable.summary == "*/5 * * * *"
    assert reaper.max_active_runs == 1
    assert (reaper.is_paused_upon_creation, model.is_paused_upon_creation) == (False, None)
