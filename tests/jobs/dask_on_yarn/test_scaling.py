"""Scaling over slots with Dask's own Adaptive, and hosts that go; slots and client are stand-ins."""

import asyncio

from dask_on_yarn.departures import Departures
from dask_on_yarn.scaling import SlotCluster


class Slots:
    def see(self, worker_names):
        pass

    def __init__(self):
        self.wanted = set()
        self.log = []
        self.number = 0

    def add(self, count):
        for _ in range(count):
            self.number += 1
            self.wanted = self.wanted | {f"worker-{self.number}"}
            self.log.append(("add", f"worker-{self.number}"))
        return sorted(self.wanted)

    def let_end(self, name):
        self.wanted = self.wanted - {name}
        self.log.append(("let_end", name))

    def wait_ended(self, name, seconds):
        self.log.append(("wait", name, seconds > 0))
        return name != "worker-3"  # this one does not leave by itself

    def cancel(self, name):
        self.log.append(("cancel", name))


class Scheduler:
    def __init__(self, log):
        self.log = log

    async def retire_workers(self, names, close_workers, remove):
        assert close_workers and remove
        self.log.append(("retire", *sorted(names)))


class Client:
    loop = None

    def __init__(self, log):
        self.scheduler = Scheduler(log)


def make(most=3):
    slots = Slots()
    return SlotCluster(Client(slots.log), slots, most, str), slots


def test_scaling_opens_only_what_is_missing():
    cluster, _ = make()
    asyncio.run(cluster.scale(2))
    asyncio.run(cluster.scale(2))
    asyncio.run(cluster.scale(1))
    assert cluster.plan == {"worker-1", "worker-2"}
    assert cluster.observed == set()
    cluster.see(["worker-1 on a try 1", "somebody-elses"])
    assert cluster.observed == {"worker-1"}


def test_retiring_marks_the_slot_first_so_that_its_worker_is_not_replaced():
    cluster, slots = make()
    slots.add(2)
    slots.log.clear()
    cluster.see(["worker-1 on a try 1", "worker-2 on b try 4"])
    asyncio.run(cluster.retire(["worker-2"], "idle"))
    assert slots.log == [("let_end", "worker-2"), ("retire", "worker-2 on b try 4"), ("wait", "worker-2", True)]


def test_a_slot_whose_worker_never_came_or_does_not_leave_is_cancelled():
    cluster, slots = make()
    slots.add(3)
    slots.log.clear()
    asyncio.run(cluster.retire(["worker-3"], "idle"))
    assert slots.log == [("let_end", "worker-3"), ("wait", "worker-3", False), ("cancel", "worker-3")]


def test_workers_of_a_host_that_goes_are_replaced_when_its_executor_is_gone(monkeypatch):
    cluster, slots = make()
    slots.add(2)
    slots.log.clear()
    cluster.see(["worker-1 on node-a try 1", "worker-2 on node-b try 1"])
    answers = [["node-a", "node-b"], ["node-b"]]

    def executor_hosts():
        slots.log.append(("executors",))
        return answers.pop(0)

    async def no_sleep(seconds):
        pass

    monkeypatch.setattr(asyncio, "sleep", no_sleep)
    departures = Departures(cluster._client, cluster, executor_hosts, None, str)
    asyncio.run(departures.leave("node-a", "test"))
    assert [entry[0] for entry in slots.log] == ["let_end", "retire", "wait", "executors", "executors", "add"]
    assert cluster.plan == {"worker-2", "worker-3"}


def test_a_host_without_workers_of_ours_changes_nothing():
    cluster, slots = make()
    slots.add(1)
    cluster.see(["worker-1 on node-a try 1"])
    slots.log.clear()
    asyncio.run(Departures(cluster._client, cluster, list, None, str).leave("node-b", "test"))
    assert slots.log == []
