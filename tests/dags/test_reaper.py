"""What the reaper decides, and that it acts on nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from dataplatform_dask.cloud import ClusterRecord, JobRecord
from dataplatform_dask.reaper import CANCEL_JOB, DELETE_CLUSTER, REPORT, decide

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OURS = {"managed-by": "dataplatform-compute", "environment": "local"}
LIVE = {("flights", "run-1")}
RUN = {"dag": "flights", "run": "run-1", "placement": "own", "owner": "ada"}


def _cluster(name: str = "c", age: float = 60, state: str = "RUNNING", labels: Any = RUN, **more: Any) -> ClusterRecord:
    created = NOW - timedelta(seconds=age)
    return ClusterRecord(name, state, {**OURS, **labels}, created=created, **more)


def _job(name: str = "j", age: float = 60, state: str = "RUNNING", labels: Any = RUN, cluster: str = "x") -> JobRecord:
    started = NOW - timedelta(seconds=age)
    return JobRecord(name, state, {**OURS, **labels}, cluster=cluster, started=started)


def _decide(clusters: Iterable[ClusterRecord] = (), jobs: Iterable[JobRecord] = ()) -> list[tuple[str, str]]:
    actions = decide(
        clusters, jobs, now=NOW, live_runs=LIVE, users={"ada": {"slots": 3}, "grace": {"slots": 3}}, ownership=OURS
    )
    assert all(action.reason for action in actions)
    return [(action.kind, action.name) for action in actions]


def test_live_and_young_is_left_alone() -> None:
    assert _decide([_cluster()], [_job()]) == []


def test_a_run_that_has_ended_has_no_cluster_and_no_job() -> None:
    ended = {**RUN, "run": "run-0"}
    assert _decide([_cluster("a", labels=ended)], [_job("b", labels=ended)]) == [
        (DELETE_CLUSTER, "a"),
        (CANCEL_JOB, "b"),
    ]
    # The job goes with its cluster.
    assert _decide([_cluster("a", labels=ended)], [_job("b", labels=ended, cluster="a")]) == [(DELETE_CLUSTER, "a")]


def test_age() -> None:
    assert _decide([_cluster(age=14_400, max_age=14_400)]) == []
    assert _decide([_cluster(age=15_001, max_age=14_400)]) == [(DELETE_CLUSTER, "c")]
    # One without a maximum of its own, and one that no run made, such as a shared one.
    assert _decide([_cluster(age=86_401 + 600)]) == [(DELETE_CLUSTER, "c")]
    shared = {"placement": "shared"}
    assert _decide([_cluster(labels=shared)]) == []
    assert _decide([_cluster(age=90_000, labels=shared)]) == [(DELETE_CLUSTER, "c")]


def test_error() -> None:
    assert _decide([_cluster(state="ERROR", age=9_000, since=NOW - timedelta(seconds=60))]) == []
    assert _decide([_cluster(state="ERROR", age=9_000, since=NOW - timedelta(seconds=901))]) == [(DELETE_CLUSTER, "c")]
    assert _decide([_cluster(state="DELETING", age=999_999)]) == []


def test_jobs_over_their_time() -> None:
    timed = {**RUN, "timeout": "100"}
    assert _decide(jobs=[_job(age=700, labels=timed)]) == []
    assert _decide(jobs=[_job(age=701, labels=timed)]) == [(CANCEL_JOB, "j")]
    assert _decide(jobs=[_job(age=99_999)]) == []
    assert _decide(jobs=[_job(age=701, labels=timed, state="DONE")]) == []


def test_foreign_is_never_touched() -> None:
    foreign = {**RUN, "run": "run-0", "environment": "prod"}
    other = {**RUN, "run": "run-0", "managed-by": "somebody"}
    for labels in (foreign, other):
        assert _decide([_cluster(age=999_999, labels=labels)], [_job(age=999_999, labels=labels)]) == []
    unlabelled = ClusterRecord("c", "RUNNING", {"dag": "flights", "run": "run-0"}, created=NOW - timedelta(days=9))
    assert _decide([unlabelled]) == []
    assert decide([unlabelled], [], now=NOW, live_runs=(), users={}, ownership={}) == []


def test_users_over_their_total_are_reported_and_not_touched() -> None:
    two = {**RUN, "slots": "2"}
    shared = {**RUN, "placement": "shared", "slots": "1"}
    assert _decide([_cluster("a", labels=two)], [_job("b", labels=shared)]) == []
    assert _decide([_cluster("a", labels=two), _cluster("d", labels=two)]) == [(REPORT, "ada")]
    assert _decide([_cluster("a", labels=two)], [_job("b", labels={**shared, "slots": "2"})]) == [(REPORT, "ada")]
    # A cluster that is about to go does not count; one that does not say its slots counts with all.
    assert _decide([_cluster("a", labels={**two, "run": "run-0"}), _cluster("d", labels=two)]) == [
        (DELETE_CLUSTER, "a")
    ]
    assert _decide([_cluster("a"), _cluster("d", labels=two)]) == [(REPORT, "ada")]
