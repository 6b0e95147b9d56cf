"""What one user can have, with the platform's own sizes: never more than the limit, one application at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.yarn.support import Yarn, intervals_overlap, inventory, wait_until

SIZES = inventory("sizes")
NODE = next(iter(SIZES["nodes"].values()))
WORKER, MASTER, LIMIT = SIZES["worker"], SIZES["application_master"], SIZES["user"]
AT_LIMIT = (
    LIMIT["workers"] * WORKER["memory_mb"] + MASTER["memory_mb"],
    LIMIT["workers"] * WORKER["vcores"] + MASTER["vcores"],
)
# Longer than any test: such a container runs until its application is killed.
FOREVER = 3600.0


def workers(count: int, seconds: float) -> dict[str, float]:
    """Return what to submit for ``count`` of the platform's workers."""
    return {
        "containers": count,
        "memory_mb": WORKER["memory_mb"],
        "vcores": WORKER["vcores"],
        "master_memory_mb": MASTER["memory_mb"],
        "seconds": seconds,
    }


@pytest.fixture(scope="module")
def five_nodes(start_cluster: Callable[..., Yarn]) -> Iterator[Yarn]:
    """Return a cluster on which a fourth and a fifth worker would fit."""
    yarn = start_cluster()
    with yarn.many_nodes(5, NODE["yarn_memory_mb"], NODE["yarn_vcores"]):
        yield yarn


def test_an_application_grows_with_the_cluster_up_to_its_users_limit(start_cluster: Callable[..., Yarn]) -> None:
    """One worker and the master on one node, three on three; the fourth node goes to somebody who asks later."""
    yarn = start_cluster()
    yarn.add_nodes(1, NODE["yarn_memory_mb"], NODE["yarn_vcores"])
    with yarn.load() as load:
        load.submit("greedy", "ada", "root.normal", **workers(10, FOREVER))
        first = load.wait_for("greedy", "allocated")
        node = yarn.cluster.nodes()[0]
        assert (node.used_mb, node.used_vcores) == (NODE["yarn_memory_mb"], NODE["yarn_vcores"])

        yarn.add_nodes(2, NODE["yarn_memory_mb"], NODE["yarn_vcores"])
        allocated = load.wait_for("greedy", "allocated", LIMIT["workers"])
        assert allocated[0] == first[0], "the first worker was lost on the way"
        assert len({event["node"] for event in allocated}) == 3

        yarn.add_nodes(1, NODE["yarn_memory_mb"], NODE["yarn_vcores"])
        load.submit("modest", "grace", "root.normal", **workers(1, FOREVER))
        elsewhere = load.wait_for("modest", "allocated")[0]["node"]

        assert elsewhere not in {event["node"] for event in allocated}
        assert len(load.of("greedy", "allocated")) == LIMIT["workers"]
        leaf = yarn.leaves()["root.normal.ada"]
        assert (leaf.memory_mb, leaf.vcores) == AT_LIMIT
        # YARN goes on counting what it will never grant, and the autoscaler believes it: the launcher must not ask.
        assert yarn.get("metrics")["clusterMetrics"]["pendingMB"] == 7 * WORKER["memory_mb"]


def test_ten_workers_of_work_are_done_by_three_at_a_time(five_nodes: Yarn) -> None:
    """A request for ten is served by the three that are allowed, one after the other; no sample shows more."""
    most = (0, 0)
    with five_nodes.load() as load:
        load.submit("waves", "ada", "root.normal", **workers(10, 1.0))

        def finished() -> bool:
            nonlocal most
            leaf = five_nodes.leaves().get("root.normal.ada")
            if leaf:
                most = (max(most[0], leaf.memory_mb), max(most[1], leaf.vcores))
            return bool(load.of("waves", "finished"))

        wait_until(finished, "the application finished", every=0.05)
        assert len(load.of("waves", "completed")) == 10
    assert most == AT_LIMIT
    assert AT_LIMIT[0] <= LIMIT["memory_mb"] < AT_LIMIT[0] + WORKER["memory_mb"]


def test_of_three_applications_of_one_user_one_runs_and_two_wait(five_nodes: Yarn) -> None:
    """Whatever queues they are in, and although nodes are free; somebody else's does not wait for them."""
    names = ["ada-1", "ada-2", "ada-3"]
    with five_nodes.load() as load:
        for name, queue in zip(names, ("root.normal", "root.normal", "root.low"), strict=True):
            load.submit(name, "ada", queue, **workers(1, 12.0))
        load.submit("grace-1", "grace", "root.normal", **workers(1, FOREVER))
        for name in names:
            load.wait_for(name, "accepted")
        load.wait_for("grace-1", "allocated")
        wait_until(lambda: any(load.of(name, "allocated") for name in names), "one of three has a worker")

        states = sorted(five_nodes.application(name)["state"] for name in names)
        assert states == ["ACCEPTED", "ACCEPTED", "RUNNING"]
        waiting = [five_nodes.application(name) for name in names if not load.of(name, "running")]
        assert [application["runningContainers"] for application in waiting] == [0, 0]

        for name in names:
            load.wait_for(name, "finished")
        spans = [(load.of(name, "running")[0]["time"], load.of(name, "completed")[-1]["time"]) for name in names]
        assert not intervals_overlap(spans), spans
