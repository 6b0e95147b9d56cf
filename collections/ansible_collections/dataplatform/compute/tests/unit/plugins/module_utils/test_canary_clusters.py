# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_clusters import canary_clusters


def config(policy: str = "own-standard", **changes: Any) -> dict[str, Any]:
    return {
        "autoscalingConfig": {"policyUri": f"projects/p/regions/r/autoscalingPolicies/{policy}"},
        "lifecycleConfig": {"idleDeleteTtl": "600s"},
        "gceClusterConfig": {"internalIpOnly": True, "metadata": {"node-bundle-uri": "gs://b/1"}},
        "workerConfig": {"machineTypeUri": "n2-standard-4", "numInstances": 2},
        "secondaryWorkerConfig": {"numInstances": 0},
        "softwareConfig": {"imageVersion": "2.3.10-debian12"},
        **changes,
    }


def test_templates_whose_nodes_are_alike_are_tried_once() -> None:
    other = config("own-spot", lifecycleConfig={"idleDeleteTtl": "3600s"})
    other["gceClusterConfig"] = {"internalIpOnly": True, "metadata": {"service-principal": "ml"}}
    found = canary_clusters({"ml": {"own": other}, "etl": {"own": config()}}, workers=3)
    assert [(one["template"], one["covers"]) for one in found] == [("etl", ["etl", "ml"])]


def test_other_nodes_are_tried_on_their_own() -> None:
    large = config(workerConfig={"machineTypeUri": "n2-standard-8", "numInstances": 2})
    older = config(softwareConfig={"imageVersion": "2.2.5-debian12"})
    found = canary_clusters({"a": {"own": config()}, "b": {"own": large}, "c": {"own": older}}, workers=3)
    assert [one["template"] for one in found] == ["a", "b", "c"]


def test_a_canary_has_a_fixed_size_and_keeps_everything_else() -> None:
    given = config()
    (found,) = canary_clusters({"etl": {"own": given}}, workers=3)
    assert found["config"] == {
        "gceClusterConfig": given["gceClusterConfig"],
        "workerConfig": {"machineTypeUri": "n2-standard-4", "numInstances": 3},
        "softwareConfig": given["softwareConfig"],
    }
    assert given["workerConfig"]["numInstances"] == 2
