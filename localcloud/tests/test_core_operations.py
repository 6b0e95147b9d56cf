"""Long-running operations: by the clock, by their service, by a fault, and across a restart."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta

import pytest

from localcloud.clock import Clock
from localcloud.errors import ApiError
from localcloud.faults import Faults
from localcloud.operations import Operations
from localcloud.store import Store

NAME = "projects/p/regions/r/operations/one"
METHOD = "dataproc.projects.regions.clusters.create"


class World:
    """A store, hands on the clock, and operations over both."""

    def __init__(self, path):
        self.path = path
        self.instant = datetime(2026, 1, 1, tzinfo=UTC)
        self.restart()

    def restart(self):
        self.store = Store(self.path)
        self.faults = Faults(self.store)
        self.operations = Operations(self.store, Clock("real", lambda: self.instant), self.faults)
        self.operations.register("create", finish=self.finish, fail=self.fail)
        self.failed = []

    def finish(self, operation):
        self.store.put(operation.payload["key"], "clusters", {"state": "RUNNING"})
        return {"@type": "type.googleapis.com/Cluster", "name": operation.payload["key"]}

    def fail(self, operation, error):
        self.failed.append((operation.name, error.status))

    def start(self, name=NAME, seconds=90.0):
        return self.operations.start(
            METHOD, name, kind="create", metadata={"@type": "M"}, payload={"key": "c"}, seconds=seconds
        )

    def wait(self, seconds):
        self.instant += timedelta(seconds=seconds)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "state.sqlite")


def test_it_ends_by_the_clock_and_not_before(world):
    started = world.start()
    assert started == {"name": NAME, "metadata": {"@type": "M"}}
    world.wait(89)
    assert "done" not in world.operations.get(NAME)
    assert world.store.get("c") is None
    world.wait(1)
    ended = world.operations.get(NAME)
    assert ended["done"] is True
    assert ended["response"] == {"@type": "type.googleapis.com/Cluster", "name": "c"}
    assert world.store.get("c") == {"state": "RUNNING"}


def test_it_ends_without_anybody_polling_it(world):
    world.start()
    world.wait(100)
    world.operations.tick()
    assert world.store.get("c") == {"state": "RUNNING"}


def test_one_that_was_under_way_ends_after_a_restart(world):
    world.start()
    world.restart()
    world.wait(100)
    assert world.operations.get(NAME)["response"]["name"] == "c"


def test_what_a_failing_end_wrote_is_undone(world):
    def finish(operation):
        world.store.put("c", "clusters", {"state": "HALF"})
        raise ApiError(429, "quota", "RESOURCE_EXHAUSTED")

    world.operations.register("create", finish=finish, fail=world.fail)
    world.start()
    world.wait(100)
    assert world.operations.get(NAME)["error"] == {"code": 8, "message": "quota"}
    assert world.store.get("c") is None
    assert world.failed == [(NAME, "RESOURCE_EXHAUSTED")]


def test_one_that_cannot_end_well_keeps_no_other_from_ending(world):
    def finish(operation):
        raise KeyError("payload of another version")

    world.operations.register("broken", finish=finish, fail=world.fail)
    world.operations.start(METHOD, NAME + "0", kind="broken", metadata={}, seconds=10)
    world.start()
    world.wait(100)
    world.operations.tick()
    assert world.operations.get(NAME + "0")["error"]["code"] == 13
    assert world.failed == [(NAME + "0", "INTERNAL")]
    assert world.operations.get(NAME)["done"] is True


def test_an_end_that_the_disk_has_no_room_for_comes_later(world):
    full = [True]

    def finish(operation):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return world.finish(operation)

    world.operations.register("create", finish=finish, fail=world.fail)
    world.start()
    world.wait(100)
    with pytest.raises(OSError, match="No space"):
        world.operations.tick()
    full[0] = False
    assert world.operations.get(NAME)["response"]["name"] == "c"


def test_injected_error(world):
    world.faults.add({"kind": "operation-error", "status": "INTERNAL", "message": "boom", "count": 1})
    world.start()
    world.start(NAME + "2")
    world.wait(100)
    assert world.operations.get(NAME)["error"] == {"code": 13, "message": "boom"}
    assert world.failed == [(NAME, "INTERNAL")]
    assert "response" in world.operations.get(NAME + "2")


def test_injected_hang_survives_its_service_and_a_restart_but_not_a_cancel(world):
    world.faults.add({"kind": "operation-hang"})
    world.start()
    world.wait(10**6)
    world.operations.complete(NAME, {"done": "no"})
    assert "done" not in world.operations.get(NAME)
    world.restart()
    assert "done" not in world.operations.get(NAME)
    world.operations.cancel(NAME)
    assert world.operations.get(NAME)["error"]["code"] == 1


def test_a_service_ends_its_own(world):
    world.start(seconds=None)
    world.wait(10**6)
    assert "done" not in world.operations.get(NAME)
    world.operations.complete(NAME, {"x": 1}, metadata={"@type": "M", "state": "DONE"})
    assert world.operations.get(NAME) == {
        "name": NAME,
        "metadata": {"@type": "M", "state": "DONE"},
        "done": True,
        "response": {"x": 1},
    }
    world.operations.fail(NAME, ApiError(400, "late"))
    assert "error" not in world.operations.get(NAME)


def test_lists_are_scoped_and_paged(world):
    for number in range(5):
        world.start(f"projects/p/regions/r/operations/{number}")
        world.wait(1)
    world.start("projects/p/regions/rx/operations/other")
    first = world.operations.list("projects/p/regions/r/operations", page_size=3)
    second = world.operations.list("projects/p/regions/r/operations", 3, first["nextPageToken"])
    names = [operation["name"][-1] for operation in first["operations"] + second["operations"]]
    assert names == ["4", "3", "2", "1", "0"]
    assert "nextPageToken" not in second
    assert world.operations.list("projects/none/operations") == {}
    for size, token in ((-1, ""), (3, "x")):
        with pytest.raises(ApiError) as caught:
            world.operations.list("projects/p/regions/r/operations", size, token)
        assert caught.value.code == 400


def test_delete_and_absence(world):
    world.start()
    with pytest.raises(ApiError, match="still running"):
        world.operations.delete(NAME)
    world.wait(100)
    world.operations.get(NAME)
    world.operations.delete(NAME)
    for action in (world.operations.get, world.operations.cancel, world.operations.delete):
        with pytest.raises(ApiError) as caught:
            action(NAME)
        assert caught.value.code == 404
