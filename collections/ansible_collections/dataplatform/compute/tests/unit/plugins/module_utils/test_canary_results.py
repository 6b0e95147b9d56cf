# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read from what a canary's job left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import CanaryJob
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_results import (
    ResultsError,
    measurements,
    read_results,
    run_record_uri,
)

JOB = CanaryJob("smoke", {}, "gs://b/results/smoke.json", 60.0)
RECORD = {"wall_seconds": 50.5, "queued_seconds": 10.0, "memory_peak_bytes": 3 * 2**30}


class Objects:
    """Objects of one bucket, with their generations."""

    def __init__(self, **contents: Any) -> None:
        self.contents = {name: json.dumps(content).encode() for name, content in contents.items()}

    def generation(self, _bucket: str, name: str) -> str:
        """The second generation of what is there."""
        return "2" if name in self.contents else ""

    def read_range(self, _bucket: str, name: str, start: int, end: int) -> bytes:
        """Some bytes; none of what is not there."""
        return self.contents.get(name, b"")[start:end]


def written(document: Any) -> Objects:
    """A bucket with these results."""
    return Objects(**{"results/smoke.json": document})


def pyspark(*arguments: str) -> dict[str, Any]:
    """A job's body."""
    return {"pysparkJob": {"args": list(arguments)}}


@pytest.mark.parametrize(
    ("body", "uri"),
    [
        (pyspark("--owner", "ada", "--run-directory", "gs://s/runs/w/", "--", "x"), "gs://s/runs/w/job-1/run.json"),
        # What stands behind -- is the script's own.
        (pyspark("--owner", "ada", "--", "--run-directory", "gs://s/runs"), ""),
        (pyspark("--run-directory"), ""),
        ({"sparkJob": {}}, ""),
    ],
)
def test_the_run_record_is_where_the_driver_was_told_to_write_it(body: dict[str, Any], uri: str):
    assert run_record_uri(body, "job-1") == uri


def test_results_are_the_jobs_own_words():
    document = {"results": {"sum": 1, "mean": 0.5, "digest": "ab"}, "versions": {"dask": "1"}}
    assert read_results(written(document), JOB, "1") == document


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([1], "is no JSON object with `results`"),
        ({"results": {}}, "is no JSON object with `results`"),
        ({"results": {"sum": None}}, "results.sum is None; expected a number or a text"),
        ({"results": {"good": True}}, "results.good is True; expected a number or a text"),
    ],
)
def test_what_is_no_result_is_refused(document: Any, text: str):
    with pytest.raises(ResultsError, match="smoke") as refused:
        read_results(written(document), JOB, "")
    assert text in str(refused.value)


@pytest.mark.parametrize(("objects", "before"), [(written({"results": {"sum": 1}}), "2"), (Objects(), "")])
def test_results_of_an_earlier_run_are_none(objects: Objects, before: str):
    with pytest.raises(ResultsError, match="succeeded and wrote nothing to"):
        read_results(objects, JOB, before)


@pytest.mark.parametrize(
    ("document", "record", "seconds", "memory"),
    [
        ({"seconds": 12.5}, RECORD, 12.5, 3072),
        ({}, RECORD, 40.5, 3072),
        ({}, {"wall_seconds": 50.5, "queued_seconds": None, "memory_peak_bytes": None}, 50.5, None),
        ({}, None, 61.0, None),
    ],
)
def test_the_best_known_time_and_the_peak_of_memory(document: Any, record: Any, seconds: float, memory: int | None):
    objects = Objects(**({"runs/run.json": record} if record else {}))
    used = measurements(objects, document, {"run_seconds": 61.0}, "gs://s/runs/run.json")
    assert (used["seconds"], used["memory_mb"]) == (seconds, memory)
    assert used["run_record"] == ("gs://s/runs/run.json" if record else "")
