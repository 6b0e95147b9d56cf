"""Being inside a node: its processes see what a process of the node sees, and are children of whoever started them."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.search_paths import PATH

_SPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
# Addresses that a node has beside its own; 169.254.169.254 is where Compute Engine has its metadata server.
METADATA_ADDRESS = "169.254.169.254"


def entering(process: int) -> list[str]:
    """Return what stands before a command that is to run in the node whose first process is `process`."""
    return ["nsenter", f"--target={process}", *_SPACES, "--"]


def call(
    process: int, command: Sequence[str], environment: Mapping[str, str] | None = None, seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command in a node to its end, as root. Raises TimeoutExpired."""
    return subprocess.run(
        [*entering(process), *command],
        env={"PATH": PATH, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def listen(process: int, address: str, port: int) -> socket.socket:
    """Return a socket of this process that listens on `address` inside a node. Raises OSError.

    A socket stays in the network in which it was made; only the thread that makes it goes there.
    """
    made: list[socket.socket] = []
    problems: list[OSError] = []

    def make() -> None:
        try:
            with Path(f"/proc/{process}/ns/net").open("rb") as network:
                os.setns(network.fileno(), os.CLONE_NEWNET)
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(512)
            made.append(listener)
        except OSError as problem:
            problems.append(problem)

    thread = threading.Thread(target=make, name="network-of-a-node")
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return made[0]
