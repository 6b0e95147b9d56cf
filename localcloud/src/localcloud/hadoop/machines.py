"""What a cluster's daemons run on."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol

from localcloud.hadoop.daemons import Daemon


class Machines(Protocol):
    """The machines of one cluster, by node name; the master's ResourceManager is asked for with None."""

    def daemon(self, name: str | None, directory: Path) -> Daemon:
        """Return the daemon of a node, whose files are in `directory`."""

    def host_name(self, name: str | None) -> str:
        """Return what a node calls itself."""


class ThisMachine:
    """All nodes are this machine."""

    def daemon(self, _name: str | None, directory: Path) -> Daemon:
        """Return a process of this machine."""
        return Daemon(directory)

    def host_name(self, _name: str | None) -> str:
        """Return this machine's name."""
        return socket.gethostname()
