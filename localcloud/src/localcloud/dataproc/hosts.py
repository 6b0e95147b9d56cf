"""Where the nodes of a cluster live: what differs between processes of this machine and machines of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localcloud.hadoop import Network, allocate_network
from localcloud.hadoop.machines import Machines, ThisMachine
from localcloud.metadata import Machine, MetadataServer


@dataclass(frozen=True)
class Place:
    """How a program is started on a node: what stands before its command, and its environment."""

    entering: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


class Hosts(Protocol):
    """The hosts of one cluster. What goes wrong is a HadoopError that names the node."""

    machines: Machines
    # Whether a node is a machine of its own, on which an initialization action may change anything.
    are_separate: bool

    def network(self) -> Network:
        """Return the cluster's addresses, which it keeps for its life."""

    def make(
        self,
        addresses: Mapping[str, str],
        image_version: str,
        environment: Mapping[str, str],
        in_front: Mapping[str, str],
    ) -> None:
        """Make the nodes that are not there, by name and address; `environment` leads them to the local cloud.

        `in_front` are directories that stand in front of their search paths, by variable.
        """

    def serve_metadata(self, machine: Machine, address: str) -> MetadataServer:
        """Return a metadata server that answers the node at `address`."""

    def metadata_variables(self, server: MetadataServer) -> dict[str, str]:
        """Return the variables by which programs on a node find its metadata server."""

    def client_environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return which of the variables that lead clients to the local cloud a node's programs have."""

    def place(self, name: str) -> Place:
        """Return how programs are started on a node."""

    def show_log(self, name: str, index: int, output: Path) -> None:
        """Show the output of initialization action number `index` on a node."""

    def lose(self, name: str) -> None:
        """End a node as a power failure would."""

    def remove(self, names: Iterable[str]) -> None:
        """Take nodes away."""

    def end(self) -> None:
        """Take all nodes away, and the network."""


class ProcessHosts:
    """Every node is this machine, at an address of the loopback network; there is nothing to make or to take away."""

    are_separate = False

    def __init__(self, directory: Path) -> None:
        """Belong to the cluster in `directory`."""
        self._directory = directory
        self.machines: Machines = ThisMachine()

    def network(self) -> Network:
        """Return the cluster's part of the loopback network."""
        return allocate_network(self._directory)

    def make(
        self,
        _addresses: Mapping[str, str],
        _image_version: str,
        _environment: Mapping[str, str],
        _in_front: Mapping[str, str],
    ) -> None:
        """There is nothing to make."""

    def serve_metadata(self, machine: Machine, address: str) -> MetadataServer:
        """Serve at the node's address."""
        return MetadataServer(machine, address)

    def metadata_variables(self, server: MetadataServer) -> dict[str, str]:
        """Return where it is: not at the usual address, which is the same for all nodes."""
        return {"GCE_METADATA_HOST": server.host, "GCE_METADATA_IP": server.host}

    def client_environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return all: the user's own credentials, too."""
        return dict(variables)

    def place(self, _name: str) -> Place:
        """Programs are just started."""
        return Place()

    def show_log(self, _name: str, _index: int, _output: Path) -> None:
        """It is in the staging bucket; /var/log is the machine's own."""

    def lose(self, _name: str) -> None:
        """What was on the node is ended with its daemon."""

    def remove(self, _names: Iterable[str]) -> None:
        """There is nothing to take away."""

    def end(self) -> None:
        """There is nothing to take away."""
