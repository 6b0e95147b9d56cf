"""What Cloud Monitoring takes and refuses, with hands on the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.clock import Clock
from localcloud.errors import ApiError
from localcloud.monitoring.descriptors import Descriptors
from localcloud.monitoring.series import Series
from localcloud.store import Store

TYPE = "custom.googleapis.com/dask/tasks"


class World:
    """Descriptors and series over a store in memory."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.store = Store(":memory:")
        self.descriptors = Descriptors(self.store, "p")
        self.series = Series(self.store, Clock("real", lambda: self.now), self.descriptors, "p")

    def one(self, seconds: float = 0, started: float | None = None, **changes: Any) -> dict[str, Any]:
        """A TimeSeries with a point so many seconds from now."""
        interval = {"endTime": self.at(seconds)}
        if started is not None:
            interval["startTime"] = self.at(started)
        series = {
            "metric": {"type": TYPE, "labels": {"state": "waiting"}},
            "resource": {"type": "gce_instance", "labels": {"instance_id": "1", "zone": "europe-west3-a"}},
            "points": [{"interval": interval, "value": {"int64Value": "7"}}],
        }
        return {**series, **changes}

    def at(self, seconds: float) -> str:
        """A timestamp."""
        return (self.now + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    def values(self, metric: str = TYPE) -> list[str]:
        """What was written, newest first."""
        found = []
        for key, identity in self.series.list():
            if identity["metric"]["type"] == metric:
                start = self.now - timedelta(days=2)
                points = self.series.points(key, start, self.now + timedelta(days=1))
                found += [point["value"]["int64Value"] for point in points]
        return found

    def refused(self, *series: dict[str, Any]) -> ApiError:
        """The error of a write."""
        with pytest.raises(ApiError) as caught:
            self.series.create(list(series))
        assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
        return caught.value


@pytest.fixture
def world() -> World:
    """One."""
    return World()


def test_the_first_point_makes_the_descriptor(world: World) -> None:
    world.series.create([world.one(unit="{task}", description="Tasks")])
    assert world.descriptors.get(f"projects/p/metricDescriptors/{TYPE}") == {
        "name": f"projects/p/metricDescriptors/{TYPE}",
        "type": TYPE,
        "labels": [{"key": "state"}],
        "metricKind": "GAUGE",
        "valueType": "INT64",
        "unit": "{task}",
        "description": "Tasks",
    }
    ((_key, identity),) = world.series.list()
    assert identity["resource"]["labels"]["project_id"] == "p"


def test_points_come_in_order_and_not_too_often(world: World) -> None:
    world.series.create([world.one(-60)])
    assert "older end time" in world.refused(world.one(-60)).message
    assert "older end time" in world.refused(world.one(-61)).message
    assert "more frequently" in world.refused(world.one(-56)).message
    world.series.create([world.one(-55)])
    assert world.values() == ["7", "7"]


def test_what_is_in_order_is_written_beside_what_is_not(world: World) -> None:
    world.series.create([world.one(-10)])
    other = {"type": TYPE, "labels": {"state": "erred"}}
    error = world.refused(world.one(-10), world.one(-10, metric=other))
    assert error.message.startswith("One or more TimeSeries could not be written: Points must be written in order.")
    assert "timeSeries[0]" in error.message
    (summary,) = error.details
    assert (summary["totalPointCount"], summary["successPointCount"]) == (2, 1)
    assert summary["errors"][0]["pointCount"] == 1
    assert len(world.values()) == 2


def test_points_of_another_day_are_refused(world: World) -> None:
    for seconds in (-25 * 3600 - 1, 5 * 60 + 1):
        assert "25 hours in the past or more than 5 minutes" in world.refused(world.one(seconds)).message
    world.series.create([world.one(-25 * 3600)])
    world.series.create([world.one(5 * 60)])


def test_points_are_kept_for_a_day(world: World) -> None:
    world.series.create([world.one(-10)])
    world.now += timedelta(hours=23)
    world.series.create([world.one()])
    assert len(world.values()) == 2
    world.now += timedelta(hours=2)
    world.series.create([world.one()])
    assert len(world.values()) == 2


def test_at_most_two_hundred_series_in_a_request_and_each_once(world: World) -> None:
    many = [world.one(metric={"type": TYPE, "labels": {"state": str(number)}}) for number in range(201)]
    assert "201 TimeSeries, expected at most 200" in world.refused(*many).message
    assert world.values() == []
    world.series.create(many[:200])
    assert len(world.values()) == 200
    assert "Duplicate TimeSeries" in world.refused(world.one(10), world.one(20)).message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resource": {"type": "cloud_dataproc_cluster", "labels": {}}}, "Unrecognized resource name"),
        ({"resource": {"type": "gce_instance", "labels": {"zone": "a"}}}, "has the labels instance_id, zone"),
        ({"metric": {"type": "dataproc.googleapis.com/cluster/x"}}, "must be a URL-formatted string"),
        ({"metric": {"type": "custom.googleapis.com/"}}, "must be a URL-formatted string"),
        ({"metric": {"type": TYPE, "labels": {"no-worker": "x"}}}, "label key 'no-worker'"),
        ({"metricKind": "DELTA"}, "expected GAUGE or CUMULATIVE"),
        ({"valueType": "DOUBLE"}, "INT64 in a series of DOUBLE"),
        ({"metricKind": "CUMULATIVE", "points": [{"interval": {}, "value": {"boolValue": True}}]}, "a BOOL is a GAUGE"),
        ({"points": []}, "Only one point"),
        ({"points": [{"interval": {}, "value": {"int64Value": "7"}}]}, "end_time had an invalid value: it is required"),
        ({"points": [{"interval": {}, "value": {"stringValue": "7"}}]}, "expected one value of BOOL"),
        ({"points": [{"interval": {}, "value": {"doubleValue": float("nan")}}]}, "a double must be finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_metric_may_be_is_refused(world: World, changes: dict[str, Any], message: str) -> None:
    assert message in world.refused(world.one(**changes)).message
    assert world.descriptors.list() == []
    assert world.series.list() == []


def test_a_series_has_to_agree_with_its_descriptor(world: World) -> None:
    world.series.create([world.one(-60)])
    double = {"points": [{"interval": {"endTime": world.at(0)}, "value": {"doubleValue": 1.5}}]}
    assert "must be INT64, but is DOUBLE" in world.refused(world.one(**double)).message
    assert "must be GAUGE, but is CUMULATIVE" in world.refused(world.one(metricKind="CUMULATIVE")).message
    assert "none of state" in world.refused(world.one(metric={"type": TYPE, "labels": {}})).message
    more = {"type": TYPE, "labels": {"state": "erred", "run": "r"}}
    world.series.create([world.one(metric=more)])
    assert [label["key"] for label in world.descriptors.find(TYPE)["labels"]] == ["state", "run"]


def test_cumulative_points_count_from_one_start(world: World) -> None:
    def counting(seconds: float, started: float) -> dict[str, Any]:
        return world.one(seconds, started, metricKind="CUMULATIVE")

    assert "must be before the end time" in world.refused(counting(-60, -60)).message
    world.series.create([counting(-60, -100)])
    world.series.create([counting(-40, -100)])
    assert "older start time" in world.refused(counting(-30, -50)).message
    world.series.create([counting(-20, -30)])
    assert "must equal the end time" in world.refused(world.one(0, -10, metric={"type": TYPE + "_2"})).message


def test_a_descriptor_that_is_created_again_keeps_its_labels(world: World) -> None:
    body = {"type": TYPE, "metricKind": "GAUGE", "valueType": "INT64", "labels": [{"key": "state"}]}
    world.descriptors.create(body)
    again = world.descriptors.create({**body, "labels": [{"key": "run"}], "description": "new"})
    assert [label["key"] for label in again["labels"]] == ["run", "state"]
    assert again["description"] == "new"
    for wrong in ({"valueType": "STRING"}, {"metricKind": "CUMULATIVE", "valueType": "BOOL"}):
        with pytest.raises(ApiError, match="invalid combination"):
            world.descriptors.create({**body, **wrong})


def test_a_write_gives_a_metric_its_first_unit_and_no_other(world: World) -> None:
    world.series.create([world.one(-60)])
    for seconds, unit in ((-40, "{task}"), (-20, "By")):
        world.series.create([world.one(seconds, unit=unit)])
        assert world.descriptors.find(TYPE)["unit"] == "{task}"
    assert [label["key"] for label in world.descriptors.find(TYPE)["labels"]] == ["state"]
