"""Cloud Monitoring over HTTP, as clients meet it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests

from localcloud.errors import ApiError
from localcloud.monitoring.filters import parse_filter

API = "https://monitoring.googleapis.com/v3"
PROJECT = f"{API}/projects/local-project"


def stamp(seconds: float) -> str:
    """A timestamp so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def series(metric: str, seconds: float, value: int, **labels: str) -> dict[str, Any]:
    """A TimeSeries with one point."""
    return {
        "metric": {"type": metric, "labels": labels},
        "resource": {"type": "gce_instance", "labels": {"instance_id": "1", "zone": "europe-west3-a"}},
        "points": [{"interval": {"endTime": stamp(seconds)}, "value": {"int64Value": str(value)}}],
    }


@pytest.fixture
def metric() -> str:
    """A metric of the test's own."""
    return f"custom.googleapis.com/test/{uuid.uuid4().hex}"


def write(session: requests.Session, *given: dict[str, Any]) -> requests.Response:
    """Write points."""
    return session.post(f"{PROJECT}/timeSeries", json={"timeSeries": list(given)})


def read(session: requests.Session, text: str, **query: str) -> requests.Response:
    """Read the last hour of what matches a filter."""
    interval = {"interval.startTime": stamp(-3600), "interval.endTime": stamp(60)}
    return session.get(f"{PROJECT}/timeSeries", params={"filter": text, **interval, **query})


def test_points_are_read_back_newest_first_by_type_and_labels(session: requests.Session, metric: str) -> None:
    first = write(session, series(metric, -60, 1, run="a"), series(metric, -60, 2, run="b"))
    assert (first.status_code, first.json()) == (200, {})
    assert write(session, series(metric, -30, 3, run="a")).status_code == 200
    answer = read(session, f'metric.type = "{metric}" AND metric.labels.run = "a"').json()
    (found,) = answer["timeSeries"]
    assert [point["value"] for point in found["points"]] == [{"int64Value": "3"}, {"int64Value": "1"}]
    assert found["resource"]["labels"] == {"project_id": "local-project", "instance_id": "1", "zone": "europe-west3-a"}
    assert (found["metricKind"], found["valueType"]) == ("GAUGE", "INT64")
    both = read(
        session, f'metric.type="{metric}" AND resource.labels.zone=starts_with("europe")', view="HEADERS"
    ).json()
    assert [each["metric"]["labels"]["run"] for each in both["timeSeries"]] in (["a", "b"], ["b", "a"])
    assert all("points" not in each for each in both["timeSeries"])


def test_pages(session: requests.Session, metric: str) -> None:
    write(session, *(series(metric, -10, number, run=str(number)) for number in range(3)))
    text = f'metric.type = "{metric}"'
    first = read(session, text, pageSize="2").json()
    second = read(session, text, pageSize="2", pageToken=first["nextPageToken"]).json()
    runs = [each["metric"]["labels"]["run"] for each in first["timeSeries"] + second["timeSeries"]]
    assert sorted(runs) == ["0", "1", "2"]
    assert "nextPageToken" not in second


@pytest.mark.parametrize(
    ("text", "query", "message"),
    [
        ("", {}, "must specify a single metric type"),
        ('resource.type = "gce_instance"', {}, "must specify a single metric type"),
        ('metric.type = starts_with("custom.googleapis.com/")', {}, "must specify a single metric type"),
        ('metric.type = "custom.googleapis.com/a" AND nonsense', {}, "The supplied filter [nonsense] is invalid"),
        (
            'metric.type = "custom.googleapis.com/a"',
            {"aggregation.alignmentPeriod": "60s"},
            "does not serve aggregation",
        ),
    ],
)
def test_bad_questions(session: requests.Session, text: str, query: dict[str, str], message: str) -> None:
    answer = read(session, text, **query)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answer.json()["error"]["message"]


def test_bodies_are_checked_by_the_discovery_document(session: requests.Session, metric: str) -> None:
    given = series(metric, 0, 1)
    given["points"][0]["value"] = {"int64Value": "many"}
    answer = write(session, given)
    assert answer.status_code == 400
    assert "time_series[0].points[0].value.int64_value" in answer.json()["error"]["message"]
    assert write(session, {**series(metric, 0, 1), "kind": "x"}).status_code == 400


def test_another_project_may_not_be_written(session: requests.Session, metric: str) -> None:
    answer = session.post(f"{API}/projects/other/timeSeries", json={"timeSeries": [series(metric, 0, 1)]})
    assert answer.status_code == 403


def test_descriptors_are_found_and_go_with_their_points(session: requests.Session, metric: str) -> None:
    write(session, series(metric, 0, 1, run="a"))
    address = f"{PROJECT}/metricDescriptors/{metric}"
    assert session.get(address).json()["labels"] == [{"key": "run"}]
    text = f'metric.type = starts_with("{metric[:-2]}")'
    listed = session.get(f"{PROJECT}/metricDescriptors", params={"filter": text}).json()["metricDescriptors"]
    assert [each["type"] for each in listed] == [metric]
    assert session.delete(address).json() == {}
    assert session.get(address).status_code == 404
    assert session.delete(f"{PROJECT}/metricDescriptors/{quote(metric, safe='')}").status_code == 404
    assert read(session, f'metric.type = "{metric}"').json() == {}
    body = {"type": metric, "metricKind": "CUMULATIVE", "valueType": "DOUBLE", "unit": "s"}
    created = session.post(f"{PROJECT}/metricDescriptors", json=body).json()
    assert created == {**body, "labels": [], "name": f"projects/local-project/metricDescriptors/{metric}"}
    session.delete(address)


def test_points_survive_a_killed_server(own_server: Any, metric: str) -> None:
    assert write(own_server.session(), series(metric, -10, 5)).status_code == 200
    own_server.kill()
    own_server.up()
    (found,) = read(own_server.session(), f'metric.type = "{metric}"').json()["timeSeries"]
    assert found["points"][0]["value"] == {"int64Value": "5"}
    own_server.command("reset", "--yes")
    assert read(own_server.session(), f'metric.type = "{metric}"').json() == {}


ITEM = {"metric": {"type": "custom.googleapis.com/a", "labels": {"run": "x"}}, "resource": {"type": "gce_instance"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('metric.labels.run = "x"', True),
        ('metric.label.run != "x"', False),
        ('metric.labels.other = "x"', False),
        ('metric.type = ends_with("/a") AND resource.type = "gce_instance"', True),
        ('metric.type = has_substring("b")', False),
    ],
)
def test_filters(text: str, expected: bool) -> None:
    assert parse_filter(text)(ITEM) is expected


@pytest.mark.parametrize("text", ['metric.type = starts_with"x"', 'metric.type = ("x"', "metric.type = x", "a OR b"])
def test_filters_that_are_not_understood_are_refused(text: str) -> None:
    with pytest.raises(ApiError, match="is invalid"):
        parse_filter(text)
