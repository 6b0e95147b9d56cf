"""A YARN cluster on this machine: a real ResourceManager and a real NodeManager per node."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localcloud.files import write_private, write_public
from localcloud.hadoop import configuration
from localcloud.hadoop.configuration import MARKER, Layout
from localcloud.hadoop.daemons import Daemon, sweep
from localcloud.hadoop.errors import HadoopError
from localcloud.hadoop.leaving import LeavingNodes
from localcloud.hadoop.machines import Machines, ThisMachine
from localcloud.hadoop.plans import ClusterPlan, NodePlan, NodeStatus
from localcloud.hadoop.resource_manager import ACTIVE_STATES, ResourceManager, refresh_nodes
from localcloud.hadoop.runtime import HadoopRuntime
from localcloud.search_paths import PATH, put_in_front

# On a machine that is busy with other things, too; it takes a few seconds on one that is not.
_START_SECONDS = 120.0
_LEAVE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_PLAN_FILE = "cluster.json"
_NODE_FILE = "node.json"
_RESOURCE_MANAGER = "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
_NODE_MANAGER = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"


class YarnCluster:
    """The cluster in one directory. All state is there: an object made later, in another process, finds it."""

    def __init__(self, directory: Path, runtime: HadoopRuntime, machines: Machines | None = None) -> None:
        """Look after the cluster in `directory`, which may not exist yet; its daemons run on `machines`."""
        self._layout = Layout(directory.absolute())
        self._machines = machines or ThisMachine()
        self._runtime = runtime
        self._leaving = LeavingNodes(self._layout.exclude_file)

    def prepare(self, plan: ClusterPlan) -> None:
        """Write the master's configuration without starting anything, so that more can be put beside it."""
        layout = self._layout
        # Everybody on a node may read Hadoop's configuration.
        layout.conf.mkdir(mode=0o755, parents=True, exist_ok=True)
        for directory in (
            layout.spark_conf,
            layout.nodes,
            layout.temporary,
            layout.staging,
            layout.file_system,
        ):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(layout.directory / _PLAN_FILE, json.dumps(plan.as_json()).encode())
        for path, content in configuration.render_master(layout, plan, self._runtime).items():
            write_public(path, content.encode())
        self._write_hosts(layout.master, plan.resource_manager_address, self._machines.host_name(None))
        if plan.allocation_file:
            write_public(layout.conf / configuration.ALLOCATION_FILE, plan.allocation_file.read_bytes())
        if not layout.exclude_file.exists():
            self._leaving.write({})

    def start(self, nodes: Sequence[NodePlan] = ()) -> None:
        """Start the ResourceManager and, at the same time, `nodes`; return when all are at work.

        Raises HadoopError with the ResourceManager's own reason when it ends instead.
        """
        self._require_plan()
        with self._locked():
            daemon = self._master_daemon()
            if not daemon.alive():
                sweep(self._layout.master)
                daemon.start(
                    self._command(_RESOURCE_MANAGER, self._layout.master, "-Xmx512m"),
                    self._base_environment(self._layout.master),
                    self._layout.temporary,
                )
            for node in nodes:
                self._start_node(node)
        self._wait_for(self._manager().active, {"the ResourceManager": daemon})
        self._wait_for_nodes([node.name for node in nodes])

    def running(self) -> bool:
        """Return whether the ResourceManager's process is there."""
        return self._master_daemon().alive()

    def add_nodes(self, nodes: Sequence[NodePlan]) -> None:
        """Start nodes; return when the ResourceManager has them. One of a name that was there before comes back.

        Raises HadoopError with a NodeManager's own reason when it ends instead.
        """
        with self._locked():
            # A lost node that the ResourceManager still counts on would be taken for the new one, with its containers.
            lost = [node.name for node in nodes if not self._node_daemon(node.name).alive()]
            self._dismiss([name for name in lost if self._state(name) in ACTIVE_STATES])
            welcome = {node.address for node in nodes}
            leaving = self._leaving.read()
            if welcome & leaving.keys():
                self._leaving.write({address: left for address, left in leaving.items() if address not in welcome})
                self._refresh(("-g", "-server"))
            for node in nodes:
                self._start_node(node)
        self._wait_for_nodes([node.name for node in nodes])

    def decommission(self, names: Iterable[str], timeout_seconds: int) -> None:
        """Let nodes leave: they get no new containers, and go when their work has ended or after `timeout_seconds`.

        Returns at once; `nodes()` tells how far it is. The ResourceManager waits for the applications that ran on a
        node, not only for its containers: whoever wants a node as soon as it is empty removes it then.
        """
        with self._locked():
            addresses = {self._node(name).address: timeout_seconds for name in names}
            self._leaving.write(self._leaving.read() | addresses)
            self._refresh(("-g", str(timeout_seconds), "-server"))

    def remove_nodes(self, names: Iterable[str]) -> None:
        """Take nodes away at once, with all that runs on them, as deleting their machines would."""
        names = list(names)
        with self._locked():
            if self._master_daemon().alive():
                self._dismiss(names)
            for name in names:
                self._end_node(name)
                shutil.rmtree(self._layout.node(name), ignore_errors=True)

    def kill_node(self, name: str) -> None:
        """Lose a node: its NodeManager and all that runs on it are gone, and nobody tells the ResourceManager."""
        self._node(name)
        self._end_node(name)

    def nodes(self) -> list[NodeStatus]:
        """Return the nodes, ordered by name. Raises HadoopError when the ResourceManager does not answer."""
        known = self._manager().nodes()
        found = []
        for name in self._node_names():
            node = self._node(name)
            seen = known.get(node.address, {})
            found.append(
                NodeStatus(
                    name=name,
                    address=node.address,
                    state=seen.get("state", "ABSENT"),
                    memory_mb=node.memory_mb,
                    used_mb=seen.get("usedMemoryMB", 0),
                    vcores=node.vcores,
                    used_vcores=seen.get("usedVirtualCores", 0),
                    containers=seen.get("numContainers", 0),
                    alive=self._node_daemon(name).alive(),
                )
            )
        return found

    def metrics(self) -> dict[str, Any]:
        """Return the ResourceManager's cluster metrics (/ws/v1/cluster/metrics). Raises HadoopError."""
        return self._manager().metrics()

    @property
    def resource_manager_url(self) -> str:
        """The ResourceManager's web user interface."""
        return self._manager().url

    @property
    def conf_directory(self) -> Path:
        """HADOOP_CONF_DIR of the master."""
        return self._layout.conf

    @property
    def spark_conf_directory(self) -> Path:
        """SPARK_CONF_DIR of the master."""
        return self._layout.spark_conf

    @property
    def resource_manager_log(self) -> Path:
        """What the ResourceManager writes."""
        return self._master_daemon().log_file

    def driver_environment(self) -> dict[str, str]:
        """Return the variables that a job's driver has on the master."""
        environment = {
            "JAVA_HOME": str(self._runtime.java_home),
            "HADOOP_CONF_DIR": str(self.conf_directory),
            "YARN_CONF_DIR": str(self.conf_directory),
            "SPARK_CONF_DIR": str(self.spark_conf_directory),
            "SPARK_LOCAL_IP": self._plan().resource_manager_address,
        }
        if self._runtime.spark_home:
            environment["SPARK_HOME"] = str(self._runtime.spark_home)
        return environment

    def stop(self) -> None:
        """End every daemon and all that they started, whatever state they are in; the configuration stays."""
        if not self._layout.directory.exists():
            return
        with self._locked():
            # The master first: it would start replacements for what is lost.
            self._master_daemon().kill()
            for name in self._node_names():
                self._node_daemon(name).kill()
            sweep(self._layout.directory)
            for name in self._node_names():
                shutil.rmtree(self._layout.node(name), ignore_errors=True)
            if self._layout.conf.exists():
                self._leaving.write({})

    def _start_node(self, node: NodePlan) -> None:
        daemon = self._node_daemon(node.name)
        if daemon.alive():
            return
        home = self._layout.node(node.name)
        sweep(home)
        # A new machine: nothing is left of an earlier one of this name.
        shutil.rmtree(home, ignore_errors=True)
        (home / "conf").mkdir(mode=0o755, parents=True)
        plan = self._plan()
        write_private(home / _NODE_FILE, json.dumps(asdict(node)).encode())
        for path, content in configuration.render_node(self._layout, plan, node).items():
            write_public(path, content.encode())
        self._write_hosts(home, node.address, self._machines.host_name(node.name))
        environment = configuration.node_environment(plan, node, self._base_environment(home))
        daemon.start(self._command(_NODE_MANAGER, home, "-Xmx256m"), environment, self._layout.temporary)

    def _end_node(self, name: str) -> None:
        self._node_daemon(name).kill()
        sweep(self._layout.node(name))

    def _dismiss(self, names: list[str]) -> None:
        """Make the ResourceManager give up nodes at once. Raises HadoopError when it does not."""
        if not names:
            return
        addresses = {self._node(name).address: name for name in names}
        self._leaving.write(self._leaving.read() | dict.fromkeys(addresses, 0))
        others_leave = any(
            node["state"] == "DECOMMISSIONING" and address not in addresses
            for address, node in self._manager().nodes().items()
        )
        if others_leave:
            # Without -g every listed node goes at once, also those that were given time. With it a node goes when it
            # reports the next time, which a dead one never does: YARN gives that up after its own timeout.
            self._refresh(("-g", "0", "-server"))
            addresses = {address: name for address, name in addresses.items() if self._node_daemon(name).alive()}
        else:
            self._refresh(())
        deadline = time.monotonic() + _LEAVE_SECONDS
        while any(self._manager().nodes().get(address, {}).get("state") in ACTIVE_STATES for address in addresses):
            if time.monotonic() > deadline:
                raise HadoopError(
                    f"the ResourceManager still counts on {', '.join(names)} after {_LEAVE_SECONDS:.0f} s"
                )
            time.sleep(_LOOK_SECONDS)

    def _refresh(self, options: tuple[str, ...]) -> None:
        refresh_nodes(self._runtime, self._layout.conf, options, self._base_environment(self._layout.master))

    def _wait_for_nodes(self, names: list[str]) -> None:
        addresses = {self._node(name).address: name for name in names}
        daemons = {f"the NodeManager of {name}": self._node_daemon(name) for name in names}
        if addresses:
            self._wait_for(lambda: self._all_at_work(addresses), daemons)

    def _all_at_work(self, addresses: Iterable[str]) -> bool:
        known = self._manager().nodes(attempts=1)
        return all(known.get(address, {}).get("state") == "RUNNING" for address in addresses)

    def _wait_for(self, ready: Callable[[], bool], daemons: dict[str, Daemon]) -> None:
        """Wait until `ready`. Raises HadoopError when one of `daemons` ends or takes too long."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            for name, daemon in daemons.items():
                if not daemon.alive():
                    raise HadoopError(f"{name} ended at start: {daemon.failure()} (log: {daemon.log_file})")
            with contextlib.suppress(HadoopError):
                if ready():
                    return
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}, {daemon.log_file}:\n{daemon.log_tail()}" for name, daemon in daemons.items())
                raise HadoopError(f"{', '.join(daemons)} not at work after {_START_SECONDS:.0f} s:\n{logs}")
            time.sleep(_LOOK_SECONDS)

    def _command(self, main: str, home: Path, memory: str) -> list[str]:
        conf = home / "conf"
        options = (
            memory,
            f"-Dlog4j.configuration={(conf / 'log4j.properties').as_uri()}",
            f"-Djava.io.tmpdir={self._layout.temporary}",
            f"-Djdk.net.hosts.file={home / 'hosts'}",
        )
        return self._runtime.command(main, conf, *options)

    def _base_environment(self, home: Path) -> dict[str, str]:
        environment = {
            "PATH": f"{self._runtime.java_home / 'bin'}:{PATH}",
            "HOME": str(Path.home()),
            "USER": getpass.getuser(),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._layout.temporary),
            "JAVA_HOME": str(self._runtime.java_home),
            "HADOOP_CONF_DIR": str(home / "conf"),
            MARKER: str(home),
        }
        return put_in_front(environment, self._plan().in_front)

    @staticmethod
    def _write_hosts(home: Path, address: str, host_name: str) -> None:
        write_public(home / "hosts", configuration.hosts_file(address, host_name).encode())

    def _require_plan(self) -> None:
        if not (self._layout.directory / _PLAN_FILE).exists():
            raise HadoopError(f"{self._layout.directory} holds no prepared cluster; call prepare first")

    def _plan(self) -> ClusterPlan:
        self._require_plan()
        return ClusterPlan.from_json(json.loads((self._layout.directory / _PLAN_FILE).read_text(encoding="utf-8")))

    def _manager(self) -> ResourceManager:
        return ResourceManager(self._plan().resource_manager_address)

    def _master_daemon(self) -> Daemon:
        return self._machines.daemon(None, self._layout.master / "daemon")

    def _node_daemon(self, name: str) -> Daemon:
        return self._machines.daemon(name, self._layout.node(name) / "daemon")

    def _node_names(self) -> list[str]:
        return sorted(path.parent.name for path in self._layout.nodes.glob(f"*/{_NODE_FILE}"))

    def _node(self, name: str) -> NodePlan:
        try:
            return NodePlan(**json.loads((self._layout.node(name) / _NODE_FILE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            there = ", ".join(self._node_names()) or "none"
            raise HadoopError(f"there is no node {name}; there are: {there}") from None

    def _state(self, name: str) -> str | None:
        if name not in self._node_names():
            return None
        return self._manager().nodes().get(self._node(name).address, {}).get("state")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one thread of one process at a time change the cluster."""
        descriptor = os.open(self._layout.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
