"""Asking servers on this node: Dask's schedulers and workers, and YARN's daemons."""

from __future__ import annotations

import http.client
import io
import json
import math
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from node_metrics import figures
from node_metrics.exposition import Sample, parse
from node_metrics.figures import Reading, Selection
from node_metrics.targets import Target

#: For an answer as a whole, and in all: the unit has 128 MiB, and users' code may be what answers.
_SECONDS = 10.0
_LARGEST = 4 << 20
_AT_ONCE = 4
_MIB = 1 << 20
#: YARN's own queue, which is always there, and which nobody may use.
_DEFAULT_QUEUE = "default"


class _Bounded(io.RawIOBase):
    """What comes by a socket until an instant, however it is spread, and no more than an answer may have."""

    def __init__(self, connected: socket.socket, ends: float) -> None:
        self._socket = connected
        self._ends = ends
        self._left = _LARGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._ends - time.monotonic()
        if remaining <= 0:
            raise TimeoutError(f"no whole answer within {_SECONDS:g} seconds")
        self._socket.settimeout(remaining)
        count = self._socket.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise OSError(f"an answer of more than {_LARGEST} bytes")
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Be what http.client takes for a socket."""
        return io.BufferedReader(self)


def get(host: str, port: int, path: str) -> bytes:
    """Return what a server answers. Raises OSError when it does not answer 200 with a bearable size in time."""
    url = f"http://{host}:{port}{path}"
    ends = time.monotonic() + _SECONDS
    with socket.create_connection((host, port), _SECONDS) as connected:
        connected.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(_Bounded(connected, ends))
        try:
            answer.begin()
            if answer.status != 200:
                raise OSError(f"{url} answered HTTP {answer.status}, expected 200")
            content = answer.read(_LARGEST)
        except (http.client.HTTPException, ValueError) as problem:
            raise OSError(f"{url}: {problem!r}") from problem
        finally:
            answer.close()
        if answer.length:
            raise OSError(f"{url} ended {answer.length} bytes early")
        return content


def read_targets(targets: list[Target]) -> list[Reading]:
    """Return the figures of all targets; one that does not answer has the one figure that says so."""
    if not targets:
        return []
    with ThreadPoolExecutor(min(len(targets), _AT_ONCE)) as pool:
        return [reading for readings in pool.map(read_target, targets) for reading in readings]


def read_target(target: Target) -> list[Reading]:
    """Return the figures of one scheduler or worker."""
    selections = figures.SELECTIONS[target.kind]
    try:
        # Only ASCII of it is looked at, so that each byte may be a character, which takes no more memory.
        text = get(target.host, target.port, "/metrics").decode("latin-1")
    except OSError:
        return [Reading(figures.UP[target.kind], 0, target.labels)]
    by_source = {selection.source: selection for selection in selections}
    readings = [Reading(figures.UP[target.kind], 1, target.labels)]
    readings += _select(by_source, parse(text, by_source), target)
    return readings


def _select(by_source: dict[str, Selection], samples: Iterable[Sample], target: Target) -> Iterator[Reading]:
    # Added up as they come: a server can answer any number of them.
    sums: dict[tuple[str, str], float] = {}
    for sample in samples:
        selection = by_source[sample.name]
        value = sample.labels.get(selection.label, "") if selection.label else ""
        # Dask answers NaN for what it has not measured yet.
        if math.isfinite(sample.value) and (not selection.label or value in selection.values):
            sums[sample.name, value] = sums.get((sample.name, value), 0.0) + sample.value
    for (source, value), total in sums.items():
        selection = by_source[source]
        labels = {**target.labels, selection.label: value} if selection.label else target.labels
        yield Reading(selection.figure, total, labels, target.started)


def read_node_manager(host: str, port: int) -> list[Reading]:
    """Return the figures of the node's NodeManager. Raises OSError and ValueError."""
    (bean,) = _beans(host, port, "Hadoop:service=NodeManager,name=NodeManagerMetrics")
    return [
        Reading(figures.CONTAINERS, _number(bean, "ContainersRunning")),
        Reading(figures.BAD_DISKS, _number(bean, "BadLocalDirs") + _number(bean, "BadLogDirs")),
    ]


def read_queues(host: str, port: int) -> list[Reading]:
    """Return the figures of the ResourceManager's queues by priority. Raises OSError and ValueError."""
    readings = []
    # Neither users, nor their own queues below a priority (q2): there are as many as users.
    for bean in _beans(host, port, "Hadoop:service=ResourceManager,name=QueueMetrics,q0=root,q1=*"):
        queue = str(bean.get("name", "")).rpartition("q1=")[2]
        if queue == _DEFAULT_QUEUE:
            continue
        labels = {"queue": queue}
        readings += [
            Reading(figures.WAITING, _number(bean, "AppsPending"), labels),
            Reading(figures.RUNNING, _number(bean, "AppsRunning"), labels),
            Reading(figures.PENDING, _number(bean, "PendingMB") * _MIB, labels),
        ]
    return readings


def _beans(host: str, port: int, query: str) -> list[dict[str, Any]]:
    answer = json.loads(get(host, port, f"/jmx?qry={quote(query, safe='')}"))
    beans = answer.get("beans") if isinstance(answer, dict) else None
    if not isinstance(beans, list) or not all(isinstance(bean, dict) for bean in beans):
        raise ValueError(f"http://{host}:{port}/jmx answered no beans")
    if not beans:
        raise ValueError(f"http://{host}:{port}/jmx has no {query}")
    return beans


def _number(bean: dict[str, Any], name: str) -> float:
    value = bean.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{bean.get('name')} has {name} {value!r}, expected a number")
    return value


#: What to read of YARN, by the node's role: from which property and with which default port, and how.
YARN: dict[str, tuple[str, int, Callable[[str, int], list[Reading]]]] = {
    "Master": ("yarn.resourcemanager.webapp.address", 8088, read_queues),
    "Worker": ("yarn.nodemanager.webapp.address", 8042, read_node_manager),
}
