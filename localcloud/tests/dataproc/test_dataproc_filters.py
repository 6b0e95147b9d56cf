"""List filters of clusters and jobs."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.dataproc.filters import CLUSTER_STATE_GROUPS, JOB_STATE_GROUPS, parse_filter
from localcloud.errors import ApiError


def body(state: str, started: str = "2026-01-02T03:04:05.000000Z", **labels: str) -> dict[str, Any]:
    return {"clusterName": "c", "status": {"state": state, "stateStartTime": started}, "labels": labels}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("status.state = ACTIVE", True),
        ("status.state = INACTIVE", False),
        ("status.state=RUNNING AND labels.team = red", True),
        ("labels.team=red labels.env=*", True),
        ("labels.team = blue", False),
        ("labels.none = *", False),
        ('clusterName = "c"', True),
        ("clusterName = other", False),
    ],
)
def test_filters_of_clusters(text: str, matches: bool) -> None:
    found = parse_filter(text, CLUSTER_STATE_GROUPS, ("clusterName",))(body("RUNNING", team="red", env="dev"))
    assert found is matches


def test_jobs_are_found_by_the_time_of_their_submission() -> None:
    job = body("DONE")
    job["statusHistory"] = [{"state": "PENDING", "stateStartTime": "2026-01-01T00:00:00.000000Z"}]
    for text, matches in (
        ('insertTime <= "2026-01-01T00:00:00Z"', True),
        ('insertTime > "2026-01-01T00:00:00Z"', False),
        ("status.state = NON_ACTIVE", True),
    ):
        assert parse_filter(text, JOB_STATE_GROUPS, ("insertTime",))(job) is matches


@pytest.mark.parametrize(
    "text", ["status.state", "status.state = ", "bogus = 1", "labels.a < b", 'insertTime = "x"', "= ="]
)
def test_filters_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_filter(text, JOB_STATE_GROUPS, ("insertTime",))
    assert raised.value.status == "INVALID_ARGUMENT"
    assert raised.value.message.startswith("Invalid list filter")
