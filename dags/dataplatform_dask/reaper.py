"""What should not be there any more, decided from what is there. Pure; the reaper's task acts on it.

Only what carries the ownership labels of this environment is looked at. Deleted: a cluster over its maximum age, one in
ERROR, and a run's own cluster whose run has ended. Cancelled: a job over its time, and one whose run has ended.
Reported, not touched: a user with more workers than they may have; which of their runs should go is theirs to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from dataplatform_dask.cloud import ClusterRecord, JobRecord

DELETE_CLUSTER = "delete cluster"
CANCEL_JOB = "cancel job"
REPORT = "report"

#: Age of a cluster that has no maximum of its own, seconds.
MAXIMUM_AGE = 86400
# Dataproc's own deletion, the task that waits for the job, and the task that creates come first.
_AGE_GRACE = 600
_JOB_GRACE = 600
_ERROR_GRACE = 900


class Action(NamedTuple):
    """One thing to do, and why; ``uuid`` is that of a cluster, which another may take the name of."""

    kind: str
    name: str
    reason: str
    uuid: str = ""


def decide(
    clusters: Iterable[ClusterRecord],
    jobs: Iterable[JobRecord],
    *,
    now: datetime,
    live_runs: Collection[tuple[str, str]],
    users: Mapping[str, Mapping[str, Any]],
    ownership: Mapping[str, str],
) -> list[Action]:
    """Return what to do, clusters first.

    ``jobs``: those that have not ended; ``live_runs``: the labels (dag, run) of all runs that are queued or running,
    asked for after the clusters were listed; ``users``: worker slots by user.
    """
    ours = [cluster for cluster in clusters if _owned(cluster.labels, ownership) and cluster.state != "DELETING"]
    our_jobs = [job for job in jobs if _owned(job.labels, ownership) and not job.ended]
    actions = [
        Action(DELETE_CLUSTER, cluster.name, reason, cluster.uuid)
        for cluster in ours
        if (reason := _why_delete(cluster, now, live_runs))
    ]
    going = {action.name for action in actions}
    actions += [
        Action(CANCEL_JOB, job.job_id, reason)
        for job in our_jobs
        if job.cluster not in going and (reason := _why_cancel(job, now, live_runs))
    ]
    return actions + _over_their_total([cluster for cluster in ours if cluster.name not in going], our_jobs, users)


def _owned(labels: Mapping[str, str], ownership: Mapping[str, str]) -> bool:
    return bool(ownership) and all(labels.get(key) == value for key, value in ownership.items())


def _why_delete(cluster: ClusterRecord, now: datetime, live_runs: Collection[tuple[str, str]]) -> str:
    age = _seconds_since(cluster.created, now)
    most = (cluster.max_age or MAXIMUM_AGE) + _AGE_GRACE
    if age > most:
        return f"it is {age:.0f} s old, at most {most:.0f} s are allowed"
    if _has_ended(cluster.labels, live_runs):
        return f"its run {cluster.labels['run']} of DAG {cluster.labels['dag']} has ended"
    if cluster.state == "ERROR" and _seconds_since(cluster.since, now) > _ERROR_GRACE:
        return f"it is in ERROR: {cluster.detail or 'Dataproc gives no reason'}"
    return ""


def _why_cancel(job: JobRecord, now: datetime, live_runs: Collection[tuple[str, str]]) -> str:
    if _has_ended(job.labels, live_runs):
        return f"its run {job.labels['run']} of DAG {job.labels['dag']} has ended"
    limit = job.labels.get("timeout", "")
    running = _seconds_since(job.started, now)
    if limit.isdigit() and running > int(limit) + _JOB_GRACE:
        return f"it runs for {running:.0f} s, at most {limit} s are allowed"
    return ""


def _has_ended(labels: Mapping[str, str], live_runs: Collection[tuple[str, str]]) -> bool:
    """Whether something was made by a run that is not live; what no run made has no end."""
    return "dag" in labels and "run" in labels and (labels["dag"], labels["run"]) not in live_runs


def _over_their_total(
    clusters: Iterable[ClusterRecord], jobs: Iterable[JobRecord], users: Mapping[str, Mapping[str, Any]]
) -> list[Action]:
    holders: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for cluster in clusters:
        if cluster.labels.get("placement") == "own" and cluster.state != "ERROR":
            _add(holders, cluster.labels, f"cluster {cluster.name}", users)
    for job in jobs:
        if job.labels.get("placement") == "shared":
            _add(holders, job.labels, f"job {job.job_id}", users)
    actions = []
    for owner, held in sorted(holders.items()):
        total, most = sum(slots for slots, _ in held), users[owner]["slots"]
        if total > most:
            names = ", ".join(f"{name} ({slots})" for slots, name in held)
            actions.append(Action(REPORT, owner, f"may take {most} workers, {total} are possible: {names}"))
    return actions


def _add(
    holders: dict[str, list[tuple[int, str]]], labels: Mapping[str, str], name: str, users: Mapping[str, Any]
) -> None:
    owner = labels.get("owner", "")
    if owner in users:
        slots = labels.get("slots", "")
        # What was not made by a DAG does not say how many workers it may take: all its owner may have.
        holders[owner].append((int(slots) if slots.isdigit() else users[owner]["slots"], name))


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return 0 if moment is None else (now - moment).total_seconds()
