# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_clusters import (
    canary_clusters,
    comparable_canary,
)


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


def canary(name: str, machine_type: str = "n2-standard-4", **jobs: int) -> dict[str, Any]:
    """A canary with this many workers on a cluster of each template."""
    of = {template: {"workers": {"first": count}, "machine_type": machine_type} for template, count in jobs.items()}
    return {"cluster": name, "jobs": of}


@pytest.mark.parametrize(
    ("own", "upstream", "good"),
    [
        (canary("own", analytics=3, etl=3), canary("dev", analytics=3, etl=3), "own"),
        (None, canary("dev", analytics=3, etl=3), "dev"),
        (canary("own", etl=3), canary("dev", analytics=3, etl=3), "dev"),
        (canary("own", analytics=3, etl=3, old=3), None, None),
        (canary("own", analytics=5, etl=5), canary("dev", analytics=3), None),
        (canary("own", "n2-standard-8", analytics=3, etl=3), None, None),
        ({"cluster": "own", "jobs": {"analytics": {}, "etl": {}}}, None, None),
        (None, None, None),
    ],
)
def test_a_canary_is_held_against_one_on_such_clusters(
    own: dict[str, Any] | None, upstream: dict[str, Any] | None, good: str | None
) -> None:
    large = config(softwareConfig={"imageVersion": "2.2.5-debian12"})
    clusters = canary_clusters({"analytics": {"own": config()}, "etl": {"own": large}}, workers=3)
    found = comparable_canary([own, upstream], clusters)
    assert (found and found["cluster"]) == good


def test_what_nobody_knows_of_is_not_the_same() -> None:
    clusters = canary_clusters({"etl": {"own": config(workerConfig={"numInstances": 2})}}, workers=3)
    unknown = {"cluster": "own", "jobs": {"etl": {"workers": {"first": 3}, "machine_type": None}}}
    assert comparable_canary([unknown], clusters) is None
