# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What drifted, read from what modules return in check mode."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import drift
from ansible_collections.dataplatform.compute.plugins.module_utils.drift import (
    DIFFERS,
    MISSING,
    UNLISTED,
    Drift,
    FieldDrift,
    differing_fields,
    read_drift,
)

HASH = "0123456789ab" + "c" * 52


def entry(identifier: str, action: str, before: Any = None, after: Any = None) -> dict[str, Any]:
    """A resource as gcp_resources returns it."""
    diff = {"before": before or {}, "after": after or {}} if action != "none" else {}
    return {"kind": "x", "id": identifier, "action": action, "diff": diff}


def tree(**stated: Any) -> dict[str, Any]:
    """What gcs_tree returns."""
    nothing: dict[str, Any] = {"created": [], "updated": [], "deleted": [], "differences": {}, "changed": False}
    return {**nothing, "uri": "gs://b/live", **stated}


def test_fields_are_the_innermost_ones_that_differ() -> None:
    live = {"labels": {"a": "1", "b": "2"}, "steps": [{"args": ["x", "y"]}], "same": {"z": 1}, "short": [1]}
    wanted = {"labels": {"a": "1", "c": "3"}, "steps": [{"args": ["x", "z"]}], "same": {"z": 1}, "short": [1, 2]}
    assert differing_fields(live, wanted) == [
        FieldDrift("labels.c", "3", None),
        FieldDrift("labels.b", None, "2"),
        FieldDrift("steps[0].args[1]", "z", "y"),
        FieldDrift("short", [1, 2], [1]),
    ]


def test_secrets_are_not_among_the_fields() -> None:
    live, wanted = {"db": {"password": "old"}, "url": "x://u:" + "p@h"}, {"db": {"password": "new"}, "url": "x://h"}
    assert differing_fields(live, wanted) == [
        FieldDrift("db.password", "(not shown, but another)", "(not shown)"),
        FieldDrift("url", "x://h", "(not shown)"),
    ]


def test_resources() -> None:
    results = [
        entry("same", "none"),
        entry("new", "create", after={"a": 1}),
        entry("gone", "delete", before={"a": 1}),
        entry("other", "update", {"a": 1}, {"a": 2}),
        entry("by-hand", "adopt", {"labels": {}}, {"labels": {"managed-by": "us"}}),
    ]
    assert read_drift({"storage_buckets_result": {"results": results, "changed": True}}) == [
        Drift("bucket", "new", MISSING),
        Drift("bucket", "gone", UNLISTED),
        Drift("bucket", "other", DIFFERS, (FieldDrift("a", 2, 1),)),
        Drift("bucket", "by-hand", DIFFERS, (FieldDrift("labels.managed-by", "us", None),)),
    ]


def test_trees() -> None:
    result = tree(
        uri="gs://b/",
        created=["new"],
        updated=["other"],
        deleted=["old"],
        differences={"other": {"field": "size", "live": "1", "wanted": "2"}},
        changed=True,
    )
    assert read_drift({"artifacts_result": result}) == [
        Drift("artefact", "gs://b/new", MISSING),
        Drift("artefact", "gs://b/other", DIFFERS, (FieldDrift("size", "2", "1"),)),
        Drift("artefact", "gs://b/old", UNLISTED),
    ]


def test_a_tree_whose_manifest_alone_was_changed() -> None:
    (found,) = read_drift({"node_bundle_result": tree(changed=True)})
    assert (found.name, found.state) == ("gs://b/live/.gcs-tree-manifest.json", DIFFERS)


def test_the_settings_of_the_queues_stand_for_their_file() -> None:
    uri = "gs://b/live/fair-scheduler.xml"
    difference = {"field": "size", "live": "1", "wanted": "2"}
    of_file = tree(updated=["fair-scheduler.xml"], differences={"fair-scheduler.xml": difference}, changed=True)
    weight = {"field": "root.normal.weight", "live": "5", "wanted": "3"}
    both = {"yarn_queues_result": of_file, "yarn_queues_compared": {"uri": uri, "differs": [weight]}}
    assert read_drift(both) == [Drift("queues", uri, DIFFERS, (FieldDrift("root.normal.weight", "3", "5"),))]
    both["yarn_queues_compared"]["differs"] = []
    assert read_drift(both) == [Drift("queues", uri, DIFFERS, (FieldDrift("size", "2", "1"),))]


def test_an_object_that_two_looks_miss_is_missing_once() -> None:
    uri = f"gs://b/{HASH}/node-bundle.tar"
    looks = {
        "node_bundle_result": tree(uri=f"gs://b/{HASH}", created=["node-bundle.tar"], changed=True),
        "cluster_templates_fetched_result": {"missing": [uri, "gs://b/other"], "found": 1},
    }
    found = [(one.kind, one.name) for one in read_drift(looks)]
    assert found == [("node bundle", uri), ("artefact", "gs://b/other")]


