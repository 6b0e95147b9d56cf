# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a run waits, from what Dataproc lists about it, its cluster and the others there. Pure.

Dataproc tells the state of an application and the cluster's sums, not what the ResourceManager thinks. What follows
from these is said; what does not is said to be unknown, with where the answer is: the driver asks the ResourceManager
itself and writes its answer into its log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import short_details
from ansible_collections.dataplatform.compute.plugins.module_utils.status_clusters import READY_STATES, Cluster
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import Run

CLUSTER_GONE, CLUSTER_NOT_READY, DRIVER_SLOT, RETRY = "cluster_gone", "cluster_not_ready", "driver_slot", "retry"
USER_LIMIT, QUEUE_LIMIT, NO_NODE, FULL, NO_WORKER = "user_limit", "queue_limit", "no_node", "cluster_full", "no_worker"
UNKNOWN = "unknown"

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Reason:
    """``code`` is one of the constants above."""

    code: str
    text: str


def why_waiting(
    run: Run, cluster: Cluster | None, others: Sequence[Run], sizes: Mapping[str, Any], queues: Mapping[str, Any]
) -> Reason | None:
    """Why a run waits, None when it does not.

    ``others`` are all runs of the region that have not ended; ``sizes`` and ``queues`` are the facts platform_sizes
    and platform_queues.
    """
    if cluster is None and run.phase != "running":
        return Reason(CLUSTER_GONE, f"its cluster {run.cluster} is not there (any more)")
    beside = [other for other in others if other.cluster == run.cluster and other.run != run.run]
    if run.waits_for_driver:
        return _driver(run, cluster, beside)
    if run.waits_in_queue:
        return (
            _limit(run, beside, sizes, queues)
            or _no_room(run, cluster, sizes["application_master"])
            or Reason(UNKNOWN, "unknown: no limit that shows in Dataproc is reached; its log says what YARN answers")
        )
    return _no_worker(run, cluster)


def _driver(run: Run, cluster: Cluster, beside: Sequence[Run]) -> Reason:
    if cluster.state not in READY_STATES:
        return Reason(CLUSTER_NOT_READY, f"cluster {cluster.name} is {cluster.state}")
    if run.state == "ATTEMPT_FAILURE":
        return Reason(RETRY, f"its last attempt failed, Dataproc starts it again: {short_details(run.details)}")
    drivers = sum(other.has_driver for other in beside)
    if cluster.most_drivers is not None and drivers >= cluster.most_drivers:
        return Reason(DRIVER_SLOT, f"{cluster.name} runs as many drivers as its master holds ({drivers})")
    if run.details:
        return Reason(DRIVER_SLOT if run.substate == "QUEUED" else UNKNOWN, f"Dataproc: {short_details(run.details)}")
    return Reason(UNKNOWN, f"unknown: Dataproc gives no reason; drivers on {cluster.name}: {drivers}")


def _limit(run: Run, beside: Sequence[Run], sizes: Mapping[str, Any], queues: Mapping[str, Any]) -> Reason | None:
    """A number of applications that those before this one reach: the FairScheduler lets the first begin first."""
    before = [other for other in beside if _is_before(other, run)]
    of_owner = [other for other in before if other.owner == run.owner and run.owner]
    most = int(sizes["user"]["applications"])
    if len(of_owner) >= most:
        return Reason(USER_LIMIT, f"{run.owner} runs {_names(of_owner)} on {run.cluster}, {_at_once(most)} per user")
    in_queue = [other for other in before if other.priority == run.priority and run.priority]
    most = int((queues.get(run.priority) or {}).get("running_applications") or 0)
    if most and len(in_queue) >= most:
        return Reason(QUEUE_LIMIT, f"queue {run.priority} runs {_names(in_queue)} on {run.cluster}, {_at_once(most)}")
    return None


def _is_before(other: Run, run: Run) -> bool:
    if other.application == "RUNNING":
        return True
    return other.waits_in_queue and (other.running_since or _NEVER, other.run) < (run.running_since or _NEVER, run.run)


def _no_room(run: Run, cluster: Cluster, master: Mapping[str, Any]) -> Reason | None:
    """A sum of free memory or cores below what the application master needs, which is what YARN would start first."""
    if cluster.metric("nodes-active") == 0:
        return Reason(NO_NODE, f"no node of {cluster.name} is at work")
    memory, cores = cluster.metric("memory-mb-available"), cluster.metric("vcores-available")
    if memory is None:
        return None
    needed = run.master_memory_mb or float(master["memory_mb"])
    if memory < needed or (cores is not None and cores < int(master["vcores"])):
        return Reason(FULL, f"{cluster.name} is full, {cluster.room()}")
    return None


def _no_worker(run: Run, cluster: Cluster | None) -> Reason | None:
    """A run whose application master is all that any application of its cluster has: it waits for its first worker."""
    if cluster is None or run.application != "RUNNING":
        return None
    masters, containers = cluster.metric("apps-running"), cluster.metric("containers-allocated")
    pending = cluster.metric("containers-pending")
    if not pending or masters is None or containers is None or containers > masters:
        return None
    return Reason(NO_WORKER, f"no worker yet, {pending} asked for on {cluster.name}: {cluster.room()}")


def _names(runs: Sequence[Run]) -> str:
    return runs[0].run if len(runs) == 1 else f"{len(runs)} ({runs[0].run} and others)"


def _at_once(most: int) -> str:
    return f"at most {most} at once"
