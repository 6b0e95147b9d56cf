"""Which nodes a cluster is to have, and their addresses: a name keeps its address for the cluster's life."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localcloud.dataproc.cluster_defaults import instance_names
from localcloud.files import write_private
from localcloud.hadoop import Network

_WORKER_GROUPS = ("workerConfig", "secondaryWorkerConfig")
_GROUP_NAMES = {"masterConfig": "master", "workerConfig": "worker", "secondaryWorkerConfig": "secondary"}


def wanted_workers(cluster: dict[str, Any]) -> dict[str, str]:
    """Return the nodes that run containers, name to group; on a cluster without workers that is the master."""
    names = {name: _GROUP_NAMES[group] for group in _WORKER_GROUPS for name in instance_names(cluster, group)}
    return names or {master_name(cluster): _GROUP_NAMES["masterConfig"]}


def master_name(cluster: dict[str, Any]) -> str:
    """Return the name of the (first) master."""
    return instance_names(cluster, "masterConfig")[0]


class NodeBook:
    """Addresses of a cluster's nodes and when they are to be preempted, in a file."""

    def __init__(self, path: Path, network: Network) -> None:
        """Read the book at `path`, which may not exist yet."""
        self._path = path
        self._network = network
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            content = {}
        self._indexes: dict[str, int] = content.get("indexes", {})
        self._ends: dict[str, float] = content.get("ends", {})

    def address(self, name: str, group: str) -> str:
        """Return the address of a node, choosing one the first time. Raises HadoopError when none is left."""
        if group == "master":
            return self._network.master
        if name not in self._indexes:
            taken = set(self._indexes.values())
            index = next(index for index in range(len(taken) + 1) if index not in taken)
            self._network.worker(index)
            self._indexes[name] = index
            self._write()
        return self._network.worker(self._indexes[name])

    def end_at(self, name: str, instant: float | None) -> None:
        """Note that a node ends at `instant` (seconds since the epoch); None: it does not."""
        self._ends.pop(name, None)
        if instant is not None:
            self._ends[name] = instant
        self._write()

    def due(self, now: float) -> list[str]:
        """Return the nodes whose end has come at `now`."""
        return [name for name, instant in self._ends.items() if instant <= now]

    def _write(self) -> None:
        write_private(self._path, json.dumps({"indexes": self._indexes, "ends": self._ends}).encode())
