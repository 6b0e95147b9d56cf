"""Both languages of Compute Engine's filters."""

from __future__ import annotations

import pytest

from localcloud.compute.filters import parse_filter
from localcloud.errors import ApiError

RESOURCE = {
    "name": "dataproc-2-3-deb12-rc01",
    "status": "READY",
    "diskSizeGb": "30",
    "creationTimestamp": "2026-06-18T21:51:00.000-07:00",
    "labels": {"goog-dataproc-version": "2-3-11-debian12"},
    "enabled": True,
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("name = dataproc-2-3-deb12-rc01", True),
        ("name = dataproc", False),
        ("name = dataproc*", True),
        ('name : "*rc01"', True),
        ("name != dataproc*", False),
        ("labels.goog-dataproc-version:*", True),
        ("labels.owner:*", False),
        ("NOT labels.owner:*", True),
        ("labels.owner != ada", True),
        ("status = READY AND enabled = true", True),
        ("status = READY enabled = false", False),
        # OR binds closer than AND.
        ("status = FAILED OR status = READY AND name = x", False),
        ("status = FAILED OR (status = READY AND name = dataproc*)", True),
        ("diskSizeGb >= 9", True),
        ("diskSizeGb > 30", False),
        ('creationTimestamp > "2026-06-19T04:50:00Z"', True),
        ("creationTimestamp < 2026-06-19", False),
        ("deprecated.state = OBSOLETE", False),
        ('name eq ".*rc01"', True),
        ("name eq rc01", False),
        ("name eq .*-rc0[0-9]", True),
        (r'(name eq ".*\bdataproc\b.*")(status ne FAILED)', True),
        ('(name eq ".*")(name ne ".*rc01")', False),
        ("labels.owner ne ada", True),
        ("creationTimestamp eq 2026-06-18T21:51:00.000-07:00", True),
    ],
)
def test_what_a_filter_matches(text: str, matches: bool) -> None:
    assert parse_filter(text)(RESOURCE) is matches


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "= x",
        "name = x AND",
        "(name = x",
        "name = x)",
        'name eq "("',
        "name eq a name = b",
        'name = "x',
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_filter(text)
    assert refused.value.code == 400
    assert text in refused.value.message
