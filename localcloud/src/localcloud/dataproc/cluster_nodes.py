"""The nodes of one cluster: ResourceManager, NodeManagers, metadata servers; all steps may take seconds."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.dataproc import init_actions
from localcloud.dataproc.cluster_engine import ClusterEngineError, NodeView
from localcloud.dataproc.hosts import Hosts, Place
from localcloud.dataproc.init_actions import InitAction
from localcloud.dataproc.node_book import NodeBook, master_name, wanted_workers
from localcloud.hadoop import ClusterPlan, HadoopError, HadoopRuntime, NodePlan, YarnCluster
from localcloud.hadoop.configuration import MARKER
from localcloud.metadata import Machine, MetadataServer
from localcloud.search_paths import PATH, put_in_front

METAINFO = "google-cloud-dataproc-metainfo"
_LOOK_SECONDS = 0.3
_MEMORY = "yarn:yarn.nodemanager.resource.memory-mb"
_PYTHONS_OF_NODES = ("spark:spark.pyspark.python", "spark:spark.pyspark.driver.python")
_VCORES = "yarn:yarn.nodemanager.resource.cpu-vcores"


@dataclass(frozen=True)
class Surroundings:
    """What nodes have around them: the project, its tokens, and the variables that lead to the local cloud.

    `in_front` returns the directories that a cluster's image puts in front of search paths, by variable.
    """

    project: str
    project_number: str
    email: str
    issue_token: Callable[[str], dict[str, Any]]
    client_environment: Callable[[], dict[str, str]]
    in_front: Callable[[dict[str, Any]], dict[str, str]]


def metainfo_folder(cluster: dict[str, Any]) -> str:
    """Return the folder in which Dataproc keeps what it notes about a cluster."""
    return f"gs://{cluster['config']['configBucket']}/{METAINFO}/{cluster['clusterUuid']}"


class ClusterNodes:
    """One cluster's nodes. One step at a time: create, resume, resize, kill, delete wait for each other."""

    def __init__(self, directory: Path, runtime: HadoopRuntime, surroundings: Surroundings, hosts: Hosts) -> None:
        """Keep everything in `directory`, where an earlier server may have made the cluster, and nodes on `hosts`."""
        self.directory = directory
        self.yarn = YarnCluster(directory, runtime, hosts.machines)
        self._hosts = hosts
        self._surroundings = surroundings
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._metadata: dict[str, MetadataServer] = {}
        self._groups: dict[str, str] = {}

    def create(self, cluster: dict[str, Any], actions: list[InitAction]) -> None:
        """Make the nodes that `cluster` describes, or what is missing of them.

        Raises ClusterEngineError or HadoopError with the reason.
        """
        with self._step():
            self._prepare(cluster, wanted_workers(cluster))
            self._run_init_actions(cluster, actions, self._groups)
            self._stop_if_ending()
            self.yarn.start(self._plans(cluster, wanted_workers(cluster)))

    def resume(self, cluster: dict[str, Any], actions: list[InitAction]) -> None:
        """Take up the cluster; when its ResourceManager is gone, start it and its nodes again."""
        if not self.yarn.running():
            self.create(cluster, actions)
            return
        with self._step():
            self._prepare(cluster, wanted_workers(cluster))

    def restart_master(self) -> None:
        """Start the ResourceManager again, which has ended by itself; its nodes come back to it."""
        with self._step():
            self.yarn.start([])

    def resize(self, cluster: dict[str, Any], actions: list[InitAction], graceful_seconds: float) -> None:
        """Make the nodes those that `cluster` describes; who leaves may finish its work in `graceful_seconds`.

        New nodes run the initialization actions as the first ones did.
        """
        with self._step():
            wanted = wanted_workers(cluster)
            self._groups |= wanted
            there = {node.name: node for node in self.yarn.nodes()}
            missing = {name: group for name, group in wanted.items() if name not in there or not there[name].alive}
            leaving = [name for name in there if name not in wanted]
            if missing:
                self._make(cluster, missing)
                self._run_init_actions(cluster, actions, missing)
                self._stop_if_ending()
                self.yarn.add_nodes(self._plans(cluster, missing))
            if not leaving:
                return
            working = [name for name in leaving if there[name].alive]
            if graceful_seconds > 0 and working:
                self.yarn.decommission(working, round(graceful_seconds))
                self._wait_until_gone(working, graceful_seconds)
            self.yarn.remove_nodes(leaving)
            self._hosts.remove(leaving)
            for name in leaving:
                self._forget(name)

    def delete(self) -> None:
        """End everything and delete all files."""
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def end(self) -> None:
        """End everything, also a step that is under way; the configuration stays."""
        self._ending.set()
        with self._lock:
            for server in self._metadata.values():
                server.stop()
            self._metadata.clear()
            self.yarn.stop()
            self._hosts.end()

    def kill(self, name: str) -> None:
        """Lose a node, as when its machine fails. Raises HadoopError naming the nodes there are."""
        self.yarn.kill_node(name)
        self._hosts.lose(name)
        if self._groups.get(name) != "master" and name in self._metadata:
            self._metadata.pop(name).stop()
        self._book().end_at(name, None)

    def preempt(self, name: str, seconds: float) -> None:
        """Give a node notice; it is lost after `seconds`. Raises HadoopError naming the nodes there are."""
        self.require(name)
        self._metadata[name].machine.preempt()
        self._book().end_at(name, time.time() + seconds)

    def end_preempted(self) -> None:
        """Lose the nodes whose notice is over."""
        for name in self._book().due(time.time()):
            with contextlib.suppress(HadoopError):
                self.kill(name)

    def require(self, name: str) -> None:
        """Check that a node is there. Raises HadoopError naming the nodes there are."""
        there = sorted(node.name for node in self.yarn.nodes() if node.alive)
        if name not in there or name not in self._metadata:
            raise HadoopError(f"there is no node {name}; there are: {', '.join(there) or 'none'}")

    def views(self) -> tuple[NodeView, ...]:
        """Return the nodes as people see them. Raises HadoopError when the ResourceManager does not answer."""
        return tuple(
            NodeView(
                name=node.name,
                group=self._groups.get(node.name, "worker"),
                address=node.address,
                state=node.state if node.alive else "KILLED",
                memory_mb=node.memory_mb,
                used_mb=node.used_mb if node.alive else 0,
                vcores=node.vcores,
                used_vcores=node.used_vcores if node.alive else 0,
                containers=node.containers if node.alive else 0,
                alive=node.alive,
            )
            for node in self.yarn.nodes()
        )

    def driver_environment(self) -> dict[str, str]:
        """Return the variables of drivers on the master."""
        master = next(name for name, group in self._groups.items() if group == "master")
        return self.yarn.driver_environment() | self._metadata_variables(master)

    def master_place(self) -> Place:
        """Return how drivers are started on the master."""
        return self._hosts.place(next(name for name, group in self._groups.items() if group == "master"))

    @contextlib.contextmanager
    def _step(self) -> Any:
        with self._lock:
            self._stop_if_ending()
            yield

    def _stop_if_ending(self) -> None:
        if self._ending.is_set():
            raise ClusterEngineError("The cluster is being deleted.")

    def _prepare(self, cluster: dict[str, Any], workers: dict[str, str]) -> None:
        network = self._hosts.network()
        properties = cluster["config"]["softwareConfig"]["properties"]
        if not self._hosts.are_separate:
            # What initialization actions put on nodes is not on this machine.
            properties = {key: value for key, value in properties.items() if key not in _PYTHONS_OF_NODES}
        plan = ClusterPlan(
            name=cluster["clusterName"],
            resource_manager_address=network.master,
            properties=properties,
            client_environment=self._client_environment(),
            shares_files=not self._hosts.are_separate,
            in_front=self._in_front(cluster),
        )
        self.yarn.prepare(plan)
        self._groups = {**workers, master_name(cluster): "master"}
        self._make(cluster, self._groups)

    def _in_front(self, cluster: dict[str, Any]) -> dict[str, str]:
        """Return what the image puts in front of search paths. Raises HadoopError for a directory that is gone."""
        directories = self._surroundings.in_front(cluster)
        for variable, directory in directories.items():
            if not Path(directory).is_dir():
                version = cluster["config"]["softwareConfig"]["imageVersion"]
                raise HadoopError(f"{variable} of image {version} begins with {directory}, which is not there any more")
        return directories

    def _client_environment(self) -> dict[str, str]:
        return self._hosts.client_environment(self._surroundings.client_environment())

    def _make(self, cluster: dict[str, Any], nodes: dict[str, str]) -> None:
        book = self._book()
        addresses = {name: book.address(name, group) for name, group in nodes.items()}
        version = cluster["config"]["softwareConfig"]["imageVersion"]
        self._hosts.make(addresses, version, self._client_environment(), self._in_front(cluster))
        self._serve_metadata(cluster, nodes)

    def _book(self) -> NodeBook:
        return NodeBook(self.directory / "nodes.json", self._hosts.network())

    def _plans(self, cluster: dict[str, Any], workers: dict[str, str]) -> list[NodePlan]:
        properties = cluster["config"]["softwareConfig"]["properties"]
        book = self._book()
        return [
            NodePlan(
                name=name,
                address=book.address(name, group),
                memory_mb=int(properties[_MEMORY]),
                vcores=int(properties[_VCORES]),
                environment=self._metadata_variables(name),
            )
            for name, group in workers.items()
        ]

    def _metadata_variables(self, name: str) -> dict[str, str]:
        return self._hosts.metadata_variables(self._metadata[name])

    def _serve_metadata(self, cluster: dict[str, Any], nodes: dict[str, str]) -> None:
        book = self._book()
        for name, group in nodes.items():
            book.end_at(name, None)
            if name in self._metadata:
                self._metadata.pop(name).stop()
            machine = self._machine(cluster, name, group)
            self._metadata[name] = self._hosts.serve_metadata(machine, book.address(name, group))

    def _machine(self, cluster: dict[str, Any], name: str, group: str) -> Machine:
        config = cluster["config"]
        network = config["gceClusterConfig"]
        group_config = config["masterConfig" if group == "master" else "workerConfig"]
        email = network.get("serviceAccount", self._surroundings.email)
        return Machine(
            name=name,
            project=self._surroundings.project,
            project_number=self._surroundings.project_number,
            zone=network["zoneUri"].rpartition("/")[2],
            machine_type=group_config["machineTypeUri"].rpartition("/")[2],
            email=email,
            attributes={
                **network.get("metadata", {}),
                "dataproc-bucket": config["configBucket"],
                "dataproc-cluster-name": cluster["clusterName"],
                "dataproc-cluster-uuid": cluster["clusterUuid"],
                "dataproc-master": master_name(cluster),
                "dataproc-region": cluster["labels"]["goog-dataproc-location"],
                "dataproc-role": "Master" if group == "master" else "Worker",
                "dataproc-worker-count": str(config.get("workerConfig", {}).get("numInstances", 0)),
            },
            issue_token=lambda: self._surroundings.issue_token(email),
        )

    def _run_init_actions(self, cluster: dict[str, Any], actions: Sequence[InitAction], nodes: Iterable[str]) -> None:
        """Run the actions one after another on every node, on all nodes at the same time."""
        master = master_name(cluster)
        with ThreadPoolExecutor(max_workers=8) as pool:
            runs = [
                pool.submit(self._run_on_node, cluster, actions, name, name == master)
                # The master's failure is the one that is told.
                for name in sorted(nodes, key=lambda name: name != master)
            ]
        for run in runs:
            run.result()

    def _run_on_node(self, cluster: dict[str, Any], actions: Sequence[InitAction], name: str, is_master: bool) -> None:
        home = self.directory / "init-actions"
        conf = self.yarn.conf_directory if is_master else home / name / "conf"
        place = self._hosts.place(name)
        for action in actions:
            if not self._hosts.are_separate and not action.is_confined:
                init_actions.skip(action, name)
                continue
            conf.mkdir(parents=True, exist_ok=True)
            environment = {
                "PATH": PATH,
                "HOME": str(home / name),
                "LANG": "C.UTF-8",
                **self._client_environment(),
                **self._metadata_variables(name),
                # What an action leaves running ends with the cluster.
                MARKER: str(home / name),
                **({} if self._hosts.are_separate else {"HADOOP_CONF_DIR": str(conf)}),
                **place.environment,
            }
            environment = put_in_front(environment, self._in_front(cluster))
            call = init_actions.Call(place.entering, environment, home / name)
            self._hosts.show_log(name, action.index, call.directory / action.output_name)
            init_actions.run(action, call, name, metainfo_folder(cluster))
            self._stop_if_ending()

    def _wait_until_gone(self, names: list[str], seconds: float) -> None:
        """Wait until the ResourceManager has let nodes go, at most `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._ending.wait(_LOOK_SECONDS):
            states = {node.name: node.state for node in self.yarn.nodes() if node.alive}
            if not any(states.get(name) in ("RUNNING", "DECOMMISSIONING", "UNHEALTHY") for name in names):
                return

    def _forget(self, name: str) -> None:
        self._groups.pop(name, None)
        if name in self._metadata:
            self._metadata.pop(name).stop()
