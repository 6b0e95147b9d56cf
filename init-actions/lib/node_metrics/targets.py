"""Which schedulers and workers run on this node: they announce themselves as files of one directory.

jobs/dask_on_yarn/metrics_target.py writes them. Whoever announces holds a lock on his file as long as he lives, so a
file that can be locked is of a process that is gone, however it ended, and is removed.

Users' code can write there, too: what is read is checked, and nothing but this node's own addresses is ever asked.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import re
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path("/run/dask-metrics")
KINDS = ("scheduler", "worker")
LABELS = {
    "scheduler": frozenset({"owner", "workload", "run"}),
    "worker": frozenset({"owner", "workload", "run", "worker"}),
}
#: A node holds a few; more are somebody's mistake, and every one costs.
MOST = 64
_LARGEST = 4096
#: Clocks may be set back a little after a process was started.
_LATEST_START_SECONDS = 86400
_VALUE = re.compile(r"[A-Za-z0-9._ -]{1,100}")


@dataclass(frozen=True)
class Target:
    """Something of Dask's that answers `/metrics`; `started` is in seconds of the epoch."""

    kind: str
    host: str
    port: int
    started: float
    labels: dict[str, str]


def find(directory: Path) -> tuple[list[Target], list[str]]:
    """Return what runs, and what is wrong with files that are no announcements; files of the dead are removed."""
    found: list[Target] = []
    complaints: list[str] = []
    # A name with a dot in front is a file that is being written.
    for path in sorted(path for path in directory.glob("*.json") if not path.name.startswith(".")):
        try:
            target = _read(path)
        except (OSError, ValueError) as problem:
            # Any name is possible, also one with a line's end, or that is no text.
            complaints.append(f"{str(path)!r}: {problem}")
            continue
        if target is not None:
            found.append(target)
    if len(found) > MOST:
        complaints.append(f"{directory}: {len(found)} announcements, expected at most {MOST}; the rest is not asked")
    return found[:MOST], complaints


def _read(path: Path) -> Target | None:
    """Return the target of a file, None when its process is gone. Raises OSError and ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST:
            raise ValueError(f"expected a file of at most {_LARGEST} bytes")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return parse(os.read(descriptor, _LARGEST).decode())
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return None
    finally:
        os.close(descriptor)


def parse(text: str) -> Target:
    """Return the target of an announcement. Raises ValueError."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError(f"expected an object, found {text[:80]!r}") from None
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found {text[:80]!r}")
    kind, labels, started = content.get("kind"), content.get("labels"), content.get("started")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    if not isinstance(labels, dict) or set(labels) != LABELS[kind]:
        raise ValueError(f"labels are {labels!r}, expected {', '.join(sorted(LABELS[kind]))}")
    for name, value in labels.items():
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ValueError(f"label {name} is {value!r}, expected up to 100 letters, digits, '.', '_', '-' and spaces")
    latest = time.time() + _LATEST_START_SECONDS
    if isinstance(started, bool) or not isinstance(started, int | float) or not 0 < started <= latest:
        raise ValueError(f"started is {started!r}, expected seconds of the epoch up to now")
    host, port = _own_address(content.get("address"))
    return Target(kind, host, port, float(started), labels)


def _own_address(address: Any) -> tuple[str, int]:
    host, _, port = str(address).rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1024 <= int(port) <= 65535:
        raise ValueError(f"address is {address!r}, expected IPV4:PORT with a port from 1024 to 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            # Only an own address can be bound. The wildcard and multicast could be, too.
            ip = ipaddress.IPv4Address(host)
            if ip.is_unspecified or ip.is_multicast:
                raise ValueError
            probe.bind((host, 0))
        except (OSError, ValueError):
            raise ValueError(f"address is {address!r}, expected one of this node") from None
    return host, int(port)
