"""Who gets into which queue, as the ResourceManager itself decides it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.yarn.support import Yarn, inventory, rendered_queues, wait_until

SMALL: dict[str, Any] = {"containers": 1, "memory_mb": 1024, "vcores": 1}
# The platform's promise for a changed weight; YARN looks at the file every 10 s.
LIVE_SECONDS = 60.0


@pytest.fixture(scope="module")
def yarn(start_cluster: Callable[..., Yarn]) -> Iterator[Yarn]:
    """Return a small cluster with the queues of the common inventory."""
    node = next(iter(inventory("sizes")["nodes"].values()))
    running = start_cluster()
    with running.many_nodes(2, node["yarn_memory_mb"], node["yarn_vcores"]):
        yield running


def test_two_owners_land_in_two_queues_of_their_own(yarn: Yarn) -> None:
    """The queue asked for is the priority; YARN makes the user's below it."""
    with yarn.load() as load:
        load.submit("ada", "ada", "root.normal", **SMALL, seconds=0.1)
        load.submit("grace", "grace", "normal", **SMALL, seconds=0.1)
        load.submit("urgent", "grace", "root.critical", **SMALL, seconds=0.1)
        queues = {name: load.wait_for(name, "accepted")[0]["queue"] for name in ("ada", "grace", "urgent")}
        for name in queues:
            load.wait_for(name, "finished")
        assert queues == {"ada": "root.normal.ada", "grace": "root.normal.grace", "urgent": "root.critical.grace"}
        assert {name: yarn.application(name)["queue"] for name in queues} == queues


def test_a_user_without_the_right_is_refused_in_critical(yarn: Yarn) -> None:
    """The ResourceManager names the user and the queue, and keeps nothing of the application."""
    with yarn.load() as load:
        load.submit("pushy", "ada", "root.critical", **SMALL, seconds=0.1)
        refused = load.wait_for("pushy", "refused")[0]["diagnostics"]
        assert "User ada does not have permission" in refused
        assert "root.critical" in refused
        assert "pushy" not in {application["name"] for application in yarn.applications()}
        assert "root.critical.ada" not in yarn.leaves()


@pytest.mark.parametrize(
    ("queue", "user"),
    [
        ("root.nowhere", "ada"),
        ("default", "ada"),
        ("root.default", "ada"),
        ("root", "grace"),
        ("root.normal.deeper.still", "ada"),
        # Not in the inventory: the user as whom Dataproc starts drivers, when nobody says for whom.
        ("root.normal", "root"),
    ],
)
def test_what_is_no_priority_or_no_known_user_is_refused(yarn: Yarn, queue: str, user: str) -> None:
    """Nothing runs outside root.PRIORITY.USER."""
    name = f"stray-{queue}-{user}"
    with yarn.load() as load:
        load.submit(name, user, queue, **SMALL, seconds=0.1)
        assert load.wait_for(name, "refused")[0]["diagnostics"]
    assert all(re.fullmatch(r"root\.(critical|normal|low)\.\w+", leaf) for leaf in yarn.leaves())


def test_nobody_gets_into_the_queue_of_another_user(yarn: Yarn) -> None:
    """Naming another's queue, which exists by then, would be a way around one's own limit."""
    with yarn.load() as load:
        load.submit("grace-1", "grace", "root.normal", **SMALL, seconds=3600.0)
        load.wait_for("grace-1", "allocated")
        load.submit("guest", "ada", "root.normal.grace", **SMALL, seconds=0.1)
        assert load.wait_for("guest", "refused")[0]["diagnostics"]


def test_a_changed_weight_is_live_without_a_restart(yarn: Yarn) -> None:
    """The shares follow the file within a minute, in the same ResourceManager."""

    def shares() -> dict[str, int]:
        return {name: yarn.queue(f"root.{name}")["steadyFairResources"]["memory"] for name in inventory("queues")}

    started = yarn.get("info")["clusterInfo"]["startedOn"]
    before = shares()
    assert before["critical"] == pytest.approx(before["low"] * 8, rel=0.01)

    queues = inventory("queues")
    queues["low"]["weight"] = 8
    file = yarn.cluster.conf_directory / "fair-scheduler.xml"
    changed = file.with_suffix(".new")
    changed.write_text(rendered_queues(queues=queues), encoding="utf-8")
    began = time.monotonic()
    changed.rename(file)

    wait_until(lambda: shares()["low"] == shares()["critical"], "equal shares", LIVE_SECONDS, every=0.5)
    print(f"a changed weight was live after {time.monotonic() - began:.1f} s")
    assert yarn.get("info")["clusterInfo"]["startedOn"] == started
