# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said about a job."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    describe_job,
    failure_message,
    job_timings,
    parse_time,
    progress_lines,
    short_details,
    total_usage,
    yarn_usage,
)


def job(state="DONE", history=(), **more):
    """A job that entered its states at the given seconds past noon."""
    entries = [{"state": name, "stateStartTime": f"2026-11-23T12:00:{second:09.6f}Z"} for name, second in history]
    status = {**(entries.pop() if entries else {"state": state}), **more.pop("status", {})}
    return {"reference": {"jobId": "j"}, "status": status, "statusHistory": entries, **more}


ENDED = [("PENDING", 0.0), ("SETUP_DONE", 1.0), ("RUNNING", 2.5), ("DONE", 12.75)]


def test_times_are_told_apart():
    assert job_timings(job(history=ENDED)) == {"queued_seconds": 2.5, "run_seconds": 10.25, "duration_seconds": 12.75}


def test_a_running_job_has_no_end():
    timings = job_timings(job(history=ENDED[:3]))
    assert timings == {"queued_seconds": 2.5, "run_seconds": None, "duration_seconds": None}


def test_a_job_cancelled_in_the_queue_never_ran():
    timings = job_timings(job(history=[("PENDING", 0.0), ("CANCELLED", 3.0)]))
    assert timings == {"queued_seconds": None, "run_seconds": None, "duration_seconds": 3.0}


def test_google_writes_up_to_nanoseconds_or_none_at_all():
    assert parse_time("2026-11-23T12:00:00.123456789Z").microsecond == 123456
    assert parse_time("2026-11-23T12:00:00Z").tzinfo is not None
    assert parse_time("2026-11-23T12:00:00+00:00") == parse_time("2026-11-23T12:00:00Z")
    assert parse_time("soon") is None
    assert parse_time(None) is None


def test_usage_is_the_sum_over_all_applications():
    usage = yarn_usage(
        {
            "yarnApplications": [
                {"memoryMbSeconds": "1000", "vcoreSeconds": "10"},
                {"memoryMbSeconds": "24", "vcoreSeconds": "1"},
                {"name": "one that YARN knows nothing of yet"},
            ]
        }
    )
    assert usage == {"memory_mb_seconds": 1024, "vcore_seconds": 11, "applications": 3}
    assert total_usage([usage, usage])["vcore_seconds"] == 22
    assert yarn_usage({})["applications"] == 0


def test_only_news_is_told():
    pending, running = job(history=ENDED[:1]), job(history=ENDED[:3])
    assert progress_lines(None, pending) == ["PENDING"]
    assert progress_lines(pending, pending) == []
    assert progress_lines(pending, running) == ["RUNNING after waiting 2 s"]
    assert progress_lines(running, job(history=ENDED)) == ["DONE after 13 s"]


def test_waiting_in_the_queues_is_told():
    before = job("RUNNING")
    queued = job("PENDING", status={"substate": "QUEUED"})
    assert progress_lines(None, queued) == ["PENDING (QUEUED)"]
    waiting = {**before, "yarnApplications": [{"name": "dask", "state": "ACCEPTED"}]}
    assert progress_lines(before, waiting) == ["YARN application dask: ACCEPTED (waiting in its queue)"]
    assert progress_lines(waiting, waiting) == []


@pytest.mark.parametrize(
    ("details", "short"),
    [
        (
            "Job failed with message [KeyError: 'x']. Additional details can be found at:\nhttps://c/x\ngcloud jobs",
            "Job failed with message [KeyError: 'x'].",
        ),
        (
            "Google Cloud Dataproc Agent reports job failure. If logs are available, they can be found at:\ngs://b/o.*",
            "Google Cloud Dataproc Agent reports job failure.",
        ),
        ("Two\n  lines", "Two lines"),
        ("", ""),
    ],
)
def test_the_reason_comes_without_the_addresses_that_are_shown_anyway(details, short):
    assert short_details(details) == short


def test_a_failure_says_why_shows_the_end_and_says_where_the_rest_is():
    failed = job("ERROR", status={"details": "exit code 3"}, driverOutputResourceUri="gs://s/o")
    message = failure_message(failed, "j", ["Traceback", "KeyError: 'x'"], "https://console/j")
    assert message.splitlines() == [
        "Dataproc job j ended as ERROR: exit code 3",
        "Last 2 lines of the driver's output:",
        "    Traceback",
        "    KeyError: 'x'",
        "Whole log: gs://s/o.* (gcloud storage cat 'gs://s/o.*')",
        "Console: https://console/j",
    ]


def test_a_failure_without_output_says_so():
    assert "The driver never started" in failure_message(job("ERROR"), "j", [], "c")
    assert "The driver left no output." in failure_message(
        job("ERROR", driverOutputResourceUri="gs://s/o"), "j", [], "c"
    )
    assert "Dataproc gave no details" in failure_message(job("ERROR"), "j", [], "c")


def test_our_own_reason_comes_before_the_services():
    cancelled = job("CANCELLED", status={"details": "cancelled by user"})
    assert "over its limit" in failure_message(cancelled, "j", [], "c", reason="over its limit").splitlines()[0]


def test_a_description_has_every_field_even_for_a_job_that_is_not_there_yet():
    described = describe_job({}, "p", "r", [])
    assert described["state"] == "STATE_UNSPECIFIED"
    assert described["job_id"] == described["driver_output_uri"] == described["cluster"] == ""
    assert described["duration_seconds"] is None
