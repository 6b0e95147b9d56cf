"""Worker slots: each slot is one Spark job with one task that runs one Dask worker as long as the slot lives.

Ending a slot ends its job, after which Spark's dynamic allocation gives the executor, and with it the container, back.
A worker that ends by itself is replaced: by Spark when its executor was lost, by the slot when the process ended.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dask_on_yarn.worker_process import WorkerEnd, WorkerTask, run_worker

#: Pause in seconds before a slot whose worker ended n times in a row is tried again.
BACKOFF_SECONDS = (0, 1, 2, 5, 10, 20, 30)
#: So many abnormal ends on one node make it worth naming.
BAD_NODE_ENDS = 3
#: So many workers in a row that ended before they reached the scheduler mean that none ever will.
MOST_FAILED_STARTS = 6


class JobRunner(Protocol):
    """What a slot needs of Spark; each method may be called from any thread."""

    def run(self, group: str, task: WorkerTask) -> WorkerEnd:
        """Run one task as a job of its own; blocks; raises when the job was cancelled or given up."""

    def cancel(self, group: str) -> None:
        """Cancel the job; ``run`` then raises."""

    def thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        """A thread from which ``run`` may be called."""

    def alive(self) -> bool:
        """Whether jobs can be run at all; False once Spark was stopped or is gone."""


class SparkJobRunner:
    """Runs slots on a SparkContext."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def run(self, group: str, task: WorkerTask) -> WorkerEnd:
        """As JobRunner says."""
        self._context.setJobGroup(group, f"Dask {task.slot}", interruptOnCancel=True)
        return self._context.parallelize([task], 1).mapPartitions(run_worker).collect()[0]

    def cancel(self, group: str) -> None:
        """As JobRunner says."""
        self._context.cancelJobGroup(group)

    def thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        """As JobRunner says."""
        from pyspark import InheritableThread  # noqa: PLC0415 - the local fallback runs without pyspark

        thread = InheritableThread(target=target, name=name)
        thread.daemon = True
        return thread

    def alive(self) -> bool:
        """As JobRunner says."""
        try:
            return not self._context._jsc.sc().isStopped()
        except Exception:  # py4j's many ways to say that the JVM is gone
            return False


@dataclass
class Slot:
    """One slot: ``ending`` once it is not wanted any more."""

    name: str
    group: str
    next_try: int = 1
    ends_in_a_row: int = 0
    ending: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class WorkerSlots:
    """All slots of a run. Methods return at once; ``say`` gets a line for people whenever something is lost."""

    def __init__(self, runner: JobRunner, template: WorkerTask, run_tag: str, say: Callable[[str], None]) -> None:
        self._runner = runner
        self._template = template
        self._tag = run_tag
        self._say = say
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._closed = False
        self._ends_by_host: Counter[str] = Counter()
        self._seen: set[str] = set()
        #: Workers that ended before they were seen, since the last one that was.
        self.failed_starts = 0

    @property
    def wanted(self) -> set[str]:
        """Names of the slots that are wanted, whether their worker is there yet or not."""
        with self._lock:
            return {slot.name for slot in self._slots.values() if not slot.ending.is_set()}

    @property
    def alive(self) -> set[str]:
        """Names of the slots whose job has not ended, also of those that are ending."""
        with self._lock:
            return {slot.name for slot in self._slots.values() if not slot.ended.is_set()}

    def add(self, count: int) -> list[str]:
        """Open ``count`` more slots; returns their names."""
        names = []
        for _ in range(count):
            with self._lock:
                if self._closed:
                    break
                self._number += 1
                name = f"worker-{self._number}"
                slot = self._slots[name] = Slot(name=name, group=f"{self._tag}-{name}")
            self._runner.thread(lambda slot=slot: self._run(slot), name).start()
            names.append(name)
        return names

    def see(self, worker_names: Iterable[str]) -> None:
        """These workers have reached the scheduler."""
        with self._lock:
            new = set(worker_names) - self._seen
            if new:
                self._seen |= new
                self.failed_starts = 0

    def let_end(self, name: str) -> None:
        """The slot's worker was told to leave: do not replace it when it is gone."""
        slot = self._find(name)
        if slot:
            slot.ending.set()

    def cancel(self, name: str) -> None:
        """End the slot now, with its worker if that still runs."""
        slot = self._find(name)
        if slot and not slot.ended.is_set():
            slot.ending.set()
            self._runner.cancel(slot.group)

    def wait_ended(self, name: str, seconds: float) -> bool:
        """Whether the slot's job ended within ``seconds``."""
        slot = self._find(name)
        return slot is None or slot.ended.wait(seconds)

    def stop_replacing(self) -> None:
        """The run is over: no slot gets another worker, and none is added."""
        with self._lock:
            self._closed = True
            slots = list(self._slots.values())
        for slot in slots:
            slot.ending.set()

    def _find(self, name: str) -> Slot | None:
        with self._lock:
            return self._slots.get(name)

    def _run(self, slot: Slot) -> None:
        try:
            while not slot.ending.is_set():
                self._run_once(slot)
                if slot.ending.is_set():
                    break
                pause = BACKOFF_SECONDS[min(slot.ends_in_a_row, len(BACKOFF_SECONDS)) - 1]
                slot.ending.wait(pause)
        finally:
            slot.ended.set()

    def _run_once(self, slot: Slot) -> None:
        try:
            end = self._runner.run(slot.group, replace(self._template, slot=slot.name, first_try=slot.next_try))
        except Exception as error:  # whatever Spark answers to a job that it gave up
            slot.next_try += 1
            slot.ends_in_a_row += 1
            if not self._runner.alive():
                slot.ending.set()
            if not slot.ending.is_set():
                from dask_on_yarn.spark_application import java_message  # noqa: PLC0415 - loads nothing of pyspark

                self._note_failed_start(slot.name)
                self._say(f"{slot.name} was given up by Spark and is asked for again: {java_message(error)}")
            return
        slot.next_try = end.attempt + 1
        if slot.ending.is_set():
            return
        slot.ends_in_a_row += 1
        self._note_failed_start(end.name)
        self._report(end)

    def _note_failed_start(self, worker: str) -> None:
        with self._lock:
            self.failed_starts += worker not in self._seen

    def _report(self, end: WorkerEnd) -> None:
        how = f"killed by signal {-end.exit_code}" if end.exit_code < 0 else f"ended with exit code {end.exit_code}"
        self._say(
            f"{end.name}: {how}, replacing it; the end of its log:\n" + "\n".join(f"    {line}" for line in end.log)
        )
        self._ends_by_host[end.host] += 1
        if self._ends_by_host[end.host] % BAD_NODE_ENDS == 0:
            self._say(
                f"node {end.host}: {self._ends_by_host[end.host]} workers ended there abnormally, look at this node"
            )
