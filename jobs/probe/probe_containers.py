"""Containers of a YARN application that say what they are, and stay until the driver lets each of them go.

A container is a Spark job of its own with one task, as a Dask worker is (``dask_on_yarn/worker_slots.py``). The task
connects to the driver, sends its facts as one line, and ends when the driver closes the connection; then Spark's
dynamic allocation gives the executor back.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import node_facts

LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Container:
    """One container that has reported: the node it is on, by the name YARN has for it, and what it says of itself."""

    host: str
    facts: dict[str, str]
    connection: socket.socket

    def release(self) -> None:
        """Let its task end."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Containers:
    """The driver's end."""

    def __init__(self, host: str) -> None:
        """Listen on an address of this machine that the workers reach."""
        self._secret = secrets.token_hex(16)
        self._listener = socket.create_server((host, 0))
        self.address = self._listener.getsockname()[:2]

    def start(self, context: Any, count: int) -> None:
        """Ask a SparkContext for ``count`` containers; they come when YARN gives them."""
        from pyspark import InheritableThread  # noqa: PLC0415 - only a cluster's driver has it

        work = Work(self.address, self._secret)

        def run() -> None:
            # The job fails when its container is lost or the application stopped; who was told sees the connection end.
            with contextlib.suppress(Exception):
                context.parallelize([0], 1).mapPartitions(work).collect()

        for number in range(count):
            thread = InheritableThread(target=run, name=f"container-{number}")
            thread.daemon = True
            thread.start()

    def reported(self, count: int, seconds: float) -> list[Container]:
        """The containers that reported within ``seconds``, at most ``count``."""
        found: list[Container] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and (left := deadline - time.monotonic()) > 0:
            self._listener.settimeout(left)
            try:
                connection, _address = self._listener.accept()
            except TimeoutError:
                break
            connection.settimeout(30)
            if (container := self._hello(connection)) is not None:
                found.append(container)
        return found

    def _hello(self, connection: socket.socket) -> Container | None:
        with connection.makefile("r", encoding="utf-8") as lines:
            try:
                said = json.loads(lines.readline(LONGEST_LINE))
            except (OSError, ValueError):
                said = {}
        if not isinstance(said, dict) or not secrets.compare_digest(str(said.get("secret", "")), self._secret):
            connection.close()
            return None
        return Container(str(said["host"]), dict(said["facts"]), connection)

    def close(self) -> None:
        """Listen no more; containers that come later end at once."""
        self._listener.close()


@dataclass(frozen=True)
class Work:
    """What a container does; it travels there."""

    address: tuple[str, int]
    secret: str

    def __call__(self, _numbers: Iterator[int]) -> Iterator[int]:
        """Report, and stay until the driver closes the connection or is gone."""
        said = {"secret": self.secret, "host": os.environ.get("NM_HOST") or socket.gethostname()}
        with socket.create_connection(self.address, timeout=60) as connection:
            connection.sendall((json.dumps({**said, "facts": node_facts.facts()}) + "\n").encode())
            connection.settimeout(None)
            while connection.recv(1024):
                pass
        return iter([0])
