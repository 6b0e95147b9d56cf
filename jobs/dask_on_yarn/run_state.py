"""What the launcher wants to know about a running scheduler, as one cheap answer to one remote call.

It runs inside the scheduler's process. It reads counters the scheduler keeps anyway: a plugin that looks at every
transition would cost throughput.
"""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, SchedulerPlugin
from distributed.diagnostics.task_stream import TaskStreamPlugin

HANDLER = "dask_on_yarn_state"
#: The performance report draws the last so many tasks; each costs the scheduler about a KiB.
TASKS_IN_REPORT = 20_000


class LostWork(SchedulerPlugin):
    """Counts what must be computed again because a worker went: its running tasks and results only it held."""

    name = "dask-on-yarn-lost-work"

    def __init__(self) -> None:
        self.tasks = 0
        self.workers = 0

    def log_event(self, topic: str, msg: Any) -> None:
        """The scheduler says here which worker it removed, and what was on it."""
        if topic == "all" and isinstance(msg, dict) and msg.get("action") == "remove-worker":
            self.tasks += len(msg["processing-tasks"]) + len(msg["lost-computed-tasks"])
            self.workers += not msg["expected"]


def install(scheduler: Scheduler) -> None:
    """Make the scheduler answer ``await client.scheduler.dask_on_yarn_state()``."""

    lost_work = LostWork()
    scheduler.add_plugin(lost_work)
    scheduler.add_plugin(TaskStreamPlugin(scheduler, maxlen=TASKS_IN_REPORT))

    def answer() -> dict[str, Any]:
        return describe(scheduler, lost_work)

    scheduler.handlers[HANDLER] = answer


def describe(scheduler: Scheduler, lost_work: LostWork) -> dict[str, Any]:
    """Workers by name, tasks, memory in bytes; ``idle_since`` is a time of the epoch or None while there is work.

    ``tasks_done`` and ``tasks_erred`` count over the whole run, recomputed tasks again; ``tasks_total`` are those the
    scheduler knows. ``spilled_total`` is what was ever written to disk to make room, ``spilled`` what lies there now.
    """
    workers = {}
    for worker in scheduler.workers.values():
        memory = worker.memory
        workers[str(worker.name)] = {
            "address": worker.address,
            "memory": memory.process,
            "memory_limit": worker.memory_limit,
            "spilled": memory.spilled,
        }
    done = erred = total = 0
    for prefix in scheduler.task_prefixes.values():
        done += prefix.state_counts["memory"]
        erred += prefix.state_counts["erred"]
    for group in scheduler.task_groups.values():
        total += sum(group.states.values())
    written = sum(
        value
        for key, value in scheduler.cumulative_worker_metrics.items()
        if isinstance(key, tuple) and key[-2:] == ("disk-write", "bytes")
    )
    return {
        "workers": workers,
        "tasks_total": total,
        "tasks_done": done,
        "tasks_erred": erred,
        "tasks_retried": lost_work.tasks,
        "workers_lost": lost_work.workers,
        "memory_limit": sum(worker["memory_limit"] for worker in workers.values()),
        "memory": sum(worker["memory"] for worker in workers.values()),
        "spilled": sum(worker["spilled"] for worker in workers.values()),
        "spilled_total": int(written),
        "idle_since": scheduler.idle_since,
    }
