"""Slots: what happens when workers end, without Spark."""

import threading

from dask_on_yarn import worker_slots
from dask_on_yarn.worker_process import WorkerEnd, WorkerTask, parse_worker_name, worker_name
from dask_on_yarn.worker_slots import WorkerSlots

TEMPLATE = WorkerTask(slot="", first_try=1, scheduler="tls://s:1", certificate="", key="")


class Runner:
    """Stands for Spark: a job blocks until the test says how it ends."""

    def __init__(self):
        self.tasks = []
        self.cancelled = []
        self.lives = True
        self.outcomes = {}
        self.started = threading.Semaphore(0)
        self.lock = threading.Lock()

    def run(self, group, task):
        gate = threading.Event()
        with self.lock:
            self.tasks.append(task)
            self.outcomes[group] = [gate, None]
        self.started.release()
        assert gate.wait(10)
        outcome = self.outcomes[group][1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def end(self, task, exit_code, host="node-a", attempt=None):
        made = attempt or task.first_try
        self.finish(task.slot, WorkerEnd(worker_name(task.slot, host, made), host, made, exit_code, ("last words",)))

    def finish(self, slot, outcome):
        group = next(group for group in self.outcomes if group.endswith(slot))
        self.outcomes[group][1] = outcome
        self.outcomes[group][0].set()

    def cancel(self, group):
        self.cancelled.append(group)
        self.outcomes[group][1] = RuntimeError("cancelled")
        self.outcomes[group][0].set()

    def alive(self):
        return self.lives

    def thread(self, target, name):
        return threading.Thread(target=target, name=name, daemon=True)

    def next(self):
        assert self.started.acquire(timeout=10)
        return self.tasks[-1]


def make(monkeypatch):
    monkeypatch.setattr(worker_slots, "BACKOFF_SECONDS", (0,))
    said = []
    runner = Runner()
    return WorkerSlots(runner, TEMPLATE, "run", said.append), runner, said


def test_names_can_be_read_back():
    assert parse_worker_name(worker_name("worker-2", "10.0.0.1", 3)) == ("worker-2", "10.0.0.1", 3)
    assert parse_worker_name("tls://10.0.0.1:3") is None
    assert parse_worker_name("worker-2 on a try x") is None


def test_a_worker_that_ends_is_replaced_under_a_new_name_and_its_log_is_shown(monkeypatch):
    slots, runner, said = make(monkeypatch)
    assert slots.add(1) == ["worker-1"]
    first = runner.next()
    runner.end(first, -9, attempt=2)  # Spark had replaced its executor once
    second = runner.next()
    assert (second.slot, second.first_try) == ("worker-1", 3)
    assert "killed by signal 9" in said[0]
    assert "last words" in said[0]
    slots.cancel("worker-1")


def test_a_slot_that_is_let_end_is_not_replaced(monkeypatch):
    slots, runner, said = make(monkeypatch)
    slots.add(2)
    runner.next()
    runner.next()
    slots.let_end("worker-1")
    assert slots.wanted == {"worker-2"}
    assert slots.alive == {"worker-1", "worker-2"}
    runner.end(next(task for task in runner.tasks if task.slot == "worker-1"), 0)
    assert slots.wait_ended("worker-1", 10)
    assert slots.alive == {"worker-2"}
    assert said == []


def test_cancelling_ends_the_job_of_that_slot_only(monkeypatch):
    slots, runner, said = make(monkeypatch)
    slots.add(2)
    runner.next()
    runner.next()
    slots.cancel("worker-2")
    assert slots.wait_ended("worker-2", 10)
    assert runner.cancelled == ["run-worker-2"]
    assert slots.alive == {"worker-1"}
    assert said == []


def test_a_slot_that_spark_gave_up_is_asked_for_again(monkeypatch):
    slots, runner, said = make(monkeypatch)
    slots.add(1)
    runner.next()
    runner.finish("worker-1", RuntimeError("Job aborted due to stage failure"))
    assert runner.next().first_try == 2
    assert "Job aborted" in said[0]
    slots.cancel("worker-1")


def test_a_node_where_workers_keep_ending_is_named(monkeypatch):
    slots, runner, said = make(monkeypatch)
    slots.add(1)
    for _ in range(worker_slots.BAD_NODE_ENDS):
        runner.end(runner.next(), 1, host="node-b")
    runner.next()
    assert any(line.startswith("node node-b: 3 workers ended") for line in said)
    slots.cancel("worker-1")


def test_the_pause_grows_with_every_end_in_a_row(monkeypatch):
    slots, runner, _ = make(monkeypatch)
    monkeypatch.setattr(worker_slots, "BACKOFF_SECONDS", (0, 0, 60))
    slots.add(1)
    for _ in range(3):
        runner.end(runner.next(), 1)
    assert not runner.started.acquire(timeout=0.3)
    slots.stop_replacing()
    assert slots.wait_ended("worker-1", 10)


def test_nothing_is_asked_for_when_spark_is_gone(monkeypatch):
    slots, runner, said = make(monkeypatch)
    slots.add(1)
    runner.next()
    runner.lives = False
    runner.finish("worker-1", RuntimeError("SparkContext was shut down"))
    assert slots.wait_ended("worker-1", 10)
    assert said == []


def test_no_slot_is_added_when_the_run_is_over(monkeypatch):
    slots, runner, _ = make(monkeypatch)
    slots.stop_replacing()
    assert slots.add(2) == []
    assert runner.tasks == []


def test_workers_that_end_unseen_count_as_failed_starts_until_one_is_seen(monkeypatch):
    slots, runner, _ = make(monkeypatch)
    slots.add(1)
    for _ in range(2):
        runner.end(runner.next(), 1)
    lives = runner.next()
    assert slots.failed_starts == 2
    slots.see([worker_name(lives.slot, "node-a", lives.first_try)])
    assert slots.failed_starts == 0
    runner.end(lives, -9)
    runner.next()
    assert slots.failed_starts == 0
    slots.cancel("worker-1")


def test_a_slot_that_spark_gives_up_is_a_failed_start(monkeypatch):
    slots, runner, _ = make(monkeypatch)
    slots.add(1)
    runner.next()
    runner.finish("worker-1", RuntimeError("Job aborted due to stage failure"))
    runner.next()
    assert slots.failed_starts == 1
    slots.cancel("worker-1")
