# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the outputs of the infrastructure's Terraform stack mean for the inventory."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match

# Output -> (fact, or fact and key of it; the type Terraform has to have given it)
OUTPUTS: dict[str, tuple[tuple[str, ...], type]] = {
    "project_id": (("gcp_project",), str),
    "region": (("gcp_region",), str),
    "network_name": (("platform_network", "name"), str),
    "dataproc_subnetwork_name": (("platform_network", "dataproc_subnetwork"), str),
    "dns_zone": (("platform_network", "dns_zone"), str),
    "subnetworks": (("platform_network", "subnetworks"), list),
    "dataproc_service_account_email": (("platform_service_account",), str),
    "dataproc_kms_key_id": (("platform_kms_key",), str),
    "artifacts_bucket": (("platform_buckets", "artifacts"), str),
    "data_bucket": (("platform_buckets", "data"), str),
    "staging_bucket": (("platform_buckets", "staging"), str),
    "temp_bucket": (("platform_buckets", "temp"), str),
    "composer_environment_name": (("platform_composer", "environment"), str),
    "composer_location": (("platform_composer", "location"), str),
    "composer_service_account_email": (("platform_composer", "service_account"), str),
}
# A stack may come without an Airflow environment.
OPTIONAL_OUTPUTS = frozenset(name for name in OUTPUTS if name.startswith("composer_"))

_TYPE_NAMES = {str: "a string", list: "a list"}


class TerraformOutputError(Exception):
    """The file is not an answer of ``terraform output -json`` that this platform can use."""


def facts_from_outputs(text: str) -> dict[tuple[str, ...], Any]:
    """Return (fact, or fact and key) -> value for every output that stands for one.

    Raises TerraformOutputError with all missing and mistyped outputs at once.
    """
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise TerraformOutputError(f"expected the JSON that `terraform output -json` prints: {error}") from error
    if not isinstance(outputs, dict) or not all(
        isinstance(entry, dict) and "value" in entry for entry in outputs.values()
    ):
        raise TerraformOutputError(
            "expected the JSON that `terraform output -json` prints: an object with a 'value' in each of its entries"
        )
    problems: list[str] = []
    facts: dict[tuple[str, ...], Any] = {}
    for name, (path, kind) in OUTPUTS.items():
        if name not in outputs and name in OPTIONAL_OUTPUTS:
            continue
        if name not in outputs:
            suggestion = closest_match(name, [output for output in outputs if output not in OUTPUTS])
            near = f" (there is {suggestion!r}: did you mean that?)" if suggestion else ""
            problems.append(f"output {name!r} is missing{near}; it sets {'.'.join(path)}")
        elif not isinstance(outputs[name]["value"], kind):
            found = json.dumps(outputs[name]["value"])
            problems.append(f"output {name!r} is {found}; expected {_TYPE_NAMES[kind]} for {'.'.join(path)}")
        else:
            facts[path] = outputs[name]["value"]
    if problems:
        raise TerraformOutputError("; ".join(problems))
    return facts


def merge_facts(facts: dict[tuple[str, ...], Any], written: dict[str, Any]) -> dict[str, Any]:
    """Whole facts: those of single keys are completed from the values ``written`` in the inventory."""
    merged: dict[str, Any] = {}
    for path, value in facts.items():
        if len(path) == 1:
            merged[path[0]] = value
            continue
        base = merged.get(path[0], written.get(path[0]))
        merged[path[0]] = {**(base if isinstance(base, dict) else {}), path[1]: value}
    return merged
