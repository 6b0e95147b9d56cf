# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Dataproc job's JSON says, in words and numbers. Pure: no clock, no network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

TERMINAL_STATES = frozenset({"CANCELLED", "DONE", "ERROR"})
"""States a job never leaves. ATTEMPT_FAILURE is not one: a restartable job tries again."""

_ADDRESSES = ("http://", "https://", "gs://", "gcloud ")
_POINTER = re.compile(r" ?(?:Additional details|If logs are available, they) can be found at:$")

_CONSOLE = "https://console.cloud.google.com/dataproc"


def job_state(job: Mapping[str, Any]) -> str:
    """The state of a job, ``STATE_UNSPECIFIED`` when it has none yet."""
    return (job.get("status") or {}).get("state") or "STATE_UNSPECIFIED"


def is_terminal(job: Mapping[str, Any]) -> bool:
    """Whether the job will never change its state again."""
    return job_state(job) in TERMINAL_STATES


def job_console_url(project: str, region: str, job_id: str) -> str:
    """The page of a job in Google's console, with its driver output."""
    return f"{_CONSOLE}/jobs/{job_id}?region={region}&project={project}"


def workflow_console_url(project: str, region: str, operation_id: str) -> str:
    """The page of a workflow run in Google's console."""
    return f"{_CONSOLE}/workflows/instances/{region}/{operation_id}?project={project}"


def cluster_console_url(project: str, region: str, cluster: str) -> str:
    """The page of a cluster in Google's console."""
    return f"{_CONSOLE}/clusters/{cluster}/monitoring?region={region}&project={project}"


def parse_time(text: str | None) -> datetime | None:
    """A Google timestamp (RFC 3339, up to nanoseconds) as an aware datetime; None for none or nonsense."""
    if not text:
        return None
    whole, dot, rest = text.rstrip("Zz").partition(".")
    try:
        moment = datetime.fromisoformat(f"{whole}.{rest[:6].ljust(6, '0')}" if dot else whole)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def state_times(job: Mapping[str, Any]) -> list[tuple[str, datetime]]:
    """Every state the job has been in with the moment it entered it, oldest first."""
    entries = [*(job.get("statusHistory") or []), job.get("status") or {}]
    moments = [
        (entry.get("state") or "STATE_UNSPECIFIED", parse_time(entry.get("stateStartTime"))) for entry in entries
    ]
    known = [(state, moment) for state, moment in moments if moment is not None]
    return sorted(known, key=lambda pair: pair[1])


def job_timings(job: Mapping[str, Any]) -> dict[str, float | None]:
    """Seconds a job waited, ran and took in all, by the service's own clock.

    ``queued_seconds`` runs from submission to the first RUNNING, ``run_seconds`` from there to the end,
    ``duration_seconds`` over both. A figure is None until its end has been reached.
    """
    times = state_times(job)
    start = times[0][1] if times else None
    running = next((moment for state, moment in times if state == "RUNNING"), None)
    end = times[-1][1] if times and is_terminal(job) else None
    return {
        "queued_seconds": seconds_between(start, running),
        "run_seconds": seconds_between(running, end),
        "duration_seconds": seconds_between(start, end),
    }


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end, to the millisecond; None when either is unknown."""
    if start is None or end is None:
        return None
    return round((end - start).total_seconds(), 3)


def yarn_usage(job: Mapping[str, Any]) -> dict[str, int]:
    """What the job's YARN applications used, summed: the basis of its cost.

    ``memory_mb_seconds`` is MiB x seconds, ``vcore_seconds`` virtual cores x seconds, as YARN counts them.
    """
    applications = job.get("yarnApplications") or []
    return {
        "memory_mb_seconds": sum(int(one.get("memoryMbSeconds") or 0) for one in applications),
        "vcore_seconds": sum(int(one.get("vcoreSeconds") or 0) for one in applications),
        "applications": len(applications),
    }


def total_usage(usages: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of several jobs' usages."""
    total = {"memory_mb_seconds": 0, "vcore_seconds": 0, "applications": 0}
    for usage in usages:
        for key in total:
            total[key] += usage[key]
    return total


