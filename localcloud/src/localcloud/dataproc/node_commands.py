"""What people do to nodes that Google's API has no method for: look at them, and lose them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from localcloud.dataproc.cluster_engine import ClusterEngine
from localcloud.dataproc.cluster_nodes import ClusterNodes
from localcloud.dataproc.job_states import is_terminal
from localcloud.dataproc.records import Record, Records
from localcloud.hadoop import HadoopError

# Compute Engine's notice before a spot machine goes.
NOTICE_SECONDS = 30.0


class NodeCommands:
    """Commands on nodes, which may take seconds. All raise ValueError with a message."""

    def __init__(self, clusters: Records, jobs: Records, engine: ClusterEngine, clock: Any) -> None:
        """Act on the clusters in `clusters` through `engine`."""
        self._clusters = clusters
        self._jobs = jobs
        self._engine = engine
        self._clock = clock

    def overview(self) -> dict[str, Any]:
        """Return the clusters, with where their ResourceManagers are, and the jobs that have not ended."""
        return {
            "clusters": [
                {
                    "name": record.id,
                    "region": record.location.region,
                    "state": record.body["status"]["state"],
                    "resource_manager": self._engine.resource_manager_url(record.body["clusterUuid"]) or "",
                }
                for record in self._clusters.everywhere()
            ],
            "jobs": [
                {
                    "id": record.id,
                    "cluster": record.body["placement"]["clusterName"],
                    "state": record.body["status"]["state"],
                    "applications": [
                        {"name": item["name"], "state": item["state"], "url": item.get("trackingUrl", "")}
                        for item in record.body.get("yarnApplications", ())
                    ],
                }
                for record in self._jobs.active()
                if not is_terminal(record.body)
            ],
        }

    def list(self, cluster: str = "") -> list[dict[str, Any]]:
        """Return the nodes of one cluster, or of all."""
        records = [self._require(cluster)] if cluster else list(self._clusters.everywhere())
        found = []
        for record in records:
            nodes = self._engine.nodes(record.body["clusterUuid"])
            try:
                found += [{"cluster": record.id, **asdict(node)} for node in (nodes.views() if nodes else ())]
            except HadoopError as problem:
                raise ValueError(str(problem)) from problem
        return found

    def kill(self, cluster: str, node: str) -> None:
        """Lose a node, as when its machine fails."""
        try:
            nodes = self._nodes(cluster)
            nodes.require(node)
            nodes.kill(node)
        except HadoopError as problem:
            raise ValueError(str(problem)) from problem

    def preempt(self, cluster: str, node: str, notice: float | None) -> float:
        """Preempt a node: notice on its metadata server, then it is lost. Returns the seconds until then.

        `notice` is in real seconds; without it, it is Compute Engine's at the clock's pace.
        """
        seconds = self._clock.duration(NOTICE_SECONDS) if notice is None else notice
        try:
            self._nodes(cluster).preempt(node, seconds)
        except HadoopError as problem:
            raise ValueError(str(problem)) from problem
        return seconds

    def _nodes(self, cluster: str) -> ClusterNodes:
        record = self._require(cluster)
        nodes = self._engine.nodes(record.body["clusterUuid"])
        if nodes is None:
            raise ValueError(f"cluster {cluster} has no nodes that run: it is {record.body['status']['state']}")
        return nodes

    def _require(self, cluster: str) -> Record:
        records = list(self._clusters.everywhere())
        for record in records:
            if record.id == cluster:
                return record
        raise ValueError(
            f"there is no cluster {cluster}; there are: {', '.join(record.id for record in records) or 'none'}"
        )
