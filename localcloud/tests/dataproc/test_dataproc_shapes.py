"""What is answered after a creation has the keys that Google's answers to such requests have.

`fixtures/shapes.json` holds requests of our own and the keys on record for requests of that shape; `beyond` names the
keys that we answer in addition, each of which is explained in docs/fidelity.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

REGION = "projects/test-project/regions/europe-west4"
SHAPES = json.loads((Path(__file__).parent / "fixtures" / "shapes.json").read_text())
PROPERTIES = [f"/config/softwareConfig/properties/{name}" for name in SHAPES["properties_of_every_cluster"]]


def leaves(value: Any, path: str = "") -> set[str]:
    """Return the paths of everything that is not a filled map or a list of maps."""
    if isinstance(value, dict) and value:
        return set().union(*(leaves(item, f"{path}/{key}") for key, item in value.items()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return set().union(*(leaves(item, f"{path}[]") for item in value))
    return {path}


@pytest.mark.parametrize("pair", SHAPES["pairs"], ids=lambda pair: pair["name"])
def test_answers_have_the_recorded_keys(world: Any, pair: dict[str, Any]) -> None:
    policy = next(each["request"] for each in SHAPES["pairs"] if each["collection"] == "autoscalingPolicies")
    collection = f"{REGION}/{pair['collection']}"
    if pair["collection"] != "autoscalingPolicies":
        world.call("POST", f"{REGION}/autoscalingPolicies", policy)
    created = world.call("POST", collection, pair["request"])
    if pair["collection"] == "clusters":
        world.finished(created)
    identifier = pair["request"].get("id") or pair["request"]["clusterName"]
    found = leaves(world.call("GET", f"{collection}/{identifier}"))
    wanted = set(pair["keys"]) | (set(PROPERTIES) if pair.get("properties") else set())
    assert wanted - found == set()
    assert found - wanted == set(pair["beyond"])


def test_what_was_sent_comes_back_unchanged_but_for_defaults_and_urls(world: Any) -> None:
    for pair in SHAPES["pairs"]:
        if pair["collection"] == "workflowTemplates":
            sent = pair["request"]
            answered = world.call("POST", f"{REGION}/workflowTemplates", sent)
            assert {key: answered[key] for key in sent} == sent