def job_arguments(job: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What the job's driver was told, and what stands behind the first ``--``: its script's own arguments."""
    for name, body in job.items():
        if name.endswith("Job") and isinstance(body, Mapping):
            arguments = list(body.get("args") or [])
            end = arguments.index("--") if "--" in arguments else len(arguments)
            return arguments[:end], arguments[end + 1 :]
    return [], []


def option_value(arguments: Sequence[str], option: str) -> str:
    """The value of the first option of that name, ``--option value`` or ``--option=value``; empty when not given."""
    remaining = iter(arguments)
    for argument in remaining:
        if argument == option:
            return next(remaining, "")
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return ""


def progress_lines(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """What a person following the job should read, given its JSON at the last look and now."""
    lines = []
    if before is None or _status_key(before) != _status_key(now):
        status = now.get("status") or {}
        substate = status.get("substate")
        text = job_state(now) + (f" ({substate})" if substate not in (None, "UNSPECIFIED") else "")
        queued = job_timings(now)["queued_seconds"]
        if job_state(now) == "RUNNING" and queued is not None and queued >= 1:
            text += f" after waiting {queued:.0f} s"
        elif job_state(now) == "DONE":
            text += _duration_suffix(now)
        elif status.get("details"):
            text += f": {short_details(status['details'])}"
        lines.append(text)
    seen = {one.get("name"): one.get("state") for one in (before or {}).get("yarnApplications") or []}
    for application in now.get("yarnApplications") or []:
        name, state = application.get("name"), application.get("state")
        if seen.get(name) != state:
            waiting = " (waiting in its queue)" if state in ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED") else ""
            lines.append(f"YARN application {name}: {state}{waiting}")
    return lines


def _duration_suffix(job: Mapping[str, Any]) -> str:
    duration = job_timings(job)["duration_seconds"]
    return "" if duration is None else f" after {duration:.0f} s"


def _status_key(job: Mapping[str, Any]) -> tuple[Any, ...]:
    status = job.get("status") or {}
    return (job_state(job), status.get("substate"), status.get("details"))


def short_details(details: str) -> str:
    """What Dataproc says about a state without the addresses it adds, because ours are shown anyway; one line."""
    words = []
    for line in details.splitlines():
        if line.strip().startswith(_ADDRESSES):
            break
        words += line.split()
    return _POINTER.sub("", " ".join(words))


def failure_message(
    job: Mapping[str, Any], job_id: str, tail: Sequence[str], console_url: str, *, reason: str | None = None
) -> str:
    """Why a job did not succeed, the last lines of its driver, and where the whole log is.

    ``reason`` replaces the service's own explanation, for instance when we cancelled the job ourselves.
    """
    status = job.get("status") or {}
    state = job_state(job)
    why = reason or short_details(status.get("details") or "") or "Dataproc gave no details"
    lines = [f"Dataproc job {job_id} ended as {state}: {why}"]
    uri = job.get("driverOutputResourceUri")
    if tail:
        lines += [f"Last {len(tail)} lines of the driver's output:", *(f"    {line}" for line in tail)]
    elif uri:
        lines.append("The driver left no output.")
    else:
        lines.append("The driver never started, so there is no output.")
    if uri:
        lines.append(f"Whole log: {uri}.* (gcloud storage cat '{uri}.*')")
    lines.append(f"Console: {console_url}")
    return "\n".join(lines)


def describe_job(
    job: Mapping[str, Any], project: str, region: str, tail: Sequence[str], output_error: str | None = None
) -> dict[str, Any]:
    """The fields every module returns for one job."""
    job_id = (job.get("reference") or {}).get("jobId") or ""
    return {
        "job_id": job_id,
        "state": job_state(job),
        "details": (job.get("status") or {}).get("details") or "",
        "job": dict(job),
        "cluster": (job.get("placement") or {}).get("clusterName") or "",
        "driver_output_uri": job.get("driverOutputResourceUri") or "",
        "output_tail": list(tail),
        "output_error": output_error or "",
        "console_url": job_console_url(project, region, job_id),
        "usage": yarn_usage(job),
        **job_timings(job),
    }
