"""Asking servers on this node: Dask's schedulers and workers, and YARN's daemons."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from node_metrics import figures
from node_metrics.exposition import Sample, parse
from node_metrics.figures import Reading, Selection
from node_metrics.targets import Target

_SECONDS = 5.0
_LARGEST = 16 << 20
_AT_ONCE = 4
_MIB = 1 << 20


def get(host: str, port: int, path: str) -> str:
    """Return what a server answers. Raises OSError when it does not answer 200 with a text of bearable size in time."""
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"http://{host}:{port}{path} answered HTTP {answer.status}, expected 200")
        content = answer.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise OSError(f"http://{host}:{port}{path} answered more than {_LARGEST} bytes")
        return content.decode(errors="replace")
    except http.client.HTTPException as problem:
        raise OSError(f"http://{host}:{port}{path}: {problem!r}") from problem
    finally:
        connection.close()


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
        text = get(target.host, target.port, "/metrics")
    except OSError:
        return [Reading(figures.UP[target.kind], 0, target.labels)]
    samples = list(parse(text, {selection.source for selection in selections}))
    readings = [Reading(figures.UP[target.kind], 1, target.labels)]
    for selection in selections:
        readings += _select(selection, [sample for sample in samples if sample.name == selection.source], target)
    return readings


def _select(selection: Selection, samples: list[Sample], target: Target) -> Iterator[Reading]:
    # Dask answers NaN for what it has not measured yet.
    samples = [sample for sample in samples if math.isfinite(sample.value)]
    if not selection.label:
        if samples:
            value = sum(sample.value for sample in samples)
            yield Reading(selection.figure, value, target.labels, target.started)
        return
    for sample in samples:
        value = sample.labels.get(selection.label, "")
        if value in selection.values:
            yield Reading(selection.figure, sample.value, {**target.labels, selection.label: value}, target.started)


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
    for bean in _beans(host, port, "Hadoop:service=ResourceManager,name=QueueMetrics,q0=root,*"):
        keys = dict(
            part.split("=", 1) for part in str(bean.get("name", "")).partition(":")[2].split(",") if "=" in part
        )
        # Not the users' own queues below a priority, of which there are as many as users.
        if set(keys) != {"service", "name", "q0", "q1"}:
            continue
        labels = {"queue": keys["q1"]}
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
