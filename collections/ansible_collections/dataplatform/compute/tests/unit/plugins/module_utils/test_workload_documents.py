# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What DAGs are made from: the same jobs as the workflow templates, one document per team."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import rendering
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.workload_documents import workload_documents
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.test_rendering import (
    LABELS,
    URIS,
    render,
    workflows,
)

PLATFORM = {
    "environment": "test",
    "project": "acme-data-test",
    "region": "europe-west1",
    "staging_bucket": "acme-staging",
    "zones": ["europe-west1-b"],
    "schedules": False,
}


def documents(facts: dict[str, Any], **options: Any) -> dict[str, dict[str, Any]]:
    """The documents of these facts, decoded."""
    rendered = workload_documents(
        facts["platform_workloads"],
        render(facts),
        teams=facts["platform_teams"],
        users=facts["platform_users"],
        artifact_uris=URIS,
        labels=LABELS,
        launcher={
            "sizes": facts["platform_sizes"],
            "prices": facts["platform_prices"],
            "run_directory": "gs://staging/runs",
            "account": facts["platform_job_account"],
        },
        platform=PLATFORM,
        **options,
    )
    return {team: json.loads(text) for team, text in rendered.items()}


def test_a_team_has_its_workloads_and_everybodys_clusters() -> None:
    facts = sound_facts()
    found = documents(facts)
    assert set(found) == {"growth", "platform"}
    assert list(found["growth"]["workloads"]) == ["flights"]
    assert found["platform"]["workloads"] == {}
    for document in found.values():
        assert document["users"] == {"ada": {"team": "growth", "slots": 3}, "grace": {"team": "platform", "slots": 3}}
        assert document["clusters"]["etl"]["shared"]["config"] == render(facts)["etl"]["shared"]
        assert document["clusters"]["etl"]["own"]["labels"] == rendering.cluster_labels("etl", "own", LABELS)
        assert {key: document[key] for key in PLATFORM} == PLATFORM


def test_the_job_and_its_labels_are_those_of_the_workflow() -> None:
    facts = sound_facts()
    arguments = ["gs://${data_bucket}/x"]
    facts["platform_workloads"]["flights"]["arguments"] = arguments
    placeholders = {"data_bucket": "acme-data"}
    workload = documents(facts, placeholders=placeholders)["growth"]["workloads"]["flights"]
    (workflow,) = workflows(facts, placeholders=placeholders)
    assert workload["job"] == {"pysparkJob": workflow["jobs"][0]["pysparkJob"]}
    assert workload["job"]["pysparkJob"]["args"][-1] == "gs://acme-data/x"
    assert workload["labels"] == workflow["placement"]["managedCluster"]["labels"]
    assert (workload["timeout"], workload["queue_timeout"], workload["slots"]) == (1800, 1800, 3)


def test_slots_are_the_workers_a_workload_may_have() -> None:
    facts = sound_facts()
    facts["platform_workloads"]["flights"] |= {"workers": {"min": 1, "max": 2}, "queue_timeout": 60}
    workload = documents(facts)["growth"]["workloads"]["flights"]
    assert (workload["slots"], workload["queue_timeout"]) == (2, 60)


def test_dags_written_by_hand_find_scripts_and_what_the_driver_is_told() -> None:
    document = documents(sound_facts())["platform"]
    assert document["scripts"] == {"examples/flights.py": "gs://a/1/flights.py"}
    launcher = document["launcher"]
    assert (launcher["driver"], launcher["package"]) == ("gs://a/3/run_dask.py", "gs://a/4/dask_on_yarn.zip")
    assert launcher["run_directory"] == "gs://staging/runs"
    assert launcher["sizes"]["worker"] == {"memory_mb": 12288, "vcores": 4}


def test_a_script_without_artefact_names_the_workload() -> None:
    facts = sound_facts()
    facts["platform_workloads"]["flights"]["script"] = "examples/flight.py"
    with pytest.raises(ValidationError, match=r"platform_workloads\.flights\.script.*did you mean"):
        documents(facts)
