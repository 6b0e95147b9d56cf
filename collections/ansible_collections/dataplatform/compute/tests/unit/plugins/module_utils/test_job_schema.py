# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused in a job before any call."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.job_schema import checked_job

PYSPARK = {"mainPythonFileUri": "gs://b/x.py"}
JOB = {"placement": {"clusterName": "etl"}, "pysparkJob": PYSPARK}


def problems(job):
    with pytest.raises(ValidationError) as caught:
        checked_job(job)
    return caught.value.problems


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"placement": {"clusterLabels": {"team": "growth"}}},
        {"reference": {"jobId": "flights"}},
        {"driverSchedulingConfig": {"memoryMb": 2048, "vcores": 1}},
        {"scheduling": {"maxFailuresPerHour": 3}, "labels": {"team": "growth"}},
    ],
)
def test_a_fitting_job_is_left_as_it_is(more):
    assert checked_job({**JOB, **more}) == {**JOB, **more}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({**JOB, "lables": {}}, ["lables", "did you mean 'labels'?"]),
        ({**JOB, "pysparkJob": {"mainPythonFileUr": "gs://b/x"}}, ["pysparkJob.mainPythonFileUr", "mainPythonFileUri"]),
        ({**JOB, "pysparkJob": {**PYSPARK, "args": [1]}}, ["pysparkJob.args[0]", "string"]),
        ({**JOB, "status": {"state": "DONE"}}, ["status", "remove it"]),
        ({**JOB, "stepId": "etl"}, ["stepId"]),
        ({**JOB, "sparkJob": {"mainClass": "X"}}, ["pysparkJob and sparkJob", "exactly one"]),
        ({"placement": {"clusterName": "etl"}}, ["exactly one", "pysparkJob"]),
        ({"pysparkJob": PYSPARK}, ["placement"]),
        ({**JOB, "placement": {}}, ["placement", "clusterName or clusterLabels"]),
    ],
)
def test_what_cannot_be_submitted_is_named(job, words):
    text = "\n".join(problems(job))
    assert all(word in text for word in words), text


def test_all_problems_come_at_once():
    found = problems({"placement": {"clusterNam": "x"}, "pysparkJob": {"mainPythonFileUr": "y"}, "lables": {}})
    assert len(found) >= 3
