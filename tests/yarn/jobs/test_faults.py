"""Whatever dies, the result or a clear failure arrives, and nothing is left running."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import psutil
import pytest

from tests.integration.conftest import LocalCloud
from tests.yarn.jobs.cluster import Cluster, Job, create_cluster, delete_cluster
from tests.yarn.jobs.scripts import COUNT, HOLD

CLUSTER_LOST, TIMEOUT, QUEUE_TIMEOUT = 75, 124, 125


@pytest.fixture
def own_cluster(yarn_cloud: LocalCloud, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of three workers for one test that loses nodes."""
    cluster = create_cluster(yarn_cloud, request.node.name.replace("_", "-")[:40].rstrip("-"))
    yield cluster
    delete_cluster(cluster)


def nodes_of(job: Job) -> tuple[str, list[str]]:
    """Names of the application master's node and of the other nodes that run something."""
    application = job.application()
    cli = job.cluster.cloud.cli("node", "list", job.cluster.name, "--json")
    nodes = json.loads(cli.stdout)
    master = application["amHostHttpAddress"].partition(":")[0]
    (with_master,) = [node["name"] for node in nodes if node["address"] == master]
    return with_master, [node["name"] for node in nodes if node["address"] != master and node["containers"] > 0]


def test_a_worker_killed_eight_times_in_a_row_is_replaced(cluster: Cluster) -> None:
    job = cluster.submit(COUNT, "300", "0.5", min_workers=2, max_workers=2)
    job.wait_for_output("STARTED")
    killed: set[int] = set()
    while len(killed) < 8:
        victim = job.wait_for(
            lambda: next((one for one in job.worker_processes() if one.pid not in killed), None), "a new worker"
        )
        # One that died with its nanny between the look and the kill was not killed here.
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
            killed.add(victim.pid)
    assert f"TOTAL {sum(range(300))}" in job.succeeds()
    cluster.assert_nothing_is_left()


def test_a_worker_with_its_nanny_killed_is_replaced(cluster: Cluster) -> None:
    job = cluster.submit(COUNT, "120", "0.5", min_workers=2, max_workers=2)
    job.wait_for_output("STARTED")
    worker = job.wait_for(lambda: next(iter(job.worker_processes()), None), "a worker")
    worker.parent().kill()
    assert f"TOTAL {sum(range(120))}" in job.succeeds()
    cluster.assert_nothing_is_left()


def test_a_lost_node(own_cluster: Cluster) -> None:
    job = own_cluster.submit(COUNT, "160", "0.5", min_workers=2, max_workers=2)
    job.wait_for_output("STARTED")
    job.wait_for(lambda: len(nodes_of(job)[1]) > 0, "a worker beside the application master's node")
    own_cluster.cloud.cli("node", "kill", own_cluster.name, nodes_of(job)[1][0])
    assert f"TOTAL {sum(range(160))}" in job.succeeds()
    own_cluster.assert_nothing_is_left()


def test_a_preempted_node_hands_its_data_over(own_cluster: Cluster) -> None:
    job = own_cluster.submit(COUNT, "200", "0.5", min_workers=2, max_workers=2)
    job.wait_for_output("STARTED")
    job.wait_for(lambda: len(nodes_of(job)[1]) > 0, "a worker beside the application master's node")
    own_cluster.cloud.cli("node", "preempt", own_cluster.name, nodes_of(job)[1][0], "--notice", "20")
    assert f"TOTAL {sum(range(200))}" in job.succeeds()
    own_cluster.assert_nothing_is_left()


def test_a_killed_application_master_comes_back_or_the_failure_says_so(cluster: Cluster) -> None:
    job = cluster.submit(COUNT, "100", "0.5", min_workers=1, max_workers=2)
    job.wait_for_output("STARTED")
    job.kill("ExecutorLauncher")
    if job.finished() == "DONE":
        assert f"TOTAL {sum(range(100))}" in job.output
    else:
        assert job.record()["result"]["exit_code"] == CLUSTER_LOST
    cluster.assert_nothing_is_left()


def test_a_killed_scheduler_is_a_clear_failure(cluster: Cluster) -> None:
    job = cluster.submit(COUNT, "400", "0.5", min_workers=1, max_workers=1)
    job.wait_for_output("STARTED")
    job.kill("scheduler_main")
    job.fails(CLUSTER_LOST)
    assert "Dask scheduler" in job.record()["result"]["reason"]
    cluster.assert_nothing_is_left()


@pytest.mark.parametrize("victim", ["run_dask.py", "SparkSubmit"])
def test_a_killed_driver_leaves_nothing(cluster: Cluster, victim: str) -> None:
    job = cluster.submit(COUNT, "400", "0.5", min_workers=2, max_workers=2)
    job.wait_for_output("STARTED")
    job.kill(victim)
    assert job.finished() == "ERROR"
    cluster.assert_nothing_is_left(90)


def test_cancelling_the_job_leaves_nothing(cluster: Cluster) -> None:
    job = cluster.submit(COUNT, "400", "0.5", min_workers=2, max_workers=2)
    job.wait_for_output("STARTED")
    job.cancel()
    assert job.finished() == "CANCELLED"
    cluster.assert_nothing_is_left()


def test_a_job_over_its_timeout_is_ended_and_says_so(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1, timeout=20)
    job.fails(TIMEOUT)
    assert max(count for _second, count in job.record()["workers"]["over_time"]) == 1
    cluster.assert_nothing_is_left()


def test_a_job_that_waits_too_long_in_its_queue_is_ended_and_names_whom_it_waited_for(cluster: Cluster) -> None:
    first = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1)
    first.wait_for_output("HOLDING")
    # Long enough for YARN to have heard of it and to have been asked who is in front.
    second = cluster.submit(HOLD, "1", "1", min_workers=1, max_workers=1, queue_timeout=45)
    output = second.fails(QUEUE_TIMEOUT)
    assert first.identity in output
    assert not any(count for _second, count in second.record()["workers"]["over_time"])
    first.cancel()
    assert first.finished() == "CANCELLED"
    cluster.assert_nothing_is_left()
