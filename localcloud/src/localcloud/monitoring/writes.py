"""What is wrong with one TimeSeries of a write, in Google's words. Pure."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from localcloud.monitoring.descriptors import KINDS, NEVER

# What users may write for, with the labels that name one of each (project_id is filled in by Google).
RESOURCES = {
    "aws_ec2_instance": {"instance_id", "region", "aws_account"},
    "dataflow_job": {"job_name", "region"},
    "gae_instance": {"module_id", "version_id", "instance_id", "location"},
    "gce_instance": {"instance_id", "zone"},
    "generic_node": {"location", "namespace", "node_id"},
    "generic_task": {"location", "namespace", "job", "task_id"},
    "gke_container": {"cluster_name", "namespace_id", "instance_id", "pod_id", "container_name", "zone"},
    "global": set(),
    "k8s_cluster": {"location", "cluster_name"},
    "k8s_container": {"location", "cluster_name", "namespace_name", "pod_name", "container_name"},
    "k8s_node": {"location", "cluster_name", "node_name"},
    "k8s_pod": {"location", "cluster_name", "namespace_name", "pod_name"},
}
_TYPES_BY_FIELD = {
    "boolValue": "BOOL",
    "int64Value": "INT64",
    "doubleValue": "DOUBLE",
    "distributionValue": "DISTRIBUTION",
}
OLDEST, NEWEST = timedelta(hours=25), timedelta(minutes=5)
SHORTEST_PERIOD = timedelta(seconds=5)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_LABEL = 1024
OUT_OF_ORDER = (
    "Points must be written in order. "
    "One or more of the points specified had an older {} time than the most recent point."
)
TOO_OFTEN = (
    "One or more points were written more frequently than the maximum sampling period configured for the metric."
)


def instant(text: str) -> datetime:
    """Return an instant that the schema has checked."""
    return datetime.fromisoformat(text)


def shape_problem(series: dict[str, Any]) -> str:
    """Return what is wrong with a series by itself; empty when nothing is."""
    metric, resource, points = series.get("metric", {}), series.get("resource", {}), series.get("points", [])
    labels = resource.get("labels", {})
    if resource.get("type") not in RESOURCES:
        return f'Field resource.type had an invalid value of "{resource.get("type", "")}": Unrecognized resource name.'
    if set(labels) - {"project_id"} != RESOURCES[resource["type"]]:
        return (
            f"Field resource.labels had an invalid value: {resource['type']} has the labels "
            f"{', '.join(sorted(RESOURCES[resource['type']]))}, found {', '.join(sorted(labels))}."
        )
    if not metric.get("type"):
        return "Field metric.type had an invalid value: it is empty."
    if any(len(value) > _LONGEST_LABEL for value in metric.get("labels", {}).values()):
        return f"Field metric.labels had an invalid value: values have at most {_LONGEST_LABEL} characters."
    if len(points) != 1:
        return "Field points had an invalid value: Only one point can be written per TimeSeries per request."
    return _value_problem(series, points[0].get("value", {}))


def _value_problem(series: dict[str, Any], value: dict[str, Any]) -> str:
    kind = value_type(value)
    if not kind or len(value) != 1:
        return "Field points[0].value had an invalid value: expected one value of BOOL, INT64, DOUBLE or DISTRIBUTION."
    if series.get("valueType", kind) != kind:
        return f"Field points[0].value had an invalid value: {kind} in a series of {series['valueType']}."
    if kind == "DOUBLE" and not math.isfinite(value["doubleValue"]):
        return "Field points[0].value had an invalid value: a double must be finite."
    if series.get("metricKind", "GAUGE") not in KINDS:
        return f"Field metricKind had an invalid value of {series['metricKind']}: expected GAUGE or CUMULATIVE."
    if (series.get("metricKind"), kind) == NEVER:
        return "Field metricKind had an invalid value of CUMULATIVE: a BOOL is a GAUGE."
    return ""


def value_type(value: dict[str, Any]) -> str:
    """Return the type of a TypedValue, empty when it has none that users may write."""
    return next((kind for name, kind in _TYPES_BY_FIELD.items() if name in value), "")


def descriptor_problem(series: dict[str, Any], descriptor: dict[str, Any]) -> str:
    """Return in what a series disagrees with its metric's descriptor."""
    kind, value = series.get("metricKind", descriptor["metricKind"]), value_type(series["points"][0]["value"])
    if kind != descriptor["metricKind"]:
        return f"Metric kind for metric {descriptor['type']} must be {descriptor['metricKind']}, but is {kind}."
    if value != descriptor["valueType"]:
        return f"Value type for metric {descriptor['type']} must be {descriptor['valueType']}, but is {value}."
    missing = {label["key"] for label in descriptor["labels"]} - set(series["metric"].get("labels", {}))
    if missing:
        return f"Labels of metric {descriptor['type']} must all have values, but there is none of {', '.join(missing)}."
    return ""


def time_problem(interval: dict[str, Any], kind: str, before: dict[str, Any] | None, now: datetime) -> str:
    """Return what is wrong with a point's interval, `before` being that of the series' last point."""
    if "endTime" not in interval:
        return "Field points[0].interval.end_time had an invalid value: it is required."
    end = instant(interval["endTime"])
    start = instant(interval.get("startTime", interval["endTime"]))
    if end < now - OLDEST or end > now + NEWEST:
        return (
            f'Field points[0].interval.end_time had an invalid value of "{interval["endTime"]}": Data points cannot be '
            "written more than 25 hours in the past or more than 5 minutes in the future."
        )
    if kind == "GAUGE" and start != end:
        return "Field points[0].interval.start_time had an invalid value: of a GAUGE it must equal the end time."
    if kind == "CUMULATIVE" and start >= end:
        return (
            "Field points[0].interval.start_time had an invalid value: of a CUMULATIVE it must be before the end time."
        )
    return _order_problem(start, end, kind, before) if before else ""


def _order_problem(start: datetime, end: datetime, kind: str, before: dict[str, Any]) -> str:
    last_end = instant(before["endTime"])
    last_start = instant(before.get("startTime", before["endTime"]))
    if end < last_end + _MILLISECOND:
        return OUT_OF_ORDER.format("end")
    if kind == "CUMULATIVE" and start != last_start and start < last_end + _MILLISECOND:
        return OUT_OF_ORDER.format("start")
    return TOO_OFTEN if end - last_end < SHORTEST_PERIOD else ""
