# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A canary's options: what is completed, and what is refused before any call."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import make_plan
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

LABELS = {"managed-by": "dataplatform-compute", "environment": "dev", "cluster-template": "etl"}


def job(name: str = "smoke", **changes: Any) -> dict[str, Any]:
    """A job as Ansible hands it over."""
    body = {"pysparkJob": {"mainPythonFileUri": "gs://b/run_dask.py"}}
    return {"name": name, "job": body, "results": f"gs://b/{name}.json", "timeout": 1800.0, **changes}


def options(**changes: Any) -> dict[str, Any]:
    """Options as Ansible hands them over."""
    config = {
        "workerConfig": {"numInstances": 3},
        "autoscalingConfig": {"policyUri": "projects/p/regions/r/autoscalingPolicies/own"},
        "lifecycleConfig": {"idleDeleteTtl": "3600s", "autoDeleteTtl": "86400s"},
    }
    return {
        "cluster": "canary-dev-1",
        "config": config,
        "labels": LABELS,
        "jobs": [job()],
        "scale_in": None,
        "sweep": True,
        "create_timeout": 1200.0,
        "delete_timeout": 900.0,
        **changes,
    }


def scale_in(**changes: Any) -> dict[str, Any]:
    """A scale-in as Ansible hands it over."""
    return {"job": "smoke", "workers": 2, "timeout": 600.0, "after_output": "", **changes}


def problems_of(**changes: Any) -> list[str]:
    """What is wrong with options that are refused."""
    with pytest.raises(ValidationError) as refused:
        make_plan(options(**changes))
    return refused.value.problems


def test_the_cluster_has_no_autoscaler_and_goes_by_itself():
    plan = make_plan(options(scale_in=scale_in()))
    config = plan.cluster["config"]
    assert "autoscalingConfig" not in config
    assert config["lifecycleConfig"] == {"autoDeleteTtl": "4200s", "idleDeleteTtl": "900s"}
    assert plan.cluster["labels"] == {**LABELS, "purpose": "canary"}


def test_leftovers_are_found_by_owner_and_purpose_alone():
    mark = {"managed-by": "dataplatform-compute", "environment": "dev", "purpose": "canary"}
    assert make_plan(options()).mark == mark


def test_what_is_given_is_not_changed():
    given = options()
    make_plan(given)
    assert given == options()


def test_the_steps_in_words():
    assert make_plan(options(scale_in=scale_in())).lines(["old"]) == [
        "delete cluster old, which an earlier canary left",
        "create cluster canary-dev-1: 3 workers, Google's default image",
        "run job smoke, at most 1800 s",
        "meanwhile go down to 2 workers, gracefully",
        "read what smoke found in gs://b/smoke.json",
        "delete cluster canary-dev-1",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cluster": "Canary"}, "cluster is 'Canary'; expected up to 51 lower-case letters"),
        ({"labels": {"environment": "dev"}}, "labels has no managed-by; expected the ownership labels"),
        (
            {"labels": {**LABELS, "placement": "shared"}},
            "labels.placement is 'shared'; workloads find their clusters by",
        ),
        ({"labels": {**LABELS, "purpose": "etl"}}, "labels.purpose is 'etl'; a canary's is 'canary'"),
        (
            {"config": {"workerConfg": {}}},
            "config.workerConfg is not a field of ClusterConfig; did you mean 'workerConfig'?",
        ),
        ({"jobs": []}, "jobs is empty; a canary that runs nothing shows nothing"),
        ({"jobs": [job(), job(results="gs://b/2.json")]}, "jobs: the name 'smoke' is used more than once"),
        (
            {"jobs": [job(), job("two", results="gs://b/smoke.json")]},
            "jobs: two jobs write their results to gs://b/smoke",
        ),
        ({"jobs": [job("Two words")]}, "jobs[0].name is 'Two words'; expected up to 30 lower-case letters"),
        ({"jobs": [job(results="here/x")]}, "jobs[0].results: 'here/x' is no address of the form gs://bucket/name"),
        ({"jobs": [job(timeout=0.0)]}, "jobs[0].timeout is 0; expected seconds above 0"),
        ({"create_timeout": -1.0}, "create_timeout is -1; expected seconds above 0"),
        ({"jobs": [job(timeout=6000.0)]}, "create_timeout and the timeouts of jobs and scale_in add up to 7800 s"),
        (
            {"scale_in": scale_in(job="smok")},
            "scale_in.job is 'smok', which is none of the jobs; did you mean 'smoke'?",
        ),
        (
            {"scale_in": scale_in(workers=3)},
            "scale_in.workers is 3; expected fewer than config.workerConfig.numInstances",
        ),
        (
            {"scale_in": scale_in(workers=1)},
            "scale_in.workers is 1; expected fewer than config.workerConfig.numInstances",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], problem: str):
    (found,) = problems_of(**changes)
    assert found.startswith(problem)


def test_a_job_says_not_where_it_runs():
    body = {"pysparkJob": {"mainPythonFileUri": "gs://b/x.py"}, "placement": {"clusterName": "other"}, "stepId": "run"}
    found = problems_of(jobs=[job(job=body)])
    assert found[0] == "jobs[0].job has placement; the canary sets it"
    assert "stepId" in found[1]
