"""Readings as Cloud Monitoring takes them. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from node_metrics.figures import CUMULATIVE, INT64, Reading
from node_metrics.google import Machine

#: Google takes so many in one request.
MOST_PER_REQUEST = 200


def time_series(readings: Iterable[Reading], machine: Machine, now: float) -> list[dict[str, Any]]:
    """Return one TimeSeries per reading, with a point of `now`.

    A reading whose series is there already is left out, as Google takes one; so is a counter that began after `now`,
    and a value that the figure cannot have.

    The monitored resource is the virtual machine: a Dataproc cluster is none that users may write for, so its name is
    a label.
    """
    resource = {
        "type": "gce_instance",
        "labels": {"project_id": machine.project, "instance_id": machine.instance_id, "zone": machine.zone},
    }
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for reading in readings:
        figure = reading.figure
        if not figure.holds(reading.value):
            continue
        labels = {"cluster": machine.cluster, "node": machine.name, **reading.labels}
        interval = {"endTime": timestamp(now)}
        if figure.kind == CUMULATIVE:
            interval["startTime"] = timestamp(reading.since)
            if interval["startTime"] >= interval["endTime"]:
                continue
        value = (
            {"int64Value": str(round(reading.value))} if figure.value_type == INT64 else {"doubleValue": reading.value}
        )
        found.setdefault(
            (figure.type, *sorted(labels.items())),
            {
                "metric": {"type": figure.type, "labels": labels},
                "resource": resource,
                "metricKind": figure.kind,
                "valueType": figure.value_type,
                "unit": figure.unit,
                "description": figure.description,
                "points": [{"interval": interval, "value": value}],
            },
        )
    return list(found.values())


def batches(series: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the series in portions that Google takes."""
    for start in range(0, len(series), MOST_PER_REQUEST):
        yield list(series[start : start + MOST_PER_REQUEST])


def timestamp(seconds: float) -> str:
    """Return an instant as Google takes it, with milliseconds."""
    milliseconds = _milliseconds(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(milliseconds // 1000))}.{milliseconds % 1000:03d}Z"


def earliest_after(seconds: float) -> float:
    """Return the first instant that Google tells from this one, in which the next interval of a counter may begin."""
    return (_milliseconds(seconds) + 1) / 1000


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
