# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person wants to know once a run has ended, in a few lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    job_arguments,
    option_value,
    state_times,
)

COST_LABELS = ("cost-center", "team", "owner", "workload", "environment", "priority")
"""Labels by which the cost of a run is told apart, in the order they are shown."""

_WIDTH = 10


def run_summary(run: Mapping[str, Any]) -> str:
    """The summary of what ``dataproc_workflow`` returned (also in check mode), one fact a line."""
    if not run.get("operation_id"):
        return f"Workload {run.get('template')} would be started."
    parts = [
        f"{name} {_seconds(run.get(key))}"
        for name, key in (("cluster", "cluster_seconds"), ("jobs", "jobs_seconds"), ("clean-up", "cleanup_seconds"))
        if run.get(key) is not None
    ]
    took = "" if run.get("duration_seconds") is None else f" in {_seconds(run['duration_seconds'])}"
    lines = [
        f"{run['template'] or 'Workflow'}: {run['outcome']}{took}" + (f" ({', '.join(parts)})" if parts else ""),
        _fact("Run", run["operation_id"]),
    ]
    if run["cluster"]:
        lines.append(_fact("Cluster", run["cluster"] + (" (deleted)" if run["cluster_deleted"] else "")))
    for job in run["jobs"]:
        lines += _job_lines(job)
    lines.append(_fact("Console", run["console_url"]))
    return "\n".join(lines)


def job_summary(job: Mapping[str, Any]) -> str:
    """The summary of what ``dataproc_job`` returned, one fact a line."""
    return "\n".join([f"Job {job['job_id']}: {job['state']}", *_job_lines(job), _fact("Console", job["console_url"])])


def _job_lines(job: Mapping[str, Any]) -> list[str]:
    body, step = job["job"], job.get("step_id")
    lines = [_fact("Step", f"{step}, job {job['job_id']}: {job['state']}")] if step else []
    if times := state_history(body):
        lines.append(_fact("States", times))
    if queue := yarn_queue(body):
        lines.append(_fact("Queue", queue))
    labels = body.get("labels") or {}
    if owner := labels.get("owner"):
        lines.append(_fact("Owner", owner + (f" (team {labels['team']})" if labels.get("team") else "")))
    if cost := ", ".join(f"{name}={labels[name]}" for name in COST_LABELS if labels.get(name)):
        lines.append(_fact("Cost labels", cost))
    usage = job["usage"]
    if usage["applications"]:
        lines.append(_fact("YARN", f"{usage['memory_mb_seconds']} MiB s, {usage['vcore_seconds']} vcore s"))
    if output := output_location(body):
        lines.append(_fact("Output", output))
    if record := run_record_location(body, job["job_id"]):
        lines.append(_fact("Record", record))
    if job["driver_output_uri"]:
        lines.append(_fact("Log", f"{job['driver_output_uri']}.*"))
    return lines


def state_history(job: Mapping[str, Any]) -> str:
    """The states a job has been in, each with how long; the last with the time of day it was entered (UTC)."""
    times = state_times(job)
    spans = [
        f"{state} {_seconds((later - moment).total_seconds())}" for (state, moment), (_next, later) in pairwise(times)
    ]
    return ", ".join([*spans, *(f"{state} at {moment:%H:%M:%S} UTC" for state, moment in times[-1:])])


def yarn_queue(job: Mapping[str, Any]) -> str:
    """The YARN queue a job asks for; empty for the default one."""
    for name, body in job.items():
        if name.endswith("Job") and isinstance(body, Mapping):
            return (body.get("properties") or {}).get("spark.yarn.queue") or ""
    return ""


def output_location(job: Mapping[str, Any]) -> str:
    """Where the job was told to write, if one of its arguments is ``--output``."""
    own, script = job_arguments(job)
    return option_value([*own, *script], "--output")


def run_record_location(job: Mapping[str, Any], job_id: str) -> str:
    """Where the driver leaves the run record (workers, tasks, cost) and, beside it, Dask's performance report."""
    directory = option_value(job_arguments(job)[0], "--run-directory")
    return f"{directory}/{job_id}/" if directory else ""


def _fact(name: str, value: str) -> str:
    return f"  {name + ':':<{_WIDTH + 2}} {value}"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
