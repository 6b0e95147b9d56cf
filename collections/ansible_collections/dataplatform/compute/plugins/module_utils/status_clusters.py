# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster as a person on call sees it: for what, in which state, how full, how long it stays. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    parse_time,
    short_details,
    state_times,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import labels_of

BROKEN_STATES = frozenset({"ERROR", "ERROR_DUE_TO_UPDATE"})
READY_STATES = frozenset({"RUNNING", "UPDATING"})

# Dataproc's documented bound of drivers: what the system keeps of the master's memory, a driver's size, the least.
_SYSTEM_MB, _DRIVER_MB, _LEAST_DRIVERS = 3584, 1024, 5


@dataclass(frozen=True)
class Cluster:
    """One cluster; None is "not known".

    ``most_workers`` is the autoscaling policy's maximum, the number of workers where there is no policy. ``metrics``
    are those that YARN gives Dataproc, by their names there. ``slots`` is how many workers of its owner it counts for.
    """

    name: str
    template: str
    placement: str
    owner: str
    workload: str
    state: str
    substate: str
    detail: str
    created: datetime | None
    workers: int
    most_workers: int | None
    most_drivers: int | None
    image: str
    metrics: Mapping[str, int]
    deleted_at: datetime | None
    slots: int | None

    @property
    def broken(self) -> bool:
        """Whether somebody should look at it."""
        return self.state in BROKEN_STATES or self.substate in ("UNHEALTHY", "STALE_STATUS")

    def metric(self, name: str) -> int | None:
        """One of YARN's figures such as ``memory-mb-available``."""
        return self.metrics.get(f"yarn-{name}")

    def wants(self) -> str:
        """What its applications asked YARN for and have not got, in words; empty for nothing."""
        pending = self.metric("containers-pending")
        return f"asked for and not given: {pending} containers; {self.room()}" if pending else ""

    def room(self) -> str:
        """Whether it can still grow, in words."""
        if self.most_workers is None:
            return f"{self.workers} workers, the most it may have is not known"
        if self.workers >= self.most_workers:
            return f"at its maximum of {self.most_workers} workers"
        return f"{self.workers} of at most {self.most_workers} workers, the autoscaler may add some"


def read_cluster(cluster: Mapping[str, Any], sizes: Mapping[str, Any], policies: Mapping[str, Any]) -> Cluster:
    """One cluster as Dataproc lists it; ``sizes``: platform_sizes, ``policies``: platform_autoscaling_policies."""
    config, status, labels = cluster.get("config") or {}, cluster.get("status") or {}, labels_of(dict(cluster))
    times = state_times(cluster)
    created = times[0][1] if times else None
    workers = sum(int((config.get(group) or {}).get("numInstances") or 0) for group in _WORKER_GROUPS)
    substate = str(status.get("substate") or "")
    return Cluster(
        name=str(cluster.get("clusterName") or ""),
        template=labels.get("cluster-template", ""),
        placement=labels.get("placement", ""),
        owner=labels.get("owner", ""),
        workload=labels.get("workload", ""),
        state=str(status.get("state") or "UNKNOWN"),
        substate="" if substate == "UNSPECIFIED" else substate,
        detail=short_details(str(status.get("detail") or "")),
        created=created,
        workers=workers,
        most_workers=_most_workers(config, workers, policies),
        most_drivers=_most_drivers(config, sizes),
        image=str((config.get("softwareConfig") or {}).get("imageVersion") or ""),
        metrics=_numbers((cluster.get("metrics") or {}).get("yarnMetrics") or {}),
        deleted_at=_deleted_at(config.get("lifecycleConfig") or {}, created),
        slots=int(labels["slots"]) if labels.get("slots", "").isdigit() else None,
    )


_WORKER_GROUPS = ("workerConfig", "secondaryWorkerConfig")


def _most_workers(config: Mapping[str, Any], workers: int, policies: Mapping[str, Any]) -> int | None:
    uri = str((config.get("autoscalingConfig") or {}).get("policyUri") or "")
    if not uri:
        return workers
    policy = policies.get(uri.rpartition("/")[2])
    if policy is None:
        return None
    return sum(int((policy.get(group) or {}).get("maxInstances") or 0) for group in _WORKER_GROUPS)


def _most_drivers(config: Mapping[str, Any], sizes: Mapping[str, Any]) -> int | None:
    properties = (config.get("softwareConfig") or {}).get("properties") or {}
    stated = str(properties.get("dataproc:dataproc.scheduler.max-concurrent-jobs") or "")
    if stated.isdigit():
        return int(stated)
    machine = str((config.get("masterConfig") or {}).get("machineTypeUri") or "").rpartition("/")[2]
    memory = (sizes.get("nodes") or {}).get(machine, {}).get("memory_mb")
    driver = str(properties.get("dataproc:dataproc.scheduler.driver-size-mb") or _DRIVER_MB)
    if memory is None or not driver.isdigit() or int(driver) < 1:
        return None
    return max((int(memory) - _SYSTEM_MB) // int(driver), _LEAST_DRIVERS)


def _deleted_at(lifecycle: Mapping[str, Any], created: datetime | None) -> datetime | None:
    """When it is deleted at the latest."""
    stated = parse_time(lifecycle.get("autoDeleteTime"))
    seconds = _seconds(lifecycle.get("autoDeleteTtl"))
    if stated is not None or created is None or seconds is None:
        return stated
    return created + timedelta(seconds=seconds)


def _seconds(duration: Any) -> float | None:
    try:
        return float(str(duration).removesuffix("s"))
    except ValueError:
        return None


def _numbers(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Google writes 64-bit numbers as texts."""
    return {name: int(value) for name, value in metrics.items() if str(value).lstrip("-").isdigit()}
