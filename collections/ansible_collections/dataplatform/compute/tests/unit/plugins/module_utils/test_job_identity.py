# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of jobs, and when two jobs are the same."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.job_identity import choose_identity, first_difference

PYSPARK = {"placement": {"clusterName": "etl"}, "pysparkJob": {"mainPythonFileUri": "gs://b/x.py", "args": ["a", "b"]}}


def identity(job=None, job_id=None, request_id=None, project="p", region="r"):
    return choose_identity(job, job_id, request_id, project, region)


def test_request_id_becomes_the_job_id_so_that_a_second_run_finds_the_job():
    chosen = identity(PYSPARK, request_id="9d7f6c4e-3b0e-4f3e-a9a9-61c6a5c8b2a1")
    assert chosen.job_id == chosen.request_id == "9d7f6c4e-3b0e-4f3e-a9a9-61c6a5c8b2a1"
    assert chosen.repeatable


def test_job_id_gives_the_same_request_id_every_time_and_another_one_elsewhere():
    first, second = identity(PYSPARK, job_id="flights"), identity(PYSPARK, job_id="flights")
    assert first == second
    assert first.repeatable
    assert len({first.request_id, identity(PYSPARK, job_id="flights", region="other").request_id}) == 2
    assert len(first.request_id) <= 40


def test_the_id_inside_the_body_counts_like_the_option():
    body = {**PYSPARK, "reference": {"jobId": "flights"}}
    assert identity(body) == identity(PYSPARK, job_id="flights")


def test_without_any_id_every_run_is_a_new_job():
    first, second = identity(PYSPARK), identity(PYSPARK)
    assert first.job_id != second.job_id
    assert not first.repeatable


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"job_id": "a b"}, ["job_id", "'a b'"]),
        ({"job_id": "x" * 101}, ["job_id", "1 to 100"]),
        ({"request_id": "x" * 41}, ["request_id", "1 to 40"]),
        ({"request_id": "ümlaut"}, ["request_id", "'ümlaut'"]),
        ({"job": {"reference": {"jobId": "one"}}, "job_id": "two"}, ["'one'", "'two'"]),
    ],
)
def test_impossible_ids_are_refused_with_option_and_value(arguments, words):
    with pytest.raises(ValidationError) as caught:
        identity(**arguments)
    assert all(word in str(caught.value) for word in words)


def test_what_the_service_adds_is_no_difference():
    live = {**PYSPARK, "status": {"state": "DONE"}, "labels": {"goog-x": "y"}, "jobUuid": "u"}
    live["pysparkJob"] = {**PYSPARK["pysparkJob"], "loggingConfig": {}}
    assert first_difference(PYSPARK, live) is None


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ({"scheduling": {"maxFailuresPerHour": 3}}, {"scheduling": {"maxFailuresPerHour": "3"}}),
        ({"sparkJob": {"archiveUris": []}}, {"sparkJob": {}}),
        ({"labels": {}}, {}),
        ({"hiveJob": {"continueOnFailure": False}}, {"hiveJob": {}}),
        ({"scheduling": {"maxFailuresPerHour": 0}}, {}),
    ],
)
def test_googles_way_of_writing_json_is_no_difference(wanted, live):
    assert first_difference(wanted, live) is None


@pytest.mark.parametrize(
    ("wanted", "live", "text"),
    [
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, "args[1] is 'c', wanted 'b'"),
        ({"args": ["a", "b"]}, {"args": ["a"]}, "args is ['a'], wanted ['a', 'b']"),
        ({"a": {"b": "x"}}, {"a": {}}, "a.b is None, wanted 'x'"),
        ({"labels": {"team": "x"}}, {}, "labels is None, wanted {'team': 'x'}"),
        ({"a": True}, {}, "a is None, wanted True"),
    ],
)
def test_a_difference_is_named_by_its_path(wanted, live, text):
    assert first_difference(wanted, live) == text
