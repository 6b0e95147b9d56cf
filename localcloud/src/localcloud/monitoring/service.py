"""The Cloud Monitoring service: from discovery method to the part that serves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.clock import Clock
from localcloud.discovery import Method
from localcloud.errors import NotServedError, invalid_argument
from localcloud.monitoring.descriptors import Descriptors
from localcloud.monitoring.filters import metric_types, parse_filter
from localcloud.monitoring.series import Series
from localcloud.monitoring.writes import instant
from localcloud.paging import page
from localcloud.services import require_project
from localcloud.settings import Settings
from localcloud.store import Store

Answer = dict[str, Any]
_PREFIX = "monitoring.projects."
_LARGEST_PAGE_OF_DESCRIPTORS = 10_000
_LARGEST_PAGE = 100_000
_AGGREGATIONS = ("aggregation.", "secondaryAggregation.")


@dataclass(frozen=True)
class Call:
    """One request, routed and validated."""

    name: str
    query: dict[str, Any]
    body: dict[str, Any]


class MonitoringService:
    """Serves `monitoring` v3 for custom metrics of the project."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        """Build the parts on the stored state."""
        self._settings = settings
        self._store = store
        self._descriptors = Descriptors(store, settings.project)
        self._series = Series(store, clock, self._descriptors, settings.project)
        self._routes: dict[str, Callable[[Call], Answer]] = {
            "timeSeries.create": self._write,
            "timeSeries.list": self._list_series,
            "metricDescriptors.create": lambda call: self._descriptors.create(call.body),
            "metricDescriptors.get": lambda call: self._descriptors.get(call.name),
            "metricDescriptors.list": self._list_descriptors,
            "metricDescriptors.delete": self._delete,
        }

    async def handle(
        self, request: Any, _principal: str, method: Method, parameters: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        """Answer one request, already routed and validated. Raises ApiError."""
        route = self._routes.get(method.id.removeprefix(_PREFIX))
        if not method.id.startswith(_PREFIX) or route is None:
            raise NotServedError(method.id)
        require_project(self._settings, parameters["name"].split("/")[1])
        return route(Call(parameters["name"], request.state.query, body))

    def _write(self, call: Call) -> Answer:
        self._series.create(call.body.get("timeSeries", []))
        return {}

    def _list_series(self, call: Call) -> Answer:
        query = call.query
        asked = [name for name in query if name.startswith(_AGGREGATIONS)]
        if asked:
            raise invalid_argument(f"localcloud does not serve {asked[0]}: it returns points as they were written.")
        if len(metric_types(query.get("filter", ""))) != 1:
            raise invalid_argument("Field filter had an invalid value: The filter must specify a single metric type.")
        matches = parse_filter(query["filter"])
        if "interval.endTime" not in query:
            raise invalid_argument("Field interval.end_time had an invalid value: it is required.")
        end = instant(query["interval.endTime"])
        start = instant(query.get("interval.startTime", query["interval.endTime"]))
        if start > end:
            raise invalid_argument("Field interval.start_time had an invalid value: it is later than the end time.")
        found = []
        for key, identity in self._series.list():
            points = self._series.points(key, start, end) if matches(identity) else []
            if points:
                found.append({**identity, **({} if query.get("view") == "HEADERS" else {"points": points})})
        return page(
            found,
            "timeSeries",
            lambda item: str(item["metric"]) + str(item["resource"]),
            size=query.get("pageSize"),
            token=query.get("pageToken"),
            default_size=_LARGEST_PAGE,
            maximum_size=_LARGEST_PAGE,
        )

    def _list_descriptors(self, call: Call) -> Answer:
        matches = parse_filter(call.query.get("filter", ""))
        found = [each for each in self._descriptors.list() if matches({"metric": {"type": each["type"]}})]
        size = call.query.get("pageSize", 0)
        return page(
            found,
            "metricDescriptors",
            lambda item: item["name"],
            size=size if size > 0 else None,
            token=call.query.get("pageToken"),
            default_size=_LARGEST_PAGE_OF_DESCRIPTORS,
            maximum_size=_LARGEST_PAGE_OF_DESCRIPTORS,
        )

    def _delete(self, call: Call) -> Answer:
        with self._store.transaction():
            self._series.delete(self._descriptors.delete(call.name))
        return {}
