"""A day of twenty-five users on one cluster, compressed: who submits what, what is seen meanwhile, how long they wait.

The platform's own sizes on its largest cluster: ten nodes that hold one worker and one application master each. Only
time is compressed, about 1:1000: a worker of 2 s stands for half an hour, 30 s of arrivals for a working day. YARN
needs a second or two until a master runs, which is not compressed, so waiting times are an upper bound.
"""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PRIORITIES = ("critical", "normal", "low")
USERS = {f"user{number:02}": {"team": "growth" if number % 2 else "platform"} for number in range(1, 26)}
# Few have the right to be urgent; more would make it worth nothing.
URGENT_USERS = ("user01", "user02", "user03", "user04")
NODES = 10


@dataclass(frozen=True)
class Job:
    """One application of the day."""

    name: str
    user: str
    priority: str
    at: float
    workers: int
    seconds: float


def jobs(seed: int, arrival_seconds: float = 30.0) -> list[Job]:
    """Return the day's jobs by time: everybody has one in the morning's first seconds, and one or two later."""
    chance = random.Random(seed)  # noqa: S311
    found = []
    for user in USERS:
        times = [chance.uniform(0, 2.0), *(chance.uniform(2.0, arrival_seconds) for _ in range(chance.randint(1, 2)))]
        for number, at in enumerate(times):
            weights = (8, 2, 1) if user in URGENT_USERS else (0, 7, 2)
            priority = chance.choices(PRIORITIES, weights)[0]
            workers = chance.choices((1, 2, 3), (5, 3, 2))[0]
            found.append(Job(f"{user}-{number}", user, priority, at, workers, round(chance.uniform(0.5, 3.0), 1)))
    return sorted(found, key=lambda job: job.at)


@dataclass
class Observed:
    """The most that any sample showed, over the whole day."""

    samples: int = 0
    memory_mb: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    vcores: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    running: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    strays: set[str] = field(default_factory=set)
    used: list[dict[str, float]] = field(default_factory=list)

    def add(self, seconds: float, applications: Iterable[dict[str, Any]]) -> None:
        """Take one list of applications as the ResourceManager reports them, ``seconds`` into the day."""
        self.samples += 1
        memory: dict[str, int] = defaultdict(int)
        vcores: dict[str, int] = defaultdict(int)
        running: dict[str, int] = defaultdict(int)
        by_priority = dict.fromkeys(PRIORITIES, 0)
        for application in applications:
            user = application["user"]
            _, priority, leaf = application["queue"].split(".")
            if leaf != user:
                self.strays.add(application["queue"])
            memory[user] += max(0, application["allocatedMB"])
            vcores[user] += max(0, application["allocatedVCores"])
            running[user] += application["runningContainers"] > 0
            by_priority[priority] += max(0, application["allocatedVCores"])
        for most, now in ((self.memory_mb, memory), (self.vcores, vcores), (self.running, running)):
            for user, value in now.items():
                most[user] = max(most[user], value)
        self.used.append({"seconds": round(seconds, 2), **by_priority})


def waits(day: Iterable[Job], events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return per job how long it waited for its application master and for its first worker, in seconds."""
    first: dict[tuple[str, str], float] = {}
    preempted: dict[str, int] = defaultdict(int)
    for event in events:
        first.setdefault((event["name"], event["event"]), event["time"])
        preempted[event["name"]] += event["event"] == "preempted"
    found = []
    for job in day:
        submitted = first[job.name, "submitted"]
        times = {kind: first.get((job.name, kind)) for kind in ("running", "allocated", "finished")}
        after = {kind: None if moment is None else round(moment - submitted, 2) for kind, moment in times.items()}
        found.append(
            {
                "name": job.name,
                "user": job.user,
                "priority": job.priority,
                "workers": job.workers,
                "worker_seconds": job.seconds,
                "master_after": after["running"],
                "worker_after": after["allocated"],
                "finished_after": after["finished"],
                "preempted": preempted[job.name],
            }
        )
    return found


def summary(waited: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return count, median, ninth decile and maximum of the wait for the first worker, by priority."""
    found = {}
    for priority in PRIORITIES:
        values = sorted(job["worker_after"] for job in waited if job["priority"] == priority)
        if values:
            found[priority] = {
                "jobs": len(values),
                "median": statistics.median(values),
                "p90": values[min(len(values) - 1, int(0.9 * len(values)))],
                "max": values[-1],
            }
    return found
