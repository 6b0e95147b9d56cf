"""The figures that are sent, and nothing else is: every one costs money for every series and minute.

They answer four questions: is my job stuck, does it spill, why is it waiting, is a node full. docs/metrics.md lists
them for people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

PREFIX = "custom.googleapis.com"
#: What a group of figures is about; each can be left out.
GROUPS = ("dask", "node", "yarn")
GAUGE, CUMULATIVE = "GAUGE", "CUMULATIVE"
INT64, DOUBLE = "INT64", "DOUBLE"


@dataclass(frozen=True)
class Figure:
    """One metric of Cloud Monitoring: its name below the prefix, unit (UCUM), kind and type of value."""

    name: str
    description: str
    unit: str = "1"
    value_type: str = INT64
    kind: str = GAUGE

    @property
    def type(self) -> str:
        """The metric's type in Cloud Monitoring."""
        return f"{PREFIX}/{self.name}"

    @property
    def exposed_name(self) -> str:
        """Its name on the node's own endpoint."""
        return self.name.replace("/", "_")

    @property
    def group(self) -> str:
        """Which group it belongs to."""
        return self.name.partition("/")[0]

    def holds(self, value: float) -> bool:
        """Whether it can have the value: what users' code answers may be infinite, or more than 64 bits."""
        return math.isfinite(value) if self.value_type == DOUBLE else -(2**63) <= value < 2**63


@dataclass(frozen=True)
class Selection:
    """What of Dask's own metrics becomes a figure.

    `label` is the one label of the source that is kept, `values` those of its values that are; samples that are then
    the same, without `label` all of the source, are added up.
    """

    figure: Figure
    source: str
    label: str = ""
    values: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Reading:
    """One value of a figure; `since` (seconds of the epoch) is from when a cumulative one counts."""

    figure: Figure
    value: float
    labels: dict[str, str] = field(default_factory=dict)
    since: float = 0.0


# -- the node

CPU = Figure("node/cpu_utilization", "Part of the node's processor time that was used", value_type=DOUBLE)
MEMORY = Figure("node/memory_utilization", "Part of the node's memory that programs cannot have", value_type=DOUBLE)
DISK = Figure("node/disk_utilization", "Part of a local disk that is used", value_type=DOUBLE)
BLOCKED = Figure("node/processes_blocked", "Processes that wait for a disk or a file server", unit="{process}")
CONTAINERS = Figure("node/containers", "YARN containers that run on the node", unit="{container}")
BAD_DISKS = Figure(
    "node/bad_directories", "Directories that the NodeManager does not use, most often: full", unit="{dir}"
)

# -- YARN's queues, from the master

WAITING = Figure("yarn/applications_pending", "Applications of a queue that wait", unit="{application}")
RUNNING = Figure("yarn/applications_running", "Applications of a queue that run", unit="{application}")
PENDING = Figure("yarn/memory_pending", "Memory that a queue's applications wait for", unit="By")

# -- Dask's schedulers and workers

SCHEDULER_UP = Figure("dask/scheduler_up", "Whether the run's scheduler answered: 1 or 0")
WORKER_UP = Figure("dask/worker_up", "Whether the worker answered: 1 or 0")
WORKERS = Figure("dask/workers", "Workers that the scheduler knows, by state", unit="{worker}")
WANTED = Figure("dask/workers_wanted", "Workers that the run's tasks could use", unit="{worker}")
TASKS = Figure("dask/tasks", "Tasks that the scheduler knows, by state", unit="{task}")
COMPUTED = Figure(
    "dask/compute_time", "Time that workers computed for the run", unit="s", value_type=DOUBLE, kind=CUMULATIVE
)
SCHEDULER_DELAY = Figure(
    "dask/scheduler_delay", "Longest time in which the scheduler answered nobody", unit="s", value_type=DOUBLE
)
WORKER_DELAY = Figure(
    "dask/worker_delay", "Longest time in which the worker answered nobody", unit="s", value_type=DOUBLE
)
WORKER_MEMORY = Figure("dask/worker_memory", "Memory of a worker, and what it spilled to disk", unit="By")
WORKER_TASKS = Figure("dask/worker_tasks", "Tasks on a worker, by state", unit="{task}")

FIGURES = (
    *(CPU, MEMORY, DISK, BLOCKED, CONTAINERS, BAD_DISKS),
    *(WAITING, RUNNING, PENDING),
    *(SCHEDULER_UP, WORKERS, WANTED, TASKS, COMPUTED, SCHEDULER_DELAY),
    *(WORKER_UP, WORKER_MEMORY, WORKER_TASKS, WORKER_DELAY),
)

SELECTIONS = {
    "scheduler": (
        Selection(
            WORKERS,
            "dask_scheduler_workers",
            "state",
            frozenset({"idle", "partially_saturated", "saturated", "paused", "retiring"}),
        ),
        Selection(WANTED, "dask_scheduler_desired_workers"),
        Selection(
            TASKS,
            "dask_scheduler_tasks",
            "state",
            frozenset({"waiting", "queued", "no-worker", "processing", "memory", "erred"}),
        ),
        Selection(COMPUTED, "dask_scheduler_tasks_compute_seconds_total"),
        Selection(SCHEDULER_DELAY, "dask_scheduler_tick_duration_maximum_seconds"),
    ),
    "worker": (
        Selection(WORKER_MEMORY, "dask_worker_memory_bytes", "type", frozenset({"managed", "unmanaged", "spilled"})),
        Selection(WORKER_TASKS, "dask_worker_tasks", "state", frozenset({"executing", "ready", "memory", "disk"})),
        Selection(WORKER_DELAY, "dask_worker_tick_duration_maximum_seconds"),
    ),
}
UP = {"scheduler": SCHEDULER_UP, "worker": WORKER_UP}
