# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What drifted, as the roles' modules say it in check mode: one reader for each form of result. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_metadata_plan import (
    CONNECTIONS,
    POOLS,
    VARIABLES,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_names import MARKER_VARIABLE
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain, show_path
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import sides_without_secrets
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import MANIFEST_NAME

DIFFERS, MISSING, UNLISTED = "differs", "missing", "not listed any more"

# What modules call what they would do to something that exists.
_UPDATES = frozenset({"update", "adopt", "replace"})
_METADATA_KINDS = {
    VARIABLES: "variable of Airflow",
    CONNECTIONS: "connection of Airflow",
    POOLS: "pool of Airflow",
}


@dataclass(frozen=True)
class FieldDrift:
    """One field that differs; None stands for not there."""

    field: str
    wanted: Any
    live: Any


@dataclass(frozen=True)
class Drift:
    """One thing that is not as the inventory says; ``fields`` are those that differ, where it differs."""

    kind: str
    name: str
    state: str
    fields: tuple[FieldDrift, ...] = ()


def differing_fields(live: Any, wanted: Any, path: tuple[Any, ...] = ()) -> list[FieldDrift]:
    """Return the innermost fields in which two sides of a diff differ; what looks like a secret is not shown."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        names = [*wanted, *(name for name in live if name not in wanted)]
        return [one for name in names for one in differing_fields(live.get(name), wanted.get(name), (*path, name))]
    if isinstance(live, list) and isinstance(wanted, list) and len(live) == len(wanted):
        pairs = zip(live, wanted, strict=True)
        return [one for index, pair in enumerate(pairs) for one in differing_fields(*pair, (*path, index))]
    if live == wanted:
        return []
    name = next((str(part) for part in reversed(path) if not isinstance(part, int)), "")
    live, wanted = sides_without_secrets(live, wanted, name)
    return [FieldDrift(show_path(path), wanted, live)]


def of_resources(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what gcp_resources or ipa_service_principals returned."""
    return [
        _of_action(kind, one.get("id") or one["principal"], one["action"], one["diff"])
        for one in result["results"]
        if one["action"] != "none"
    ]


def _of_action(kind: str, name: str, action: str, diff: Mapping[str, Any]) -> Drift:
    if action in _UPDATES:
        return Drift(kind, name, DIFFERS, tuple(differing_fields(diff["before"], diff["after"])))
    return Drift(kind, name, MISSING if action == "create" else UNLISTED)


def of_tree(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what gcs_tree returned."""
    changed = [(name, MISSING) for name in result["created"]] + [(name, DIFFERS) for name in result["updated"]]
    changed += [(name, UNLISTED) for name in result["deleted"]]
    if result["changed"] and not changed:
        changed = [(MANIFEST_NAME, DIFFERS)]
    return [
        Drift(kind, f"{result['uri'].rstrip('/')}/{name}", state, _stated([result["differences"].get(name)]))
        for name, state in changed
    ]


def _stated(differences: Iterable[Mapping[str, Any] | None]) -> tuple[FieldDrift, ...]:
    return tuple(FieldDrift(one["field"], one["wanted"], one["live"]) for one in differences if one is not None)


def of_settings(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what yarn_queues_info returned."""
    return [Drift(kind, result["uri"], DIFFERS, _stated(result["differs"]))] if result["differs"] else []


def of_objects(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what gcs_objects_info returned."""
    return [Drift(kind, uri, MISSING) for uri in result["missing"]]


def of_policies(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what iam_members returned."""
    return [
        Drift(
            kind,
            one["resource"],
            DIFFERS,
            (
                *(FieldDrift(entry["role"], entry["member"], None) for entry in one["added"]),
                *(FieldDrift(entry["role"], None, entry["member"]) for entry in one["removed"]),
            ),
        )
        for one in result["results"]
        if one["changed"]
    ]


def of_versions(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what secret_versions returned; that older versions grow old is no drift."""
    return [
        Drift(kind, one["secret"], DIFFERS, (FieldDrift("content", "the current keys", one["message"]),))
        for one in result["results"]
        if one["action"] != "none"
    ]


def of_environment(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what composer_environment returned."""
    name = result["environment"]["name"]
    if result["action"] == "create":
        return [Drift(kind, name, MISSING)]
    if not result["drift"]:
        return []
    return [
        Drift(
            kind, name, DIFFERS, tuple(FieldDrift(one["path"], one["wanted"], one["live"]) for one in result["drift"])
        )
    ]


def of_metadata(_kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what airflow_metadata returned: a diff for each result and, where that changes, one of what is ours."""
    results = list(result["results"])
    if len(result["diff"]) > len(results):
        results.append({"kind": VARIABLES, "name": MARKER_VARIABLE, "action": "update"})
    return [
        _of_action(_METADATA_KINDS[one["kind"]], one["name"], one["action"], diff)
        for one, diff in zip(results, result["diff"], strict=True)
    ]


# To look again at what is live changes nothing.
_NO_DRIFT = ("none", "verify_again")


def of_releases(kind: str, result: Mapping[str, Any]) -> list[Drift]:
    """Read what dag_release returned."""
    found = [_of_release(kind, team, one) for team, one in result["releases"].items() if one["action"] not in _NO_DRIFT]
    return found + [Drift(kind, team, UNLISTED) for team in result["unlisted"]]


def _of_release(kind: str, team: str, one: Mapping[str, Any]) -> Drift:
    if not one["live"]:
        return Drift(kind, team, MISSING)
    if one["live"] != one["release"]:
        field = FieldDrift("release", one["release"], one["live"])
    elif one["action"] == "verify":
        field = FieldDrift("seen in Airflow", "yes", "no")
    else:
        field = FieldDrift("content", f"that of release {one['release']}", "changed by somebody")
    return Drift(kind, team, DIFFERS, (field,))


Reader = Callable[[str, Mapping[str, Any]], list[Drift]]

READERS: dict[str, tuple[str, Reader]] = {
    "storage_buckets_result": ("bucket", of_resources),
    # Before what the file's tree says, which is only that the file differs.
    "yarn_queues_compared": ("queues", of_settings),
    "yarn_queues_result": ("queues", of_tree),
    "node_bundle_result": ("node bundle", of_tree),
    "artifacts_result": ("artefact", of_tree),
    "cluster_templates_fetched_result": ("artefact", of_objects),
    "service_principals_principals_result": ("service principal", of_resources),
    "service_principals_secrets_result": ("secret", of_resources),
    "service_principals_versions_result": ("keytab", of_versions),
    "service_principals_readers_result": ("IAM policy", of_policies),
    "cluster_templates_policies_result": ("autoscaling policy", of_resources),
    "cluster_templates_workflows_result": ("workflow template", of_resources),
    "composer_result": ("Airflow environment", of_environment),
    "composer_variables_result": ("metadata of Airflow", of_metadata),
    "dag_release_result": ("DAG release", of_releases),
}
"""By the name under which a role registers its result: what it is about, and how to read it."""


def was_looked_at(result: Any) -> bool:
    """Return whether a registered result tells what there is: the task ran, and to its end."""
    return isinstance(result, Mapping) and bool(result) and not result.get("failed") and not result.get("skipped")


def read_drift(results: Mapping[str, Any]) -> list[Drift]:
    """Return all that drifted, in the order of READERS; an object of a bucket once, whoever found it first."""
    found: dict[tuple[str, str], Drift] = {}
    for name, (kind, reader) in READERS.items():
        if was_looked_at(results.get(name)):
            for drift in reader(kind, plain(results[name])):
                found.setdefault(("" if drift.name.startswith("gs://") else drift.kind, drift.name), drift)
    return list(found.values())
