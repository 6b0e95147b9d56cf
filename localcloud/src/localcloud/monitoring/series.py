"""Time series: points by metric, resource and labels, the newest day of them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from localcloud.clock import Clock
from localcloud.errors import ApiError, invalid_argument
from localcloud.monitoring import writes
from localcloud.monitoring.descriptors import Descriptors
from localcloud.store import Store

COLLECTION = "monitoring/timeSeries"
MOST_PER_REQUEST = 200
_RETENTION = timedelta(days=1)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS monitoring_points (series TEXT NOT NULL, ended REAL NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY (series, ended)) WITHOUT ROWID"
)
_SUMMARY = "type.googleapis.com/google.monitoring.v3.CreateTimeSeriesSummary"


class Series:
    """Write points and read them back. A series' row holds its identity and the interval of its last point."""

    def __init__(self, store: Store, clock: Clock, descriptors: Descriptors, project: str) -> None:
        """Keep series of `project` in `store`; a metric's first point makes its descriptor in `descriptors`."""
        self._store = store
        self._clock = clock
        self._descriptors = descriptors
        self._project = project
        store.connection.execute(_SCHEMA)

    def create(self, given: list[dict[str, Any]]) -> None:
        """Write one point of each series. Those in order are written also when others are not. Raises ApiError 400."""
        if len(given) > MOST_PER_REQUEST:
            raise invalid_argument(
                f"Field timeSeries had an invalid value: {len(given)} TimeSeries, expected at most {MOST_PER_REQUEST}."
            )
        keys = [_key(series) for series in given]
        shapes = [
            f"Field timeSeries[{index}] had an invalid value: Duplicate TimeSeries encountered. "
            "Only one point can be written per TimeSeries per request."
            for index, key in enumerate(keys)
            if key in keys[:index]
        ]
        found = ((index, writes.shape_problem(series)) for index, series in enumerate(given))
        shapes += [f"timeSeries[{index}]: {problem}" for index, problem in found if problem]
        if shapes:
            raise invalid_argument("; ".join(shapes))
        with self._store.transaction():
            problems = [
                (index, self._write(key, series)) for index, (key, series) in enumerate(zip(keys, given, strict=True))
            ]
        failed = [(index, problem) for index, problem in problems if problem]
        if failed:
            raise _partial_failure(failed, given)

    def _write(self, key: str, series: dict[str, Any]) -> str:
        """Write the point of one series; return why not, if so."""
        point = series["points"][0]
        interval = point.get("interval", {})
        now = self._clock.now()
        known = self._descriptors.find(series["metric"]["type"])
        if known and (problem := writes.descriptor_problem(series, known)):
            return problem
        kind = known["metricKind"] if known else series.get("metricKind", "GAUGE")
        row = self._store.get(f"{COLLECTION}/{key}")
        if problem := writes.time_problem(interval, kind, row["last"] if row else None, now):
            return problem
        try:
            descriptor = self._descriptors.make(series, writes.value_type(point["value"]))
        except ApiError as error:
            return error.message
        end = writes.instant(interval["endTime"])
        kept = {"interval": {"startTime": interval["endTime"], **interval}, "value": point["value"]}
        labels = {"project_id": self._project, **series["resource"].get("labels", {})}
        identity = {
            "metric": series["metric"],
            "resource": {"type": series["resource"]["type"], "labels": labels},
            "metricKind": descriptor["metricKind"],
            "valueType": descriptor["valueType"],
            **({"unit": descriptor["unit"]} if "unit" in descriptor else {}),
        }
        self._store.put(f"{COLLECTION}/{key}", COLLECTION, {"identity": identity, "last": kept["interval"]})
        connection = self._store.connection
        connection.execute(
            "INSERT OR REPLACE INTO monitoring_points (series, ended, body) VALUES (?, ?, ?)",
            (key, end.timestamp(), json.dumps(kept)),
        )
        connection.execute(
            "DELETE FROM monitoring_points WHERE series = ? AND ended < ?", (key, (now - _RETENTION).timestamp())
        )
        return ""

    def list(self) -> list[tuple[str, dict[str, Any]]]:
        """Return (key, identity) of all series."""
        return [(key.removeprefix(f"{COLLECTION}/"), body["identity"]) for key, body in self._store.list(COLLECTION)]

    def points(self, key: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the points of a series in (start, end], or at `end` alone when both are the same; newest first."""
        comparison = ">=" if start == end else ">"
        rows = self._store.connection.execute(
            f"SELECT body FROM monitoring_points WHERE series = ? AND ended {comparison} ? AND ended <= ?"  # noqa: S608
            " ORDER BY ended DESC",
            (key, start.timestamp(), end.timestamp()),
        ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def delete(self, metric_type: str) -> None:
        """Delete all series of a metric."""
        for key, identity in self.list():
            if identity["metric"]["type"] == metric_type:
                self._store.delete(f"{COLLECTION}/{key}")
                self._store.connection.execute("DELETE FROM monitoring_points WHERE series = ?", (key,))


def _key(series: dict[str, Any]) -> str:
    """Return what makes a series the one it is, as a key."""
    metric, resource = series.get("metric", {}), series.get("resource", {})
    labels = {key: value for key, value in resource.get("labels", {}).items() if key != "project_id"}
    identity = [metric.get("type"), metric.get("labels", {}), resource.get("type"), labels]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _partial_failure(failed: list[tuple[int, str]], given: list[dict[str, Any]]) -> ApiError:
    texts = [f"{problem}: timeSeries[{index}]: {given[index]['metric']['type']}" for index, problem in failed]
    summary = {
        "@type": _SUMMARY,
        "totalPointCount": len(given),
        "successPointCount": len(given) - len(failed),
        "errors": [{"status": {"code": 3, "message": problem}, "pointCount": 1} for _index, problem in failed],
    }
    return invalid_argument(f"One or more TimeSeries could not be written: {'; '.join(texts)}", [summary])
