"""Addresses for clusters: each has a 127.x.y network of its own, so that all can use Hadoop's usual ports at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.hadoop.errors import HadoopError

MASTER_PORTS = {
    "scheduler": 8030,
    "resource-tracker": 8031,
    "client": 8032,
    "admin": 8033,
    "web": 8088,
}
NODE_PORTS = {"manager": 8026, "localizer": 8040, "web": 8042}
NETWORK_FILE = "network.json"
# Below are addresses that people use for other things (127.0.0.1, 127.0.1.1, 127.0.0.53).
_FIRST_SECOND_OCTET = 64
_SECOND_OCTETS = 190
_NETWORKS = _SECOND_OCTETS * 256
_ATTEMPTS = 256
_LAST_HOST = 254


@dataclass(frozen=True)
class Network:
    """The addresses PREFIX.1 to PREFIX.254 of one cluster, or those from `first_host` on."""

    prefix: str
    first_host: int = 1

    @property
    def master(self) -> str:
        """The address of the master node."""
        return f"{self.prefix}.{self.first_host}"

    def worker(self, index: int) -> str:
        """Return the address of worker `index`, counted from 0. Raises HadoopError when the network is full."""
        last = _LAST_HOST - self.first_host - 1
        if not 0 <= index <= last:
            raise HadoopError(f"worker number {index} has no address in {self.prefix}.0/24; expected 0 to {last}")
        return f"{self.prefix}.{self.first_host + 1 + index}"


def _registry() -> Path:
    """Return the directory of this user's claims: one for all instances, wherever their homes are."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "dataplatform-compute" / "networks"


@contextlib.contextmanager
def _locked(registry: Path) -> Iterator[None]:
    registry.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(registry / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def network_of(directory: Path) -> Network | None:
    """Return the network that the cluster in `directory` has, or None."""
    try:
        return Network(json.loads((directory / NETWORK_FILE).read_text(encoding="utf-8"))["prefix"])
    except (OSError, ValueError, KeyError):
        return None


def allocate_network(directory: Path) -> Network:
    """Return the network of the cluster in `directory`, taking a free one the first time.

    It stays the cluster's until the directory is deleted. Clusters of other instances and other programs that listen on
    Hadoop's ports are avoided. Raises HadoopError when a port is taken everywhere.
    """
    directory = directory.absolute()
    registry = _registry()
    with _locked(registry):
        found = network_of(directory)
        if found:
            return found
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Somewhere of its own for each directory: a cluster that is deleted and made again looks the same.
        first = zlib.crc32(os.fsencode(directory)) % _NETWORKS
        problem = ""
        for offset in range(_ATTEMPTS):
            high, low = divmod((first + offset) % _NETWORKS, 256)
            network = Network(f"127.{_FIRST_SECOND_OCTET + high}.{low}")
            claim = registry / network.prefix
            if _is_claimed(claim, network):
                continue
            problem = _problem_with(network)
            if not problem:
                claim.write_text(str(directory), encoding="utf-8")
                (directory / NETWORK_FILE).write_text(json.dumps({"prefix": network.prefix}), encoding="utf-8")
                return network
    raise HadoopError(
        f"no free network for {directory} among {_ATTEMPTS} looked at; the last one: {problem or 'taken'}"
    )


def _is_claimed(claim: Path, network: Network) -> bool:
    try:
        owner = Path(claim.read_text(encoding="utf-8"))
    except OSError:
        return False
    return network_of(owner) == network


def _problem_with(network: Network) -> str:
    """Return which port cannot be used, or an empty text."""
    wanted = [(network.master, port) for port in MASTER_PORTS.values()]
    wanted += [(network.worker(0), port) for port in NODE_PORTS.values()]
    for address, port in wanted:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    return f"{address} is no address of this machine (loopback is not 127.0.0.0/8 here)"
                return f"port {port} on {address}: {error.strerror} (a program that listens on all addresses?)"
    return ""
