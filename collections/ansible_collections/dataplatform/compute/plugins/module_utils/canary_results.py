# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a canary's job found and used: its results object and the run record of the driver."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import CanaryJob
from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import StorageObjects
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import split_uri
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError

RECORD_NAME = "run.json"
MOST_BYTES = 4 * 1024 * 1024
_RUN_DIRECTORY = "--run-directory"


class ResultsError(ComputeError):
    """A job that succeeded left no results, or some that cannot be understood."""


def run_record_uri(body: Mapping[str, Any], job_id: str) -> str:
    """Where the driver of a job writes its run record, as its arguments say; empty when they do not."""
    arguments: Sequence[str] = (body.get("pysparkJob") or {}).get("args") or []
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if _RUN_DIRECTORY not in own[:-1]:
        return ""
    return f"{own[own.index(_RUN_DIRECTORY) + 1].rstrip('/')}/{job_id}/{RECORD_NAME}"


def results_generation(objects: StorageObjects, job: CanaryJob) -> str:
    """What tells the results that are there now from those the job will write; empty when there are none."""
    return objects.generation(*split_uri(job.results))


def read_results(objects: StorageObjects, job: CanaryJob, before: str) -> dict[str, Any]:
    """The results a job wrote. Raises ResultsError when they are those from ``before``, none, or not of the form.

    The form is a JSON object with ``results``, numbers and texts by name.
    """
    if objects.generation(*split_uri(job.results)) == before:
        raise ResultsError(f"job {job.name} succeeded and wrote nothing to {job.results}")
    document = _read_json(objects, job.results)
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict) or not results:
        raise ResultsError(f"{job.results} is no JSON object with `results`, numbers and texts by name")
    wrong = [
        name for name, value in results.items() if isinstance(value, bool) or not isinstance(value, int | float | str)
    ]
    if wrong:
        raise ResultsError(f"{job.results}: results.{wrong[0]} is {results[wrong[0]]!r}; expected a number or a text")
    return document


def measurements(
    objects: StorageObjects, document: Mapping[str, Any], ended: Mapping[str, Any], record_uri: str
) -> dict[str, Any]:
    """What a job used.

    ``seconds`` are those its results tell, else those of the run record without the waiting, else Dataproc's;
    ``memory_mb`` is the highest sum of the workers' memory in MiB, None where there is no run record. ``ended`` is
    what following the job returned.
    """
    record = _read_json(objects, record_uri) if record_uri else None
    known = record if isinstance(record, dict) else {}
    seconds = document.get("seconds")
    if seconds is None and known.get("wall_seconds") is not None:
        seconds = round(known["wall_seconds"] - (known.get("queued_seconds") or 0), 3)
    peak = known.get("memory_peak_bytes")
    return {
        "seconds": ended.get("run_seconds") if seconds is None else seconds,
        "memory_mb": None if peak is None else round(peak / 2**20),
        "queued_seconds": known.get("queued_seconds"),
        "run_record": record_uri if known else "",
    }


def _read_json(objects: StorageObjects, uri: str) -> Any:
    try:
        return json.loads(objects.read_range(*split_uri(uri), 0, MOST_BYTES))
    except ValueError:
        return None
