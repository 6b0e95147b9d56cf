# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Terraform's outputs as facts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema import FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.terraform_outputs import (
    OPTIONAL_OUTPUTS,
    OUTPUTS,
    TerraformOutputError,
    facts_from_outputs,
    merge_facts,
)

VALUES: dict[str, Any] = {name: [] if kind is list else f"the-{name}" for name, (_path, kind) in OUTPUTS.items()}


def as_terraform(values: dict[str, Any]) -> str:
    """The values in the form of ``terraform output -json``."""
    return json.dumps({name: {"sensitive": False, "type": "string", "value": value} for name, value in values.items()})


def test_every_output_stands_for_a_documented_fact() -> None:
    for path, _kind in OUTPUTS.values():
        schema = FACTS[path[0]]
        assert len(path) == 1 or path[1] in schema["properties"]


def test_outputs_become_facts_and_unknown_ones_are_ignored() -> None:
    facts = facts_from_outputs(as_terraform({**VALUES, "bastion_ip": "10.0.0.1"}))
    assert facts[("gcp_project",)] == "the-project_id"
    assert facts[("platform_buckets", "temp")] == "the-temp_bucket"
    assert len(facts) == len(OUTPUTS)


def test_all_missing_and_mistyped_outputs_are_reported_at_once() -> None:
    values = {**VALUES, "region": ["europe-west1"], "subnetworks": "10.0.0.0/24", "data_bucket_name": "x"}
    del values["data_bucket"]
    with pytest.raises(TerraformOutputError) as caught:
        facts_from_outputs(as_terraform(values))
    message = str(caught.value)
    assert "output 'region' is [\"europe-west1\"]; expected a string for gcp_region" in message
    assert "output 'subnetworks' is \"10.0.0.0/24\"; expected a list" in message
    assert "output 'data_bucket' is missing (there is 'data_bucket_name': did you mean that?)" in message


def test_stack_may_come_without_an_airflow_environment() -> None:
    facts = facts_from_outputs(as_terraform({name: VALUES[name] for name in VALUES if name not in OPTIONAL_OUTPUTS}))
    assert len(facts) == len(OUTPUTS) - len(OPTIONAL_OUTPUTS)
    with pytest.raises(TerraformOutputError, match="'composer_location' is 1; expected a string"):
        facts_from_outputs(as_terraform({**VALUES, "composer_location": 1}))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"region": "europe-west1"}', '{"region": {"type": "string"}}'])
def test_what_is_not_an_answer_of_terraform(text: str) -> None:
    with pytest.raises(TerraformOutputError, match="terraform output -json"):
        facts_from_outputs(text)


def test_single_keys_are_completed_from_what_is_written() -> None:
    facts = {("gcp_region",): "r", ("platform_buckets", "data"): "new", ("platform_buckets", "temp"): "tmp"}
    written = {"gcp_region": "old", "platform_buckets": {"data": "old", "artifacts": "kept"}, "other": 1}
    assert merge_facts(facts, written) == {
        "gcp_region": "r",
        "platform_buckets": {"artifacts": "kept", "data": "new", "temp": "tmp"},
    }
