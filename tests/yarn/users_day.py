"""Run the day of twenty-five users on a cluster and record it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from localcloud.hadoop import HadoopRuntime
from tests.yarn.load.day import NODES, URGENT_USERS, USERS, Job, Observed, summary, waits
from tests.yarn.support import inventory, running_cluster, wait_until

# After the last arrival; the whole day takes about a minute on a machine that has nothing else to do.
DAY_SECONDS = 240.0


def day_queues() -> dict[str, Any]:
    """Return the platform's queues, with preemption compressed like the rest of the day."""
    queues = inventory("queues")
    queues["critical"] |= {"users": list(URGENT_USERS), "preemption": {"timeout": 2, "preemptible": False}}
    queues["normal"]["preemption"] = {"timeout": 8}
    return queues


def run_day(day: list[Job], directory: Path, hadoop: HadoopRuntime, classes: Path) -> tuple[dict[str, Any], Observed]:
    """Run ``day`` to its end and return its record (JSON types only) and what samples showed meanwhile."""
    sizes = inventory("sizes")
    node = next(iter(sizes["nodes"].values()))
    worker, master = sizes["worker"], sizes["application_master"]
    observed = Observed()
    with (
        running_cluster(
            directory,
            hadoop,
            classes,
            queues=day_queues(),
            users=USERS,
        ) as yarn,
        yarn.many_nodes(NODES, node["yarn_memory_mb"], node["yarn_vcores"]),
        yarn.load(int(DAY_SECONDS)) as load,
    ):
        began = time.monotonic()
        for job in day:
            load.submit(
                job.name,
                job.user,
                f"root.{job.priority}",
                at=job.at,
                containers=job.workers,
                memory_mb=worker["memory_mb"],
                vcores=worker["vcores"],
                master_memory_mb=master["memory_mb"],
                seconds=job.seconds,
            )
        load.end()

        def over() -> bool:
            observed.add(time.monotonic() - began, yarn.applications())
            return load.process.poll() is not None

        def progress() -> str:
            return (
                f"the day ended; finished: {sum(event['event'] == 'finished' for event in load.events)} of {len(day)}"
            )

        wait_until(over, progress, DAY_SECONDS + 30, every=0.4)
        load.drain()
        waited = waits(day, load.events)
    record = {
        "users": len(USERS),
        "nodes": NODES,
        "vcores": NODES * node["yarn_vcores"],
        "seconds": round(observed.used[-1]["seconds"], 1),
        "preempted": sum(job["preempted"] for job in waited),
        "waits": summary([job for job in waited if job["worker_after"] is not None]),
        "jobs": waited,
        "used": observed.used,
    }
    return record, observed
