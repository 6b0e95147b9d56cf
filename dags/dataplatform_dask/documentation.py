"""The page of a workload's DAG in Airflow: whom to ask, what limits it, where its log and run record are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataplatform_dask.names import pool_name
from dataplatform_dask.release import Release


def workload_page(release: Release, name: str, workload: Mapping[str, Any], job_seconds: float) -> str:
    """Return the Markdown of a workload's page."""
    queue = workload.get("queue_timeout") or workload["timeout"]
    own = workload["placement"] == "own"
    life = "a cluster of its own, deleted after the run" if own else "the shared cluster of its template"
    records = f"{release.launcher['run_directory']}/{name}/"
    waiting = f"`cluster.{'create' if own else 'run'}`"
    return f"""### {name}

{workload.get("description", "")}

| | |
| --- | --- |
| owner, team | {workload["owner"]}, {release.user(workload["owner"])["team"]} |
| runs on | {life}, template `{workload["template"]}` |
| priority | `{workload["priority"]}` |
| workers | at most {workload["slots"]}, counted in the pool `{pool_name(workload["owner"])}` |
| running | at most {workload["timeout"]} s, from the script's start |
| waiting in the queue | at most {queue} s |
| job as a whole | cancelled after {job_seconds:.0f} s |

- **Its log**: the task `cluster.run`, link "Dataproc Job": the driver's output with the script's own lines.
- **Its run record**: `{records}<job id>/run.json`: times, workers, memory, cost, how it ended.
- **Why it waits**: the log of {waiting} says who has the worker slots; the driver's output says what YARN waits for.
- **After a failure**: the last line of the failed task's log gives the reason. Clear the task to run it again: its
  cluster is made and deleted along with it.
"""
