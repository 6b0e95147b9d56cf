# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The facts an inventory has to state, as one JSON schema, and its violations as findings.

``x-expected`` beside a keyword says in words what a valid value looks like. Name rules are Google's: buckets
(cloud.google.com/storage/docs/buckets#naming), labels and Dataproc ids (discovery document of dataproc v1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import MissingLibraryError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_composer import COMPOSER_FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_images import IMAGE_FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_nodes import NODE_FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_parts import mapping, named, text
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_patching import PATCHING_FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    KeyPath,
    format_key,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match
from ansible_collections.dataplatform.compute.plugins.module_utils.optional_imports import without_module

try:
    # jsonschema takes it along where it is installed, for a format that no schema here has, and it builds a grammar
    # when it is imported: 0.8 s for every task that uses a filter of this collection.
    with without_module("rfc3987_syntax"):
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import ValidationError as SchemaViolation
except ImportError:
    Draft202012Validator = None
    SchemaViolation = None


_PROJECT = text(r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", "expected a project id: 6 to 30 of a-z, 0-9 and '-', a letter first")
_REGION = text(r"^[a-z]+-[a-z]+[0-9]+$", "expected a region such as europe-west1 (a zone has one more part)")
_ZONE = text(r"^[a-z]+-[a-z]+[0-9]+-[a-z]$", "expected a zone such as europe-west1-b")
_PRINCIPAL = text(r"^[^@\s]+@[a-z0-9.-]+\.[a-z]{2,}$", "expected the e-mail address of a service account or a person")
_SERVICE_ACCOUNT = text(
    r"^([a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam|[0-9]+-compute@developer)\.gserviceaccount\.com$",
    "expected a service account: NAME@PROJECT.iam.gserviceaccount.com",
)
_KMS_KEY = text(
    r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$",
    "expected projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY (no version)",
)
_BUCKET = text(
    r"^(?!goog)(?!.*(google|g00gle))(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$",
    "expected a bucket name: 3 to 63 of a-z, 0-9, '-', '_' and '.', no gs:// in front, 'google' nowhere in it",
)
_LABEL_KEY = text(
    r"^[a-z][a-z0-9_-]{0,62}$", "expected a label key: a lower-case letter, then up to 62 of a-z, 0-9, '_' and '-'"
)
_LABEL_VALUE = text(r"^[a-z0-9_-]{1,63}$", "expected a label value: 1 to 63 of a-z, 0-9, '_' and '-'")
_RESOURCE_NAME = text(
    r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", "expected a name of up to 63 of a-z, 0-9 and '-', a letter first"
)
_POLICY_ID = text(
    r"^[a-zA-Z0-9][a-zA-Z0-9_-]{1,48}[a-zA-Z0-9]$",
    "expected a policy id: 3 to 50 letters, digits, '_' and '-', not at either end",
)
# A template and a workload become cluster name prefixes (2 to 35), label values and workflow template ids (3 to 50).
_CLUSTER_PREFIX = text(
    r"^[a-z][a-z0-9-]{0,33}[a-z0-9]$",
    "expected a name of 2 to 35 of a-z, 0-9 and '-', a letter first, no '-' at the end",
)
_WORKLOAD_NAME = text(
    r"^[a-z][a-z0-9-]{1,33}[a-z0-9]$",
    "expected a name of 3 to 35 of a-z, 0-9 and '-', a letter first, no '-' at the end",
)
# No '.' in a user name: YARN writes it as _dot_ in queue names. Daemons and drivers run as root and yarn: if these had
# a right to a queue, an application that lost its owner would run there.
_USER_NAME = text(
    r"^(?!(root|yarn)$)[a-z][a-z0-9_-]{0,30}$",
    "expected the account name of a person: up to 31 of a-z, 0-9, '_' and '-', a letter first, not root or yarn",
)
# The FairScheduler makes root and root.default by itself.
_QUEUE_NAME = text(
    r"^(?!(root|default)$)[a-z][a-z0-9_-]{0,30}$",
    "expected a queue name: up to 31 of a-z, 0-9, '_' and '-', a letter first, not root or default",
)
_DURATION = text(r"^[0-9]+s$", "expected seconds with an s, such as 600s")
_SECONDS = {"type": "integer", "minimum": 60, "maximum": 86400, "x-expected": "expected seconds, 60 to 86400"}
_PRICE = {"type": "number", "exclusiveMinimum": 0, "x-expected": "expected an amount above 0"}
_SENTENCE = {"type": "string", "minLength": 1, "x-expected": "expected a text that is not empty"}
_MEMORY = {
    "type": "integer",
    "minimum": 1024,
    "multipleOf": 1024,
    "x-expected": "expected MiB in full 1024 (YARN rounds up)",
}
_COUNT = {"type": "integer", "minimum": 1, "x-expected": "expected a whole number from 1"}
_WEIGHT = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 1000,
    "x-expected": "expected a number above 0, at most 1000",
}
_INSTANCES = {"type": "integer", "minimum": 0, "x-expected": "expected a whole number from 0"}

_GROUP_POLICY = mapping({"maxInstances": _INSTANCES}, {"minInstances": _INSTANCES, "weight": _INSTANCES})

_CLUSTER_CONFIG = {
    "type": "object",
    "required": ["lifecycleConfig"],
    "properties": {
        "lifecycleConfig": mapping({"idleDeleteTtl": _DURATION, "autoDeleteTtl": _DURATION}),
        "gceClusterConfig": {"type": "object", "properties": {"zoneUri": _ZONE}},
    },
}

_QUEUE = mapping(
    {"weight": _WEIGHT, "running_applications": _COUNT},
    {
        "users": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "teams": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "preemption": mapping({}, {"timeout": _COUNT, "preemptible": {"type": "boolean"}}),
    },
)

_WORKLOAD = mapping(
    {
        "owner": _USER_NAME,
        "team": _LABEL_VALUE,
        "description": _SENTENCE,
        "template": {"type": "string"},
        "priority": {"type": "string"},
        "placement": {"enum": ["own", "shared"]},
        "script": {"type": "string"},
        # Dataproc's limits of dagTimeout: 10 minutes to 24 hours.
        "timeout": {
            "type": "integer",
            "minimum": 600,
            "maximum": 86400,
            "x-expected": "expected seconds, 600 to 86400",
        },
    },
    {
        "arguments": {
            "type": "array",
            "items": {"type": "string", "x-expected": "expected a text; put numbers in quotes"},
        },
        "schedule": {"type": ["string", "null"]},
        "workers": mapping({}, {"min": _INSTANCES, "max": _COUNT}),
        "queue_timeout": _SECONDS,
        "idle_timeout": _SECONDS,
    },
)

FACTS: dict[str, dict[str, Any]] = {
    "gcp_project": _PROJECT,
    "gcp_region": _REGION,
    "gcp_expected_principal": _PRINCIPAL,
    "gcp_login_hint": _SENTENCE,
    "gcp_connection_ready": {"type": "boolean"},
    "gcp_stand_in": {"type": "boolean"},
    "platform_environment": text(r"^[a-z][a-z0-9-]{0,19}$", "expected up to 20 of a-z, 0-9 and '-', a letter first"),
    "platform_process_environment": {"type": "object", "additionalProperties": {"type": "string"}},
    "platform_labels": {"type": "object", "propertyNames": _LABEL_KEY, "additionalProperties": _LABEL_VALUE},
    "platform_network": mapping(
        {
            "name": _RESOURCE_NAME,
            "dataproc_subnetwork": _RESOURCE_NAME,
            "subnetworks": {
                "type": "array",
                "minItems": 1,
                "items": mapping({"name": _RESOURCE_NAME, "cidr": {"type": "string"}, "purpose": _SENTENCE}),
            },
            "dns_zone": text(r"^([a-z0-9-]+\.)+[a-z]{2,}$", "expected a DNS zone such as corp.internal"),
        },
        {"project": _PROJECT, "tags": {"type": "array", "items": _RESOURCE_NAME}},
    ),
    "platform_service_account": _SERVICE_ACCOUNT,
    "platform_kms_key": _KMS_KEY,
    "platform_buckets": mapping(dict.fromkeys(("artifacts", "data", "staging", "temp"), _BUCKET)),
    "platform_prices": mapping(
        {
            "currency": text(r"^[A-Z]{3}$", "expected a currency such as USD"),
            "vcore_hour": _PRICE,
            "gib_hour": _PRICE,
            "as_of": text(r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$", "expected a date in quotes, such as '2026-11-23'"),
            "source": _SENTENCE,
        }
    ),
    "platform_job_account": {
        "type": ["string", "null"],
        "pattern": r"^([a-z_][a-z0-9_-]{0,31}|[0-9]+)$",
        "x-expected": "expected an account name or number on the nodes, or null",
    },
    **PATCHING_FACTS,
    **IMAGE_FACTS,
    **NODE_FACTS,
    **COMPOSER_FACTS,
    "platform_sizes": mapping(
        {
            "nodes": named(
                _RESOURCE_NAME,
                mapping({"memory_mb": _MEMORY, "cores": _COUNT, "yarn_memory_mb": _MEMORY, "yarn_vcores": _COUNT}),
            ),
            "worker": mapping({"memory_mb": _MEMORY, "vcores": _COUNT}),
            "application_master": mapping({"memory_mb": _MEMORY, "vcores": _COUNT}),
            "user": mapping({"workers": _COUNT, "memory_mb": _MEMORY, "vcores": _COUNT, "applications": _COUNT}),
            "cluster": mapping({"workers_min": _COUNT, "workers_max": _COUNT}),
        }
    ),
    "platform_queues": named(_QUEUE_NAME, _QUEUE),
    "platform_teams": named(_LABEL_VALUE, mapping({"cost_center": _LABEL_VALUE}, {"description": _SENTENCE})),
    "platform_users": named(_USER_NAME, mapping({"team": {"type": "string"}})),
    "platform_autoscaling_policies": named(
        _POLICY_ID,
        mapping(
            {"workerConfig": _GROUP_POLICY, "basicAlgorithm": {"type": "object"}},
            {"secondaryWorkerConfig": _GROUP_POLICY},
        ),
    ),
    "platform_cluster_templates": named(
        _CLUSTER_PREFIX,
        mapping(
            {
                "description": _SENTENCE,
                "node": {"type": "string"},
                "autoscaling": mapping({"own": {"type": "string"}, "shared": {"type": "string"}}),
                "config": _CLUSTER_CONFIG,
            }
        ),
    ),
    "platform_workloads": {**named(_WORKLOAD_NAME, _WORKLOAD), "minProperties": 0},
}

OPTIONAL_FACTS = frozenset({"gcp_connection_ready", "gcp_stand_in", "platform_labels", "platform_process_environment"})

_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def schema_findings(
    facts: dict[str, Any], schemas: dict[str, dict[str, Any]] | None = None
) -> Iterator[tuple[KeyPath, Finding]]:
    """Check every fact of ``schemas`` (all of :data:`FACTS`) and yield (key path, finding) for each violation.

    Facts that are absent and not optional are violations too. A required key that is missing beside an unknown key that
    looks like it is reported once, as the misspelling.
    """
    if Draft202012Validator is None:
        raise MissingLibraryError(
            "Python libraries are missing: jsonschema. "
            "Install it into the Python that runs Ansible: pip install jsonschema"
        )
    for name, schema in (FACTS if schemas is None else schemas).items():
        if name not in facts:
            if name not in OPTIONAL_FACTS:
                yield (name,), Finding(name, "", "expected in the inventory, but it is not set")
            continue
        violations = list(Draft202012Validator(schema).iter_errors(facts[name]))
        misspelt = {
            (tuple(violation.absolute_path), suggestion)
            for violation in violations
            if violation.validator == "additionalProperties"
            for _key, suggestion in _unknown_keys(violation)
        }
        reported: set[tuple[KeyPath, str]] = set()
        for violation in violations:
            for path, finding in _findings_of(name, violation, misspelt):
                if (path, finding.expected) not in reported:
                    reported.add((path, finding.expected))
                    yield path, finding


def _findings_of(
    fact: str, violation: SchemaViolation, misspelt: set[tuple[KeyPath, str]]
) -> Iterator[tuple[KeyPath, Finding]]:
    path: KeyPath = (fact, *violation.absolute_path)
    if violation.validator == "additionalProperties":
        known = ", ".join(sorted(violation.schema["properties"]))
        for key, suggestion in _unknown_keys(violation):
            yield (
                (*path, key),
                Finding(format_key((*path, key)), "", f"unknown key; expected one of {known}", suggestion),
            )
    elif violation.validator == "required":
        for key in violation.validator_value:
            if key not in violation.instance and (tuple(violation.absolute_path), key) not in misspelt:
                yield path, Finding(format_key(path), "", f"expected the key {key!r}, but it is missing")
    elif "propertyNames" in violation.absolute_schema_path:
        key = violation.instance
        yield (*path, key), Finding(format_key((*path, key)), repr(key), violation.schema["x-expected"])
    else:
        suggestion = (
            closest_match(str(violation.instance), violation.validator_value) if violation.validator == "enum" else ""
        )
        value = "" if violation.validator == "minProperties" else _shorten(violation.instance)
        yield path, Finding(format_key(path), value, _expected(violation), suggestion)


def _unknown_keys(violation: SchemaViolation) -> Iterator[tuple[str, str]]:
    properties = violation.schema["properties"]
    for key in violation.instance:
        if key not in properties:
            yield key, closest_match(str(key), properties)


def _expected(violation: SchemaViolation) -> str:
    if violation.validator == "enum":
        return f"expected one of {', '.join(map(str, violation.validator_value))}"
    if "x-expected" in violation.schema:
        return str(violation.schema["x-expected"])
    if violation.validator == "type":
        types = violation.validator_value
        names = [types] if isinstance(types, str) else types
        return f"expected {' or '.join(_TYPE_NAMES[name] for name in names)}"
    if violation.validator in ("minProperties", "minItems"):
        return "expected at least one entry"
    if violation.validator == "uniqueItems":
        return "expected every name once"
    return violation.message


def _shorten(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
