"""Limits and rights of users, through the driver and on the ResourceManager."""

from __future__ import annotations

import pytest

from tests.integration.google import wait_for
from tests.yarn.jobs.cluster import Cluster
from tests.yarn.jobs.scripts import HOLD

NOT_ALLOWED = 77
CAP_MB = 43008
THREE_WORKERS_AND_MASTER_MB = 3 * 12288 + 1024


@pytest.fixture(autouse=True)
def nothing_is_left(cluster: Cluster):
    """Every test leaves the cluster empty."""
    yield
    cluster.assert_nothing_is_left()


def test_a_user_asking_for_ten_workers_gets_three_and_a_message(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "3", "600", min_workers=10, max_workers=10)
    job.wait_for_output("HOLDING")
    peak_pending = 0

    def three_workers() -> bool:
        nonlocal peak_pending
        metrics = cluster.yarn("metrics")["clusterMetrics"]
        peak_pending = max(peak_pending, metrics["pendingMB"])
        assert metrics["allocatedMB"] <= CAP_MB
        return metrics["allocatedMB"] == THREE_WORKERS_AND_MASTER_MB

    job.wait_for(three_workers, "three workers and the application master")
    assert cluster.yarn("metrics")["clusterMetrics"]["containersAllocated"] == 4
    assert peak_pending <= CAP_MB
    # One worker a node, and the application master beside one of them.
    assert sorted(node["numContainers"] for node in cluster.nodes()) == [1, 1, 2]
    job.cancel()
    job.finished()
    assert "10 workers" in job.output


def test_of_three_jobs_of_one_user_one_runs_and_two_wait_saying_for_whom(cluster: Cluster) -> None:
    first = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1)
    first.wait_for_output("HOLDING")
    waiting = [cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1) for _job in range(2)]
    for job in waiting:
        job.wait_for_output(first.identity)
    states = sorted(app["state"] for app in cluster.applications(user="ada", states="ACCEPTED,RUNNING"))
    assert states == ["ACCEPTED", "ACCEPTED", "RUNNING"]
    for job in (*waiting, first):
        job.cancel()
    for job in (*waiting, first):
        assert job.finished() == "CANCELLED"


def test_two_owners_of_drivers_started_as_root_land_in_two_leaves(cluster: Cluster) -> None:
    jobs = [cluster.submit(HOLD, "1", "600", owner=owner, min_workers=1, max_workers=1) for owner in ("ada", "grace")]
    for job in jobs:
        job.wait_for_output("HOLDING")
    found = {(app["user"], app["queue"]) for app in cluster.applications(states="RUNNING")}
    assert found == {("ada", "root.normal.ada"), ("grace", "root.normal.grace")}
    for job in jobs:
        job.cancel()
    for job in jobs:
        job.finished()


def test_a_user_without_the_right_is_refused_before_anything_starts(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "1", "1", owner="ada", priority="critical")
    output = job.refused()
    assert "root.critical" in output
    assert "grace" in output


def test_an_owner_that_is_not_the_jobs_is_refused(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "1", "1", owner="grace", labels={"owner": "ada"})
    job.fails(NOT_ALLOWED)
    reason = job.record()["result"]["reason"]
    assert "grace" in reason
    assert "ada" in reason
    assert job.application() == {}


def test_workers_that_are_not_needed_give_their_containers_back(cluster: Cluster) -> None:
    script = """
import time
from dask.distributed import Client

with Client() as client:
    client.gather(client.map(lambda number: time.sleep(1) or number, range(300), pure=False))
    print("IDLE", flush=True)
    time.sleep(120)
"""
    job = cluster.submit(script, min_workers=1, max_workers=3, idle_hold=5)
    seen = 0

    def all_three() -> bool:
        nonlocal seen
        seen = max(seen, cluster.yarn("metrics")["clusterMetrics"]["containersAllocated"])
        return seen == 4

    job.wait_for(all_three, "three workers while there is work")
    job.wait_for_output("IDLE")
    wait_for(
        lambda: cluster.yarn("metrics")["clusterMetrics"]["allocatedMB"] == 12288 + 1024, "one worker when idle", 90
    )
    job.cancel()
    job.finished()
