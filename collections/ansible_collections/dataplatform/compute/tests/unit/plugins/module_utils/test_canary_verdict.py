# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against new versions, and what is only worth knowing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_verdict import remarks, verdict
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

BOUNDS = {"seconds": 1.5, "memory": 1.3}


def canary(**changes: Any) -> dict[str, Any]:
    """What a canary of one job learned."""
    job = {
        "results": {"sum": 42, "mean": 0.5, "digest": "ab"},
        "versions": {"dask": "2026.8.0", "python": "3.11.8"},
        "workload": "smoke 1",
        "seconds": 40.0,
        "memory_mb": 1000,
    }
    return {"jobs": {"smoke": {key: value for key, value in {**job, **changes}.items() if value is not None}}}


def test_the_same_again_is_accepted():
    assert verdict(canary(), canary(), BOUNDS) == []


def test_the_first_canary_has_nothing_to_be_compared_with():
    assert verdict(None, canary(), BOUNDS) == []
    assert remarks(None, canary()) == ["there is no last good canary to compare with"]


def test_every_result_that_differs_or_is_missing_is_found():
    found = verdict(canary(), canary(results={"sum": 43, "mean": 0.5, "new": 1}), BOUNDS)
    assert found == ["job smoke: sum was 42, and is 43", "job smoke: digest was 'ab', and is missing"]


def test_only_a_few_of_many_differences_are_shown():
    many = {f"answer_{number}": number for number in range(8)}
    found = verdict(canary(results=many), canary(results=dict.fromkeys(many, -1)), BOUNDS)
    assert len(found) == 6
    assert found[-1] == "job smoke: 3 more results differ"


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {"seconds": 61.0},
            "job smoke: seconds was 40 s, and is 61 s, 1.52 times as much; at most 1.5 times is accepted",
        ),
        ({"memory_mb": 1301}, "job smoke: memory was 1000 MiB, and is 1301 MiB, 1.30 times as much; at most 1.3 times"),
        ({"memory_mb": None}, "job smoke: memory was 1000 MiB, and was not measured"),
        ({"results": None}, "job smoke has no results; the last good canary had 3"),
    ],
)
def test_too_much_and_too_little_is_found(changes: dict[str, Any], finding: str):
    (found,) = verdict(canary(), canary(**changes), BOUNDS)
    assert found.startswith(finding)


def test_as_much_as_the_bound_is_accepted_and_a_missing_bound_is_none():
    assert verdict(canary(), canary(seconds=60.0, memory_mb=1300), BOUNDS) == []
    assert verdict(canary(), canary(seconds=600.0, memory_mb=9999), {}) == []
    assert verdict(canary(seconds=None, memory_mb=None), canary(), BOUNDS) == []


def test_a_job_that_did_not_run_is_found():
    assert verdict(canary(), {"jobs": {}}, BOUNDS) == ["job smoke did not run; the last good canary ran it"]


def test_another_workload_is_not_compared_and_that_is_said():
    other = canary(workload="smoke 2", results={"sum": 1}, seconds=999.0)
    assert verdict(canary(), other, BOUNDS) == []
    assert remarks(canary(), other)[0] == "job smoke computes smoke 2, before smoke 1: not compared"
    # What says nothing about its workload is compared.
    assert len(verdict(canary(workload=None), other, {})) == 3


def test_versions_are_remarks_and_no_findings():
    now = canary(versions={"dask": "2026.9.1", "numpy": "2.5"})
    assert verdict(canary(), now, BOUNDS) == []
    took, *versions = remarks(canary(), now)
    assert took.startswith("job smoke took ")
    assert took.count("(before: ") == 2
    assert versions == [
        "job smoke: dask 2026.8.0 -> 2026.9.1",
        "job smoke: numpy none -> 2.5",
        "job smoke: python 3.11.8 -> none",
    ]
    assert remarks({"jobs": {}}, now) == ["job smoke is new; there is nothing to compare it with"]


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ({"memry": 1.3}, "bounds.memry: there is no such bound; did you mean 'memory'?"),
        ({"seconds": 0.9}, "bounds.seconds is 0.9; expected a number of at least 1"),
        ({"seconds": "1.5"}, "bounds.seconds is '1.5'; expected a number of at least 1"),
        ({"seconds": True}, "bounds.seconds is True; expected a number of at least 1"),
    ],
)
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, Any], problem: str):
    with pytest.raises(ValidationError) as refused:
        verdict(None, canary(), bounds)
    assert refused.value.problems == [problem]
