"""Who gets how much of a full cluster: shares by weight, and preemption for those who have less than theirs.

The scale: a container of 1 GiB and 1 core stands for a worker, 22 of them for a cluster, so that a share is a number of
containers that can be counted. Users' limits are out of the way, the weights are the platform's own.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.yarn.support import KILL_WAIT, STARVATION_CHECK, Yarn, inventory, wait_until

UNIT_MB = 1024
NODES, UNITS_PER_NODE = 2, 11
UNITS = NODES * UNITS_PER_NODE
PREEMPTION_SECONDS = 4
# A master must be given room before it can ask for more, so preemption takes two rounds: the second starts at the next
# look for starvation. Above that: a busy machine takes its time.
SLACK_SECONDS = 25.0
THRESHOLD = 1.0
SIZES = {
    **inventory("sizes"),
    "nodes": {
        "small": {
            "memory_mb": UNITS_PER_NODE * UNIT_MB + 2048,
            "cores": UNITS_PER_NODE,
            "yarn_memory_mb": UNITS_PER_NODE * UNIT_MB,
            "yarn_vcores": UNITS_PER_NODE,
        }
    },
    "worker": {"memory_mb": UNIT_MB, "vcores": 1},
    "application_master": {"memory_mb": UNIT_MB, "vcores": 1},
    "user": {"workers": UNITS, "memory_mb": (UNITS + 1) * UNIT_MB, "vcores": UNITS + 1, "applications": 1},
    "cluster": {"workers_min": NODES, "workers_max": UNITS},
}
USERS = {"ada": {"team": "growth"}, "ben": {"team": "growth"}, "grace": {"team": "platform"}}
CRITICAL, ADA, BEN = "root.critical.grace", "root.normal.ada", "root.normal.ben"


def queues() -> dict[str, Any]:
    """Return the platform's queues with a preemption that is worth waiting for in a test."""
    changed = inventory("queues")
    changed["critical"]["preemption"]["timeout"] = PREEMPTION_SECONDS
    changed["normal"]["preemption"]["timeout"] = PREEMPTION_SECONDS
    return changed


def fair_shares() -> dict[str, float]:
    """Return how many containers each of the three users has a right to while all of them want more."""
    weights = {name: queue["weight"] for name, queue in inventory("queues").items()}
    unit = UNITS / (weights["critical"] + weights["normal"])
    return {CRITICAL: unit * weights["critical"], ADA: unit * weights["normal"] / 2, BEN: unit * weights["normal"] / 2}


@pytest.fixture(scope="module")
def yarn(start_cluster: Callable[..., Yarn]) -> Iterator[Yarn]:
    """Return a cluster of 22 units."""
    # Several containers a heartbeat: a full cluster in seconds although containers are short.
    running = start_cluster(
        queues=queues(), users=USERS, sizes=SIZES, properties={"yarn:yarn.scheduler.fair.assignmultiple": "true"}
    )
    with running.many_nodes(NODES, UNITS_PER_NODE * UNIT_MB, UNITS_PER_NODE):
        yield running


def units(yarn: Yarn) -> dict[str, int]:
    """Return the containers that each user has now, masters included."""
    leaves = yarn.leaves()
    return {name: leaves[name].vcores if name in leaves else 0 for name in (CRITICAL, ADA, BEN)}


def assert_all_in_their_queues(yarn: Yarn, owners: dict[str, tuple[str, str]]) -> None:
    """Every application that holds containers is in ``root.PRIORITY.USER`` of whoever submitted it."""
    holding = {
        application["name"]: (application["user"], application["queue"])
        for application in yarn.applications()
        if application["runningContainers"] > 0
    }
    assert holding == {name: (user, f"{priority}.{user}") for name, (user, priority) in owners.items()}


def test_weights_divide_a_full_cluster(yarn: Yarn) -> None:
    """Over a while, three users who all want everything have what their weights say, give or take 1.5 containers."""
    samples: list[dict[str, int]] = []
    owners = {"a": ("ada", "root.normal"), "b": ("ben", "root.normal"), "c": ("grace", "root.critical")}
    with yarn.load() as load:
        for name, (user, queue) in owners.items():
            load.submit(name, user, queue, containers=500, at_once=UNITS, memory_mb=UNIT_MB, vcores=1, seconds=4.0)
        # From here on every container has been given out while all three wanted more.
        for name in owners:
            load.wait_for(name, "completed", 4)

        def completed() -> int:
            return sum(len(load.of(name, "completed")) for name in owners)

        before = completed()

        def sampled() -> bool:
            samples.append(units(yarn))
            return len(samples) >= 60

        wait_until(sampled, "60 samples", every=0.15)
        turned_over = completed() - before
        assert_all_in_their_queues(yarn, owners)
    mean = {name: statistics.mean(sample[name] for sample in samples) for name in samples[0]}
    print(f"{turned_over} containers ended over {len(samples)} samples; {mean}, fair: {fair_shares()}")
    assert turned_over >= UNITS, f"only {turned_over} containers ended meanwhile: the shares were given out before"
    assert sum(mean.values()) > UNITS * 0.8, "the cluster was not full: nothing was contended"
    assert mean == pytest.approx(fair_shares(), abs=1.5)


def test_preemption_frees_the_share_of_critical_in_the_configured_time(yarn: Yarn) -> None:
    """Two users of normal hold everything for hours; critical has its part soon, and takes no more than its share."""
    owners = {"a": ("ada", "root.normal"), "b": ("ben", "root.normal"), "c": ("grace", "root.critical")}
    hold: dict[str, Any] = {"containers": UNITS, "memory_mb": UNIT_MB, "vcores": 1, "seconds": 3600.0}
    fair = fair_shares()
    # What is missing up to the threshold is made up in whole containers, rounded down.
    promised = math.floor(THRESHOLD * fair[CRITICAL])
    with yarn.load() as load:
        load.submit("a", "ada", "root.normal", **hold)
        wait_until(lambda: units(yarn)[ADA] == UNITS, "ada holds the whole cluster")
        load.submit("b", "ben", "root.normal", **hold)
        wait_until(lambda: units(yarn)[BEN] >= math.floor(THRESHOLD * UNITS / 2), "ben was given his part of normal")
        wait_until(lambda: sum(units(yarn).values()) == UNITS, "the cluster is full")
        before = len(load.of("a", "preempted") + load.of("b", "preempted"))

        load.submit("c", "grace", "root.critical", **hold)
        accepted = load.wait_for("c", "accepted")[0]["time"]
        lowest = units(yarn)

        def served() -> bool:
            now = units(yarn)
            lowest.update({name: min(lowest[name], now[name]) for name in now})
            return now[CRITICAL] >= promised

        wait_until(served, "critical has what the threshold promises")
        took = time.time() - accepted
        assert_all_in_their_queues(yarn, owners)
        taken = load.of("a", "preempted") + load.of("b", "preempted")
        print(f"critical had {units(yarn)[CRITICAL]} of {fair[CRITICAL]:.0f} after {took:.1f} s; lowest: {lowest}")

        assert PREEMPTION_SECONDS <= took <= PREEMPTION_SECONDS + 2 * KILL_WAIT + STARVATION_CHECK + SLACK_SECONDS
        assert len(taken) > before
        assert all(event["exit"] == -102 for event in taken)
        assert not load.of("c", "preempted", "lost"), "critical is not preemptible"
        assert min(lowest[ADA], lowest[BEN]) >= fair[ADA] - 1, "more was taken than what was above the share"
