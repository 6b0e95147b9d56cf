"""Nodes as containers that have systemd, a network and mounts of their own."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from localcloud.dataproc.hosts import Place
from localcloud.files import write_public
from localcloud.hadoop import HadoopError, Network
from localcloud.hadoop.daemons import Daemon
from localcloud.metadata import Machine, MetadataServer
from localcloud.podman import namespaces
from localcloud.podman.commands import PodmanError, inspect, podman
from localcloud.podman.images import image_of
from localcloud.podman.units import NODE_MANAGER, RESOURCE_MANAGER, UnitDaemon
from localcloud.search_paths import PATH, put_in_front

# A user's own credentials: nodes have those of their service account, from the metadata server.
_NOT_ON_NODES = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "NO_GCE_CHECK")
_DIRECT = ",.internal,169.254.169.254"
# What the stand-ins for NFS in the node image look into.
FILESTORE = Path("/var/lib/localcloud/filestore")
_BOOT_SECONDS = 180.0
_BOOTED = ("running", "degraded")
_LOOK_SECONDS = 0.1
_LABEL = "localcloud.cluster"
_FIRST_HOST = 2
_NETWORK_FILE = "podman-network.json"


# Answers as the local cloud does on a listening socket, and returns how to end that.
Serve = Callable[[socket.socket], Callable[[], None]]


class ContainerHosts:
    """The containers of one cluster, and at the same time its `Machines`."""

    are_separate = True

    def __init__(
        self,
        directory: Path,
        mounts: Mapping[Path, bool],
        filestore: Path,
        serve: Serve,
    ) -> None:
        """Make nodes for the cluster in `directory`.

        `mounts` are this machine's directories that nodes see, and whether they may write there; exports of the NFS
        stand-in are below `filestore`; `serve` answers as the local cloud does on a socket that listens on a node.
        """
        self.machines = self
        self._directory = directory
        self._identity = directory.name
        self._mounts = mounts
        self._filestore = filestore
        self._serve = serve
        self._processes: dict[str, int] = {}
        self._led: dict[str, tuple[int, Callable[[], None]]] = {}
        self._lock = threading.Lock()

    @property
    def _network_name(self) -> str:
        return f"localcloud-{self._identity[:13]}"

    def container(self, name: str) -> str:
        """Return the name of the container that is a node."""
        return f"localcloud-{self._identity[:8]}-{name}"

    def network(self) -> Network:
        """Return the cluster's network, without a way out of it, making it the first time."""
        file = self._directory / _NETWORK_FILE
        if inspect("network", self._network_name) is None:
            podman("network", "create", "--internal", "--label", f"{_LABEL}={self._identity}", self._network_name)
            file.unlink(missing_ok=True)
        if not file.exists():
            found = inspect("network", self._network_name) or {}
            subnet = found["subnets"][0]["subnet"]
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_public(file, json.dumps({"prefix": subnet.rpartition(".")[0]}).encode())
        return Network(json.loads(file.read_text(encoding="utf-8"))["prefix"], _FIRST_HOST)

    def make(
        self,
        addresses: Mapping[str, str],
        image_version: str,
        environment: Mapping[str, str],
        in_front: Mapping[str, str],
    ) -> None:
        """Start the containers that do not run, and lead all to the local cloud."""
        image = image_of(image_version)
        # The accounts of daemons see what belongs to them; the rest is root's.
        for path, mode in (
            (self._directory, 0o711),
            (self._directory / "nodes", 0o711),
            (self._directory / "tmp", 0o1777),
        ):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        self._filestore.mkdir(mode=0o755, parents=True, exist_ok=True)
        with ThreadPoolExecutor(max(1, len(addresses))) as pool:
            list(pool.map(lambda name: self._make(name, addresses[name], image, environment, in_front), addresses))

    def _make(
        self, name: str, address: str, image: str, environment: Mapping[str, str], in_front: Mapping[str, str]
    ) -> None:
        if self._process(name) is None:
            self._start(name, address, image, environment, in_front)
        process = self._process(name)
        if process is None:
            raise HadoopError(f"node {name} ended at once: {podman('logs', '--tail', '5', self.container(name))}")
        if self._led.get(name, (0,))[0] == process:
            return
        proxy = urlsplit(environment["HTTPS_PROXY"])
        self._wait_until_booted(name, process)
        prepared = namespaces.call(
            process,
            [
                "sh",
                "-euc",
                # A node that is taken up by a new server has the address already.
                'ip address replace "$1/32" dev lo; mkdir -p /etc/hadoop; ln -sfn "$2" /etc/hadoop/conf',
                "prepare",
                namespaces.METADATA_ADDRESS,
                str(self._conf(name)),
            ],
        )
        if prepared.returncode:
            raise HadoopError(f"node {name} cannot be prepared: {prepared.stderr.strip()}")
        listener = namespaces.listen(process, proxy.hostname or "127.0.0.1", proxy.port or 0)
        with self._lock:
            self._led[name] = process, self._serve(listener)

    @staticmethod
    def _wait_until_booted(name: str, process: int) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        # At first there is nobody to ask.
        while (state := namespaces.call(process, ["systemctl", "is-system-running"]).stdout.strip()) not in _BOOTED:
            if time.monotonic() > deadline:
                raise HadoopError(
                    f"node {name} has not booted after {_BOOT_SECONDS:.0f} s: systemd is {state or 'away'}"
                )
            time.sleep(_LOOK_SECONDS)

    def _start(
        self, name: str, address: str, image: str, environment: Mapping[str, str], in_front: Mapping[str, str]
    ) -> None:
        self.remove([name])
        home = self._directory / "machines" / name
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        everywhere = put_in_front({**environment, "PATH": PATH}, in_front) if in_front else environment
        variables = "".join(f'DefaultEnvironment="{key}={value}"\n' for key, value in self._quoted(everywhere).items())
        write_public(home / "environment.conf", f"[Manager]\n{variables}".encode())
        mounts = {**{Path(path): False for path in in_front.values()}, self._directory: True, **self._mounts}
        volumes = [f"{path}:{path}:{'rw' if writable else 'ro'}" for path, writable in mounts.items()]
        volumes += [
            f"{home / 'environment.conf'}:/etc/systemd/system.conf.d/10-localcloud.conf:ro",
            f"{self._filestore}:{FILESTORE}:rw",
        ]
        podman(
            "run",
            "--detach",
            f"--name={self.container(name)}",
            f"--hostname={name}",
            f"--label={_LABEL}={self._identity}",
            f"--label=localcloud.node={name}",
            f"--label=localcloud.clusters={self._directory.parent}",
            f"--network={self._network_name}",
            f"--ip={address}",
            f"--network-alias={name}",
            f"--add-host=metadata.google.internal:{namespaces.METADATA_ADDRESS}",
            "--systemd=always",
            # Nodes mount images and file systems.
            "--privileged",
            *(f"--volume={volume}" for volume in volumes),
            image,
        )

    @staticmethod
    def _quoted(environment: Mapping[str, str]) -> dict[str, str]:
        """Return values as systemd's configuration takes them in double quotes."""
        escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "%": "%%"})
        return {key: value.translate(escapes) for key, value in environment.items()}

    def _conf(self, name: str) -> Path:
        """Return Hadoop's configuration of a node: the master's is where the ResourceManager has it."""
        is_master = name == self._master()
        return self._directory / "master" / "conf" if is_master else self._directory / "nodes" / name / "conf"

    def _master(self) -> str:
        plan = json.loads((self._directory / "cluster.json").read_text(encoding="utf-8"))
        return f"{plan['name']}-m"

    def _process(self, name: str) -> int | None:
        """Return the first process of a node that runs."""
        with self._lock:
            known = self._processes.get(name)
        if known is not None and _is_container(known):
            return known
        found = inspect("container", self.container(name))
        if found is None or not found["State"]["Running"]:
            return None
        with self._lock:
            self._processes[name] = found["State"]["Pid"]
        return found["State"]["Pid"]

    def _running(self, name: str) -> int:
        process = self._process(name)
        if process is None:
            raise HadoopError(f"node {name} is not running")
        return process

    def daemon(self, name: str | None, directory: Path) -> Daemon:
        """Return a unit of a node."""
        unit = RESOURCE_MANAGER if name is None else NODE_MANAGER
        return UnitDaemon(directory, unit, lambda: self._process(name or self._master()))

    def host_name(self, name: str | None) -> str:
        """Return a node's name."""
        return name or self._master()

    def serve_metadata(self, machine: Machine, _address: str) -> MetadataServer:
        """Serve where Compute Engine does, inside the node."""
        process = self._running(machine.name)
        return MetadataServer(machine, listener=namespaces.listen(process, namespaces.METADATA_ADDRESS, 80))

    def metadata_variables(self, _server: MetadataServer) -> dict[str, str]:
        """Return none: it is where everybody looks for it."""
        return {}

    def client_environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return what leads to the local cloud, without anybody's credentials."""
        kept = {name: value for name, value in variables.items() if name not in _NOT_ON_NODES}
        return {name: value + _DIRECT if name.lower() == "no_proxy" else value for name, value in kept.items()}

    def place(self, name: str) -> Place:
        """Return how programs get into a node."""
        unset = [part for variable in _NOT_ON_NODES for part in ("--unset", variable)]
        return Place([*namespaces.entering(self._running(name)), "env", *unset], {"PATH": PATH, "HOME": "/root"})

    def show_log(self, name: str, index: int, output: Path) -> None:
        """Show the output of an initialization action where Dataproc has it on a node."""
        log = f"/var/log/dataproc-initialization-script-{index}.log"
        namespaces.call(self._running(name), ["ln", "-sfn", str(output), log])

    def lose(self, name: str) -> None:
        """Kill all of a node at once."""
        with contextlib.suppress(PodmanError):
            podman("kill", "--signal=KILL", self.container(name))
        self._let_go([name])

    def remove(self, names: Iterable[str]) -> None:
        """Delete containers."""
        names = list(names)
        if names:
            podman("rm", "--force", "--ignore", "--time=0", *(self.container(name) for name in names))
        self._let_go(names)

    def end(self) -> None:
        """Delete all containers of the cluster and its network."""
        remove_cluster(self._identity)
        self._let_go(list(self._led))

    def _let_go(self, names: Iterable[str]) -> None:
        """Stop answering on nodes: a socket there would keep their networks."""
        for name in names:
            with self._lock:
                self._processes.pop(name, None)
                _process, close = self._led.pop(name, (0, None))
            if close:
                close()


def has_containers(directory: Path) -> bool:
    """Return whether the cluster in a directory was made of containers."""
    return (directory / _NETWORK_FILE).exists()


def remove_cluster(identity: str) -> None:
    """Delete the containers and the network of a cluster, whatever state they are in. Raises PodmanError."""
    label = f"label={_LABEL}={identity}"
    containers = podman("ps", "--all", "--quiet", "--filter", label).split()
    if containers:
        podman("rm", "--force", "--ignore", "--time=0", *containers)
    networks = podman("network", "ls", "--quiet", "--filter", label).split()
    if networks:
        podman("network", "rm", "--force", *networks)


def _is_container(process: int) -> bool:
    """Return whether a process is (still) the first one of a container."""
    try:
        return "libpod" in Path(f"/proc/{process}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return False
