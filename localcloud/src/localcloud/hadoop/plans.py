"""What a cluster and its nodes shall be, and what they are."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ClusterPlan:
    """A cluster as its template describes it.

    `properties` are Dataproc's, with prefixes (`yarn:`, `core:`, `spark:`, `spark-env:`, `capacity-scheduler:`).
    `client_environment` holds the variables that lead a process to the local cloud: every container gets them.
    `allocation_file` is a FairScheduler file to start with; without it the file that the properties name is read.
    `shares_files` says whether all nodes see the same files, as processes of one machine do.
    `in_front` are directories that stand in front of the search paths of all that runs, by variable.
    """

    name: str
    resource_manager_address: str
    properties: dict[str, str] = field(default_factory=dict)
    client_environment: dict[str, str] = field(default_factory=dict)
    allocation_file: Path | None = None
    shares_files: bool = True
    in_front: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the plan in types that JSON knows."""
        plan = dataclasses.asdict(self)
        return plan | {"allocation_file": self.allocation_file and str(self.allocation_file)}

    @classmethod
    def from_json(cls, plan: dict[str, Any]) -> ClusterPlan:
        """Return the plan that `as_json` wrote."""
        return cls(**plan | {"allocation_file": plan["allocation_file"] and Path(plan["allocation_file"])})


@dataclass(frozen=True)
class NodePlan:
    """A worker node: what it offers to YARN are numbers, which the machine need not have.

    `environment` is added to the cluster's `client_environment` in the node's containers, such as the address of the
    node's own metadata server.
    """

    name: str
    address: str
    memory_mb: int
    vcores: int
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeStatus:
    """A node as the ResourceManager sees it; `alive` says whether its NodeManager really runs.

    `state` is the ResourceManager's: NEW, RUNNING, UNHEALTHY, DECOMMISSIONING, DECOMMISSIONED, LOST, REBOOTED or
    SHUTDOWN; or ABSENT for a node it has not heard of. A killed node stays RUNNING until YARN's own timeout has passed.
    """

    name: str
    address: str
    state: str
    memory_mb: int
    used_mb: int
    vcores: int
    used_vcores: int
    containers: int
    alive: bool
