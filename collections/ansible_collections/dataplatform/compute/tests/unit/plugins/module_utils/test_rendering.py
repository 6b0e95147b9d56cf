# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cluster templates and workloads as the bodies Dataproc takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import rendering
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts

PARENT = "projects/p/regions/r"
LABELS = {"managed-by": "dataplatform-compute", "environment": "test", "cost-center": "cc-1"}
URIS = {
    "jobs/examples/flights.py": "gs://a/1/flights.py",
    "jobs/run_dask.py": "gs://a/3/run_dask.py",
    "jobs/dask_on_yarn.zip": "gs://a/4/dask_on_yarn.zip",
    "init-actions/node.sh": "gs://a/2/node.sh",
}
STANDARD = {
    "masterConfig": {"numInstances": 1},
    "workerConfig": {"numInstances": 2, "diskConfig": {"bootDiskSizeGb": 100, "numLocalSsds": 1}},
    "secondaryWorkerConfig": {"preemptibility": "SPOT"},
    "softwareConfig": {"properties": {"yarn:x": "1"}},
}


def render(facts: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The cluster configurations of these facts."""
    given = {"standard": STANDARD, "parent": PARENT, **options}
    return rendering.cluster_configs(facts["platform_cluster_templates"], sizes=facts["platform_sizes"], **given)


def workflows(facts: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """The workflow templates of these facts."""
    return rendering.workflow_templates(
        facts["platform_workloads"],
        render(facts),
        teams=facts["platform_teams"],
        artifact_uris=URIS,
        labels=LABELS,
        kms_key="key",
        launcher={
            "sizes": facts["platform_sizes"],
            "prices": facts["platform_prices"],
            "run_directory": "gs://staging/runs",
            "account": facts["platform_job_account"],
        },
        **options,
    )


def test_merge_goes_deep_replaces_lists_and_null_removes() -> None:
    base = {"a": {"b": 1, "c": 2}, "list": [1, 2], "gone": {"x": 1}}
    assert rendering.merge(base, {"a": {"b": 3}, "list": [3], "gone": None}) == {"a": {"b": 3, "c": 2}, "list": [3]}
    assert base["a"] == {"b": 1, "c": 2}


def test_placements_differ_in_their_autoscaling_policy_only() -> None:
    config = render(sound_facts())["etl"]
    own, shared = config["own"].pop("autoscalingConfig"), config["shared"].pop("autoscalingConfig")
    assert own == {"policyUri": f"{PARENT}/autoscalingPolicies/own-spot"}
    assert shared == {"policyUri": f"{PARENT}/autoscalingPolicies/shared"}
    assert config["own"] == config["shared"]


def test_node_type_gives_machines_and_what_yarn_offers() -> None:
    config = render(sound_facts())["etl"]["own"]
    assert config["masterConfig"]["machineTypeUri"] == "n2-standard-4"
    assert config["workerConfig"] == {
        "machineTypeUri": "n2-standard-4",
        "numInstances": 2,
        "diskConfig": {"bootDiskSizeGb": 100, "numLocalSsds": 1},
    }
    assert "machineTypeUri" not in config["secondaryWorkerConfig"]
    assert config["softwareConfig"]["properties"] == {
        "yarn:x": "1",
        "yarn:yarn.nodemanager.resource.memory-mb": "13312",
        "yarn:yarn.nodemanager.resource.cpu-vcores": "5",
        "yarn:yarn.scheduler.maximum-allocation-mb": "13312",
        "yarn:yarn.scheduler.maximum-allocation-vcores": "5",
    }


def test_what_the_template_says_wins() -> None:
    facts = sound_facts()
    facts["platform_cluster_templates"]["etl"]["config"].update(
        workerConfig={"diskConfig": {"bootDiskSizeGb": 200}}, secondaryWorkerConfig=None
    )
    config = render(facts)["etl"]["own"]
    assert config["workerConfig"]["diskConfig"] == {"bootDiskSizeGb": 200, "numLocalSsds": 1}
    assert "secondaryWorkerConfig" not in config
    assert config["lifecycleConfig"] == {"idleDeleteTtl": "600s", "autoDeleteTtl": "14400s"}


def test_init_actions_are_pinned_by_hash_in_order() -> None:
    config = render(sound_facts(), init_actions=[{"script": "node.sh"}], artifact_uris=URIS)["etl"]["own"]
    assert config["initializationActions"] == [{"executableFile": "gs://a/2/node.sh", "executionTimeout": "300s"}]
    assert "initializationActions" not in render(sound_facts())["etl"]["own"]


def test_init_action_that_is_not_enabled_is_left_out() -> None:
    actions = [{"script": "nod.sh", "enabled": False}, {"script": "node.sh", "enabled": True}]
    config = render(sound_facts(), init_actions=actions, artifact_uris=URIS)["etl"]["own"]
    assert [action["executableFile"] for action in config["initializationActions"]] == ["gs://a/2/node.sh"]


def test_nodes_of_a_template_have_its_metadata_beside_everybodys() -> None:
    facts = sound_facts()
    facts["platform_cluster_templates"]["ml"] = facts["platform_cluster_templates"]["etl"]
    standard = {**STANDARD, "gceClusterConfig": {"metadata": {"all": "1"}}}
    configs = render(facts, standard=standard, metadata={"etl": {"service-principal": "dask/etl"}})
    assert configs["etl"]["shared"]["gceClusterConfig"]["metadata"] == {"all": "1", "service-principal": "dask/etl"}
    assert configs["ml"]["shared"]["gceClusterConfig"]["metadata"] == {"all": "1"}


def test_missing_init_action_names_the_near_miss() -> None:
    with pytest.raises(ValidationError, match=r"init-actions/nod\.sh.*did you mean 'init-actions/node\.sh'"):
        render(sound_facts(), init_actions=[{"script": "nod.sh"}], artifact_uris=URIS)


def test_workload_of_its_own_cluster() -> None:
    (body,) = workflows(sound_facts())
    labels = {
        **LABELS,
        "cost-center": "cc-2",
        "owner": "ada",
        "team": "growth",
        "workload": "flights",
        "priority": "normal",
    }
    assert body["id"] == "flights"
    assert body["labels"] == labels
    # As long again for waiting in the queue, and a margin: the driver ends first and says why.
    assert body["dagTimeout"] == "4200s"
    assert body["encryptionConfig"] == {"kmsKey": "key"}
    assert body["placement"]["managedCluster"]["clusterName"] == "flights"
    assert body["placement"]["managedCluster"]["labels"] == {**labels, "cluster-template": "etl", "placement": "own"}
    (job,) = body["jobs"]
    arguments = job["pysparkJob"].pop("args")
    assert job == {
        "stepId": "run",
        "labels": labels,
        "pysparkJob": {
            "mainPythonFileUri": "gs://a/3/run_dask.py",
            "pythonFileUris": ["gs://a/4/dask_on_yarn.zip"],
            "properties": {"spark.yarn.queue": "root.normal"},
        },
    }
    assert arguments[:6] == ["--script", "gs://a/1/flights.py", "--owner", "ada", "--workload", "flights"]
    assert arguments[arguments.index("--") + 1 :] == ["--input", "x"]


def test_placeholders_are_filled_and_everything_else_comes_through() -> None:
    facts = sound_facts()
    arguments = ["gs://${data_bucket}/x", '{"a": "$b ${c}"}', "${environment}-${environment}"]
    facts["platform_workloads"]["flights"]["arguments"] = arguments
    (body,) = workflows(facts, placeholders={"data_bucket": "acme-data", "environment": "dev"})
    rendered = body["jobs"][0]["pysparkJob"]["args"]
    assert rendered[rendered.index("--") + 1 :] == ["gs://acme-data/x", '{"a": "$b ${c}"}', "dev-dev"]


def test_workload_of_the_shared_cluster_selects_it_by_label() -> None:
    facts = sound_facts()
    facts["platform_workloads"]["flights"]["placement"] = "shared"
    (body,) = workflows(facts)
    assert body["placement"] == {
        "clusterSelector": {
            "clusterLabels": {
                "managed-by": "dataplatform-compute",
                "environment": "test",
                "cluster-template": "etl",
                "placement": "shared",
            }
        }
    }


def test_script_without_artefact_is_an_error_that_names_the_workload() -> None:
    facts = sound_facts()
    facts["platform_workloads"]["flights"]["script"] = "examples/flight.py"
    with pytest.raises(ValidationError, match=r"platform_workloads\.flights\.script.*did you mean"):
        workflows(facts)


def test_policies_carry_their_id_and_our_labels() -> None:
    policies = rendering.autoscaling_policies(sound_facts()["platform_autoscaling_policies"], LABELS)
    assert [policy["id"] for policy in policies] == ["own-spot", "shared"]
    assert policies[1]["labels"] == LABELS
    assert policies[1]["workerConfig"] == {"minInstances": 2, "maxInstances": 10}


def test_documents_for_dags_are_stable_json() -> None:
    documents = rendering.cluster_documents(render(sound_facts()), LABELS)
    assert list(documents) == ["cluster-templates/etl-own.json", "cluster-templates/etl-shared.json"]
    document = json.loads(documents["cluster-templates/etl-shared.json"])
    assert document["labels"] == {**LABELS, "cluster-template": "etl", "placement": "shared"}
    assert document["config"] == render(sound_facts())["etl"]["shared"]
    assert documents == rendering.cluster_documents(render(sound_facts()), dict(reversed(LABELS.items())))