def test_policies_keytabs_and_principals() -> None:
    role = "roles/secretmanager.secretAccessor"
    policies = [
        {
            "resource": "projects/p/secrets/s",
            "changed": True,
            "added": [{"role": role, "member": "serviceAccount:a"}],
            "removed": [{"role": role, "member": "user:eve"}],
        },
        {"resource": "projects/p/secrets/t", "changed": False, "added": [], "removed": []},
    ]
    versions = [
        {"secret": "s", "action": "add", "message": "version 1 holds something else", "disabled": []},
        # Time passes, and an older version is due: nobody did that by hand.
        {"secret": "t", "action": "none", "message": "the latest version holds this already", "disabled": ["1"]},
    ]
    principal = {"principal": "dask/etl@R", "action": "update", "diff": {"before": {"a": ["x"]}, "after": {}}}
    found = read_drift(
        {
            "service_principals_readers_result": {"results": policies},
            "service_principals_versions_result": {"results": versions},
            "service_principals_principals_result": {"results": [principal]},
        }
    )
    assert found == [
        Drift("service principal", "dask/etl@R", DIFFERS, (FieldDrift("a", None, ["x"]),)),
        Drift("keytab", "s", DIFFERS, (FieldDrift("content", "the current keys", "version 1 holds something else"),)),
        Drift(
            "IAM policy",
            "projects/p/secrets/s",
            DIFFERS,
            (FieldDrift(role, "serviceAccount:a", None), FieldDrift(role, None, "user:eve")),
        ),
    ]


def test_the_airflow_environment() -> None:
    result = {"environment": {"name": "etl"}, "action": "none", "drift": []}
    assert read_drift({"composer_result": result}) == []
    result["drift"] = [{"path": "config.x", "wanted": "1", "live": None}]
    assert read_drift({"composer_result": result}) == [
        Drift("Airflow environment", "etl", DIFFERS, (FieldDrift("config.x", "1", None),))
    ]
    result |= {"action": "create", "drift": []}
    assert read_drift({"composer_result": result}) == [Drift("Airflow environment", "etl", MISSING)]


def test_the_metadata_of_airflow() -> None:
    def change(kind: str, name: str, action: str) -> dict[str, Any]:
        return {"kind": kind, "name": name, "action": action, "adopted": False}

    def sides(before: Any, after: Any) -> dict[str, Any]:
        return {"before_header": "x", "after_header": "x", "before": before, "after": after}

    result = {
        "results": [
            change("variables", "v", "update"),
            change("connections", "c", "create"),
            change("pools", "p", "delete"),
        ],
        "diff": [
            sides({"value": {"a": 1}}, {"value": {"a": 2}}),
            sides({}, {"conn_type": "http"}),
            sides({"slots": 1}, {}),
            sides({"pools": []}, {"pools": ["p"]}),
        ],
    }
    assert read_drift({"composer_variables_result": result}) == [
        Drift("variable of Airflow", "v", DIFFERS, (FieldDrift("value.a", 2, 1),)),
        Drift("connection of Airflow", "c", MISSING),
        Drift("pool of Airflow", "p", UNLISTED),
        # What is noted as ours was changed by hand, too.
        Drift("variable of Airflow", "dataplatform_managed", DIFFERS, (FieldDrift("pools", ["p"], []),)),
    ]


@pytest.mark.parametrize(
    ("action", "live", "expected"),
    [
        ("none", "b", []),
        ("verify_again", "b", []),
        ("release", "", [Drift("DAG release", "growth", MISSING)]),
        ("release", "a", [Drift("DAG release", "growth", DIFFERS, (FieldDrift("release", "b", "a"),))]),
        (
            "release",
            "b",
            [
                Drift(
                    "DAG release",
                    "growth",
                    DIFFERS,
                    (FieldDrift("content", "that of release b", "changed by somebody"),),
                )
            ],
        ),
        ("verify", "b", [Drift("DAG release", "growth", DIFFERS, (FieldDrift("seen in Airflow", "yes", "no"),))]),
    ],
)
def test_dag_releases(action: str, live: str, expected: list[Drift]) -> None:
    result = {"releases": {"growth": {"release": "b", "action": action, "live": live}}, "unlisted": {}}
    assert read_drift({"dag_release_result": result}) == expected
    result["unlisted"] = {"gone": "gs://b/dags/dataplatform-gone.zip"}
    assert read_drift({"dag_release_result": result}) == [*expected, Drift("DAG release", "gone", UNLISTED)]


@pytest.mark.parametrize("result", [None, {}, {"failed": True, "msg": "x"}, {"skipped": True, "changed": False}])
def test_what_was_not_looked_at_says_nothing(result: Any) -> None:
    for name in drift.READERS:
        assert read_drift({name: result}) == []
