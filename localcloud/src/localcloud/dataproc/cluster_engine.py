"""What clusters need from whatever their nodes are."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from localcloud.dataproc.cluster_nodes import ClusterNodes


class ClusterEngineError(Exception):
    """Nodes cannot be had; the message is meant for the user and becomes the status detail of the cluster."""


@dataclass(frozen=True)
class NodeView:
    """A node as people see it; memory in MiB. `state` is YARN's, or KILLED for one whose daemon is gone."""

    name: str
    group: str
    address: str
    state: str
    memory_mb: int
    used_mb: int
    vcores: int
    used_vcores: int
    containers: int
    alive: bool


@dataclass(frozen=True)
class Snapshot:
    """What a cluster's ResourceManager said at `taken` (monotonic seconds).

    `metrics` are those of its web service, `applications` its entries by application id.
    """

    taken: float
    metrics: dict[str, Any]
    applications: dict[str, dict[str, Any]]
    nodes: tuple[NodeView, ...] = field(default=())


class ClusterEngine(Protocol):
    """Makes the nodes of clusters. The first three methods start work once and are asked again until it has ended.

    They return whether it has, and raise ClusterEngineError when it failed; `operation` names the piece of work. A new
    server asks for unfinished work again. Nothing here blocks, except `stop_all`.
    """

    has_nodes: bool

    def create(self, cluster: dict[str, Any], operation: str) -> bool:
        """Make the nodes of a new cluster."""

    def resize(self, cluster: dict[str, Any], operation: str, graceful_seconds: float) -> bool:
        """Make the nodes what `cluster` says; those that leave have `graceful_seconds` to finish their work."""

    def delete(self, cluster: dict[str, Any], operation: str) -> bool:
        """Take all nodes of a cluster away, and all that is on them."""

    def resume(self, cluster: dict[str, Any]) -> None:
        """Take up a cluster that an earlier server made, starting again what is not running."""

    def is_serving(self, cluster_uuid: str) -> bool:
        """Return whether jobs can be started on a cluster that is said to be running."""

    def snapshot(self, cluster_uuid: str) -> Snapshot | None:
        """Return the latest look at a cluster, None when there is none."""

    def resource_manager_url(self, cluster_uuid: str) -> str | None:
        """Return where the ResourceManager's user interface is, None when there is none."""

    def nodes(self, cluster_uuid: str) -> ClusterNodes | None:
        """Return the nodes of a cluster that is running, None when it has none."""

    def kill_application(self, cluster_uuid: str, application: dict[str, Any]) -> None:
        """Kill an application, an entry of a snapshot; whether that worked shows in the next snapshots."""

    def stop_all(self) -> None:
        """End everything that runs, because the local cloud is being stopped; waits until it is gone."""


class NoNodes:
    """Clusters that only exist in the API: their jobs are processes of this machine."""

    has_nodes = False

    def __init__(self, clusters_directory: Path) -> None:
        """Delete what an engine with nodes left in `clusters_directory`, with the clusters it belongs to."""
        self._clusters_directory = clusters_directory

    def create(self, _cluster: dict[str, Any], _operation: str) -> bool:
        """There is nothing to make."""
        return True

    def resize(self, _cluster: dict[str, Any], _operation: str, _graceful_seconds: float) -> bool:
        """There is nothing to change."""
        return True

    def delete(self, cluster: dict[str, Any], _operation: str) -> bool:
        """Delete the files of a cluster that had nodes once."""
        shutil.rmtree(self._clusters_directory / cluster["clusterUuid"], ignore_errors=True)
        return True

    def resume(self, _cluster: dict[str, Any]) -> None:
        """There is nothing to take up."""

    def is_serving(self, _cluster_uuid: str) -> bool:
        """This machine always is there."""
        return True

    def snapshot(self, _cluster_uuid: str) -> Snapshot | None:
        """Nothing to look at."""
        return None

    def resource_manager_url(self, _cluster_uuid: str) -> str | None:
        """No ResourceManager."""
        return None

    def nodes(self, _cluster_uuid: str) -> None:
        """No nodes."""

    def kill_application(self, _cluster_uuid: str, _application: dict[str, Any]) -> None:
        """No application."""

    def stop_all(self) -> None:
        """Nothing runs."""
