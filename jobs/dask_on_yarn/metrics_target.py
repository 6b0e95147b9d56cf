"""Tells this node's metrics agent (init-actions/node-metrics.sh) where a scheduler or worker answers ``/metrics``.

An announcement is a file that is locked as long as its process lives, so the agent knows the dead from the living
however they ended. Where no agent was set up there is no directory, and nothing is announced. No run ever fails because
of its metrics.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = Path("/run/dask-metrics")
#: In a worker's environment: the labels of its run, as JSON.
ENVIRONMENT = "DASK_ON_YARN_METRICS"


class Announcement:
    """A file that says where to ask; withdrawn at once by ``withdraw``, otherwise when the process ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    def withdraw(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def announce(kind: str, address: str, labels: Mapping[str, str], directory: Path = DIRECTORY) -> Announcement | None:
    """Announce a ``scheduler`` or ``worker`` at ``HOST:PORT``; None where there is no agent. Raises OSError."""
    if not directory.is_dir():
        return None
    content = {"kind": kind, "address": address, "labels": dict(labels), "started": time.time()}
    path = directory / f"{kind}-{os.getpid()}-{address.rpartition(':')[2]}.json"
    new = path.with_name(f".{path.name}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        # Locked before it has the name that the agent looks for.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, json.dumps(content).encode())
        new.replace(path)
    except OSError:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        raise
    return Announcement(path, descriptor)


def labels_for_workers(labels: Mapping[str, str]) -> dict[str, str]:
    """The environment that makes the workers of a run announce themselves with its labels."""
    return {ENVIRONMENT: json.dumps(dict(labels))}


def announce_worker(slot: str, port: int, environment: Mapping[str, str] = os.environ) -> Announcement | None:
    """Announce this process, the worker of a slot, whose HTTP server listens on the loopback. Raises OSError."""
    labels = json.loads(environment.get(ENVIRONMENT, "null"))
    return announce("worker", f"127.0.0.1:{port}", {**labels, "worker": slot}) if labels else None
