"""Metric descriptors: what a metric's labels, kind and type of value are; the first write of a metric makes its own."""

from __future__ import annotations

import re
from typing import Any

from localcloud.errors import ApiError, invalid_argument, not_found
from localcloud.store import Store

COLLECTION = "monitoring/metricDescriptors"
KINDS = ("GAUGE", "CUMULATIVE")
VALUE_TYPES = ("BOOL", "INT64", "DOUBLE", "DISTRIBUTION")
NEVER = ("CUMULATIVE", "BOOL")
PREFIXES = ("custom.googleapis.com/", "external.googleapis.com/")
_TYPE = re.compile(r"[a-z.]+(?:/[A-Za-z0-9_.-]+)+")
_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,99}")
_MOST_LABELS = 30


class Descriptors:
    """Create, read and delete descriptors of custom metrics; Google's own metrics have none here."""

    def __init__(self, store: Store, project: str) -> None:
        """Keep descriptors of `project` in `store`."""
        self._store = store
        self._project = project

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create a descriptor, or replace it; labels that it had stay. Raises ApiError 400."""
        kind, value_type = body.get("metricKind", "GAUGE"), body.get("valueType", "")
        check_type(body.get("type", ""))
        if kind not in KINDS or value_type not in VALUE_TYPES or (kind, value_type) == NEVER:
            raise invalid_argument(
                f"Field metricDescriptor has an invalid combination of metricKind {kind} and valueType {value_type!r}; "
                f"user-defined metrics have {' or '.join(KINDS)} and {', '.join(VALUE_TYPES)}, and never "
                f"{' with '.join(NEVER)}."
            )
        before = self.find(body["type"]) or {}
        given = {label["key"] for label in body.get("labels", ())}
        labels = [*body.get("labels", ()), *(old for old in before.get("labels", ()) if old["key"] not in given)]
        return self._keep({**body, "metricKind": kind, "labels": labels})

    def make(self, series: dict[str, Any], value_type: str) -> dict[str, Any]:
        """Return the descriptor of a series' metric. Raises ApiError 400.

        This write makes it, or gives it more labels or its first unit.
        """
        metric = series["metric"]
        check_type(metric["type"])
        found = self.find(metric["type"])
        keys = sorted(metric.get("labels", {}))
        if found is None:
            kind = series.get("metricKind", "GAUGE")
            described = {name: series[name] for name in ("unit", "description") if series.get(name)}
            return self._keep(
                {
                    "type": metric["type"],
                    "labels": [{"key": key} for key in keys],
                    "metricKind": kind,
                    "valueType": value_type,
                    **described,
                }
            )
        known = {label["key"] for label in found.get("labels", ())}
        new = [{"key": key} for key in keys if key not in known]
        more = {"labels": [*found.get("labels", ()), *new]} if new else {}
        if series.get("unit") and not found.get("unit"):
            more["unit"] = series["unit"]
        return self._keep({**found, **more}) if more else found

    def get(self, name: str) -> dict[str, Any]:
        """Return a descriptor. Raises ApiError 404."""
        found = self.find(type_of(name))
        if found is None:
            raise not_found(f"Could not find descriptor for metric '{type_of(name)}'.")
        return found

    def find(self, metric_type: str) -> dict[str, Any] | None:
        """Return a metric's descriptor, None when there is none."""
        return self._store.get(f"{COLLECTION}/{metric_type}")

    def list(self) -> list[dict[str, Any]]:
        """Return all descriptors in order of their types."""
        return [body for _key, body in self._store.list(COLLECTION)]

    def delete(self, name: str) -> str:
        """Delete a descriptor; return the metric's type. Raises ApiError 403 or 404."""
        metric_type = type_of(name)
        if not metric_type.startswith(PREFIXES):
            raise ApiError(403, f"Only user-defined metrics can be deleted; '{metric_type}' is not one.")
        self.get(name)
        self._store.delete(f"{COLLECTION}/{metric_type}")
        return metric_type

    def _keep(self, body: dict[str, Any]) -> dict[str, Any]:
        keys = [label["key"] for label in body["labels"]]
        for key in keys:
            if not _LABEL.fullmatch(key):
                raise invalid_argument(f"The label key {key!r} is not valid, expected [a-zA-Z][a-zA-Z0-9_]*.")
        if len(keys) > _MOST_LABELS:
            raise invalid_argument(f"{body['type']} would have {len(keys)} labels, expected at most {_MOST_LABELS}.")
        body = {**body, "name": f"projects/{self._project}/metricDescriptors/{body['type']}"}
        self._store.put(f"{COLLECTION}/{body['type']}", COLLECTION, body)
        return body


def type_of(name: str) -> str:
    """Return the metric type in a descriptor's name."""
    return name.split("/metricDescriptors/", 1)[1]


def check_type(metric_type: str) -> None:
    """Refuse what is no type of a user-defined metric. Raises ApiError 400."""
    if not metric_type.startswith(PREFIXES) or not _TYPE.fullmatch(metric_type) or len(metric_type) > 200:
        raise invalid_argument(
            f'Field metric.type had an invalid value of "{metric_type}": The metric type must be a URL-formatted '
            "string with a domain and non-empty path."
        )
