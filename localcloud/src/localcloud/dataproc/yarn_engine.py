"""Clusters whose nodes are real: a ResourceManager and NodeManagers each, as processes of this machine."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from localcloud.dataproc.background import Background
from localcloud.dataproc.cluster_engine import ClusterEngineError, Snapshot
from localcloud.dataproc.cluster_nodes import METAINFO, ClusterNodes, Surroundings
from localcloud.dataproc.cluster_watch import ClusterWatch
from localcloud.dataproc.engine import EngineError
from localcloud.dataproc.hosts import Hosts, Place
from localcloud.dataproc.init_actions import InitAction
from localcloud.errors import ApiError
from localcloud.hadoop import HadoopError, HadoopRuntime, YarnCluster
from localcloud.podman.hosts import has_containers, remove_cluster

_ANSWER_SECONDS = 10.0
_log = logging.getLogger("localcloud")


class YarnEngine:
    """Makes, changes and ends the nodes of clusters; slow steps run in threads (see `ClusterEngine`)."""

    has_nodes = True

    def __init__(
        self,
        clusters_directory: Path,
        runtime: HadoopRuntime,
        surroundings: Surroundings,
        storage: Any,
        hosts_of: Callable[[Path], Hosts],
    ) -> None:
        """Keep each cluster in a directory below `clusters_directory`; `storage` has initialization actions.

        `hosts_of` returns what the cluster in a directory runs on.
        """
        self._hosts_of = hosts_of
        self._clusters_directory = clusters_directory
        self._runtime = runtime
        self._surroundings = surroundings
        self._storage = storage
        self._background = Background()
        self._nodes: dict[str, ClusterNodes] = {}
        self._watches: dict[str, ClusterWatch] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def create(self, cluster: dict[str, Any], operation: str) -> bool:
        """Make the nodes of a new cluster; see `ClusterEngine`."""
        return self._make(cluster, operation, is_new=True)

    def resume(self, cluster: dict[str, Any]) -> None:
        """Take up a cluster in the background; what goes wrong is logged, and jobs wait."""
        try:
            self._make(cluster, "resume", is_new=False)
        except ClusterEngineError as problem:
            _log.warning("cluster %s: %s", cluster["clusterName"], problem)

    def _make(self, cluster: dict[str, Any], operation: str, is_new: bool) -> bool:
        identity = cluster["clusterUuid"]
        actions = [] if self._is_known(identity, operation) else self._init_actions(cluster)
        nodes = self._of(identity)

        def action() -> None:
            if is_new:
                nodes.create(cluster, actions)
            else:
                nodes.resume(cluster, actions)
            with self._lock:
                if not self._stopped:
                    self._watches[identity] = ClusterWatch(nodes)

        return self._done_with_outputs(cluster, operation, action)

    def resize(self, cluster: dict[str, Any], operation: str, graceful_seconds: float) -> bool:
        """Make the nodes what `cluster` says; see `ClusterEngine`."""
        identity = cluster["clusterUuid"]
        actions = [] if self._is_known(identity, operation) else self._init_actions(cluster)
        return self._done_with_outputs(
            cluster, operation, lambda: self._of(identity).resize(cluster, actions, graceful_seconds)
        )

    def delete(self, cluster: dict[str, Any], operation: str) -> bool:
        """Take all nodes away; see `ClusterEngine`."""
        identity = cluster["clusterUuid"]
        if identity in self._watches:
            self._watches.pop(identity).stop()
        if not self._done(identity, operation, self._of(identity).delete):
            return False
        self._nodes.pop(identity, None)
        self._background.forget(identity)
        return True

    def is_serving(self, cluster_uuid: str) -> bool:
        """Return whether a cluster's ResourceManager has answered since this server started."""
        return self.snapshot(cluster_uuid) is not None

    def snapshot(self, cluster_uuid: str) -> Snapshot | None:
        """Return the latest look at a cluster."""
        watch = self._watches.get(cluster_uuid)
        return watch.snapshot if watch else None

    def resource_manager_url(self, cluster_uuid: str) -> str | None:
        """Return where the ResourceManager's user interface is."""
        nodes = self._nodes.get(cluster_uuid)
        return nodes.yarn.resource_manager_url if nodes and cluster_uuid in self._watches else None

    def kill_application(self, cluster_uuid: str, application: dict[str, Any]) -> None:
        """Kill an application in its user's name, in the background."""
        url = self.resource_manager_url(cluster_uuid)
        if url is None:
            return
        target = f"{url}/ws/v1/cluster/apps/{application['id']}/state?user.name={application['user']}"
        threading.Thread(target=_put_state, args=(target, "KILLED"), daemon=True).start()

    def driver_environment(self, cluster_uuid: str) -> dict[str, str]:
        """Return the variables that drivers have on a cluster's master. Raises EngineError when it is not there."""
        nodes = self._nodes.get(cluster_uuid)
        if nodes is None or cluster_uuid not in self._watches:
            raise EngineError(f"The nodes of cluster {cluster_uuid} are not running.")
        return nodes.driver_environment()

    def driver_place(self, cluster_uuid: str) -> Place:
        """Return how drivers are started on a cluster's master. Raises EngineError when it is not there."""
        nodes = self._nodes.get(cluster_uuid)
        if nodes is None or cluster_uuid not in self._watches:
            raise EngineError(f"The nodes of cluster {cluster_uuid} are not running.")
        return nodes.master_place()

    def nodes(self, cluster_uuid: str) -> ClusterNodes | None:
        """Return the nodes of a cluster that is running."""
        return self._nodes.get(cluster_uuid) if cluster_uuid in self._watches else None

    def stop_all(self) -> None:
        """End the daemons of all clusters, also of those that only their directories tell of."""
        with self._lock:
            self._stopped = True
            watches, self._watches = list(self._watches.values()), {}
        for watch in watches:
            watch.stop()
        nodes = [self._of(path.name) for path in self._clusters_directory.glob("*/")]
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            list(pool.map(lambda each: each.end(), nodes))

    def _of(self, identity: str) -> ClusterNodes:
        if identity not in self._nodes:
            directory = self._clusters_directory / identity
            self._nodes[identity] = ClusterNodes(
                directory, self._runtime, self._surroundings, self._hosts_of(directory)
            )
        return self._nodes[identity]

    def _is_known(self, identity: str, operation: str) -> bool:
        return self._background.knows(f"{identity}/{operation}")

    def _done_with_outputs(self, cluster: dict[str, Any], operation: str, action: Any) -> bool:
        """Return whether work in which initialization actions run has ended; what they wrote is kept either way."""
        try:
            done = self._done(cluster["clusterUuid"], operation, action)
        except ClusterEngineError:
            self._keep_outputs(cluster)
            raise
        if done:
            self._keep_outputs(cluster)
        return done

    def _done(self, identity: str, operation: str, action: Any) -> bool:
        try:
            return self._background.done(f"{identity}/{operation}", action)
        except (HadoopError, OSError) as problem:
            raise ClusterEngineError(str(problem)) from problem

    def _init_actions(self, cluster: dict[str, Any]) -> list[InitAction]:
        """Return the initialization actions with their scripts. Raises ClusterEngineError for one that is gone."""
        found = []
        for index, action in enumerate(cluster["config"].get("initializationActions", ())):
            bucket, _, name = action["executableFile"].removeprefix("gs://").partition("/")
            try:
                content = self._storage.read_object(bucket, name)
            except ApiError as problem:
                raise ClusterEngineError(
                    f"Initialization action failed. Failed action '{action['executableFile']}': {problem.message}"
                ) from problem
            found.append(InitAction.of(index, action, content))
        return found

    def _keep_outputs(self, cluster: dict[str, Any]) -> None:
        """Put what initialization actions wrote where Dataproc has it: the staging bucket, a folder for each node."""
        folder = f"{METAINFO}/{cluster['clusterUuid']}"
        home = self._clusters_directory / cluster["clusterUuid"] / "init-actions"
        for path in home.glob("*/dataproc-initialization-script-*_output"):
            with contextlib.suppress(ApiError):
                self._storage.write_object(
                    cluster["config"]["configBucket"],
                    f"{folder}/{path.parent.name}/{path.name}",
                    path.read_bytes(),
                    content_type="text/plain; charset=utf-8",
                )


def end_clusters(clusters_directory: Path) -> None:
    """End every daemon of every cluster below `clusters_directory`, whatever the stored state says about it."""
    for directory in clusters_directory.glob("*/"):
        # Ending needs none of the programs.
        YarnCluster(directory, HadoopRuntime(Path(), Path(), None)).stop()
        if has_containers(directory):
            remove_cluster(directory.name)


def _put_state(url: str, state: str) -> None:
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps({"state": state}).encode(), {"Content-Type": "application/json"}, method="PUT"
    )
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_ANSWER_SECONDS).close()
    except OSError as problem:
        _log.warning("%s: %s", url, problem)
