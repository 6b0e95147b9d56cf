"""Buckets: defaults, changes, refusals, policies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RECORDED = json.loads((Path(__file__).parent.parent / "fixtures/storage/bucket_lifecycle.json").read_text())
PROJECT = {"project": "local-project"}


def agrees(actual, expected, path="$"):
    """Return where two JSON values differ; "*" stands for any text, and keys have to be exactly the same."""
    if expected == "*":
        return [] if isinstance(actual, str) and actual else [path]
    if isinstance(expected, dict) and isinstance(actual, dict):
        missing = [f"{path}.{key}" for key in expected.keys() ^ actual.keys()]
        return missing + [
            problem
            for key in expected.keys() & actual.keys()
            for problem in agrees(actual[key], expected[key], f"{path}.{key}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(actual) == len(expected):
        return [p for i, (a, e) in enumerate(zip(actual, expected, strict=True)) for p in agrees(a, e, f"{path}[{i}]")]
    return [] if actual == expected else [f"{path}: {actual!r}, expected {expected!r}"]


def test_create_get_and_patch_answer_what_google_answered(storage):
    missing = storage.call("GET", "/storage/v1/b/fidelity-shelf")
    assert missing.status == 404
    assert missing.json == RECORDED["not_found"]

    created = storage.call("POST", "/storage/v1/b", RECORDED["create"]["request"], **PROJECT)
    assert created.status == 200
    assert agrees(created.json, RECORDED["create"]["answer"]) == []
    assert storage.call("GET", "/storage/v1/b/fidelity-shelf").json == created.json

    patched = storage.call("PATCH", "/storage/v1/b/fidelity-shelf", RECORDED["patch"]["request"])
    assert agrees(patched.json, RECORDED["patch"]["answer"]) == []
    lists = ("acl", "defaultObjectAcl", "owner")
    read = storage.call("GET", "/storage/v1/b/fidelity-shelf").json
    assert read == {key: value for key, value in patched.json.items() if key not in lists}

    assert storage.call("GET", "/storage/v1/b/fidelity-shelf/o", versions="true").json == RECORDED["empty_listing"]
    deleted = storage.call("DELETE", "/storage/v1/b/fidelity-shelf")
    assert (deleted.status, deleted.body) == (204, b"")
    assert storage.call("GET", "/storage/v1/b/fidelity-shelf").status == 404


def test_a_bucket_that_says_nothing_gets_the_defaults(storage):
    bucket = storage.bucket("plain")
    assert bucket["location"] == "US"
    assert bucket["storageClass"] == "STANDARD"
    assert bucket["softDeletePolicy"]["retentionDurationSeconds"] == "604800"
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "inherited"


@pytest.mark.parametrize(
    ("location", "kind", "rpo"),
    [("europe-west1", "region", None), ("eur4", "dual-region", "DEFAULT"), ("eu", "multi-region", "DEFAULT")],
)
def test_the_location_decides_its_type(storage, location, kind, rpo):
    bucket = storage.bucket("placed", location=location)
    assert (bucket["location"], bucket["locationType"], bucket.get("rpo")) == (location.upper(), kind, rpo)


def test_uniform_access_is_locked_in_90_days_and_has_no_lists(storage):
    bucket = storage.bucket("uniform", iamConfiguration={"uniformBucketLevelAccess": {"enabled": True}})
    access = bucket["iamConfiguration"]["uniformBucketLevelAccess"]
    assert access == {"enabled": True, "lockedTime": "2026-06-02T05:06:07.089Z"}
    assert bucket["iamConfiguration"]["bucketPolicyOnly"] == access
    assert "acl" not in storage.call("GET", "/storage/v1/b/uniform", projection="full").json
    refused = storage.call("GET", "/storage/v1/b/uniform/acl")
    assert refused.status == 400
    assert "uniform bucket-level access" in refused.json["error"]["message"]


def test_fields_that_are_no_settings_are_ignored(storage):
    bucket = storage.bucket("lenient", project="other", metageneration="77", unheard_of=1)
    assert bucket["metageneration"] == "1"
    assert "unheard_of" not in bucket and "project" not in bucket


@pytest.mark.parametrize(
    "name", ["UPPER", "ab", "-dash", "goog-like", "my-google-bucket", "192.168.5.4", "a" * 64, "with space", "a..b", ""]
)
def test_invalid_names_are_refused_by_name(storage, name):
    answer = storage.call("POST", "/storage/v1/b", {"name": name}, **PROJECT)
    assert answer.status == 400
    assert name in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"labels": ["x"]}, "labels"),
        ({"labels": {"Team": "x"}}, "labels.Team"),
        ({"labels": {"team": "Not Valid"}}, "Not Valid"),
        ({"storageClass": "FAST"}, "FAST"),
        ({"location": "atlantis"}, "location"),
        ({"versioning": {"enabled": "yes"}}, "versioning.enabled"),
        ({"softDeletePolicy": {"retentionDurationSeconds": "60"}}, "60"),
        ({"softDeletePolicy": {"retentionDurationSeconds": "week"}}, "week"),
        ({"lifecycle": {"rule": [{"action": {"type": "Delete"}}]}}, "condition"),
        ({"lifecycle": {"rule": [{"condition": {"age": 1}}]}}, "action"),
        ({"encryption": {"defaultKmsKeyName": "my-key"}}, "my-key"),
        ({"iamConfiguration": {"publicAccessPrevention": "strict"}}, "strict"),
    ],
)
def test_wrong_settings_are_refused_and_nothing_is_created(storage, settings, named):
    answer = storage.call("POST", "/storage/v1/b", {"name": "wrong", **settings}, **PROJECT)
    assert answer.status == 400
    assert named in answer.json["error"]["message"]
    assert storage.call("GET", "/storage/v1/b/wrong").status == 404


def test_creating_twice_is_a_conflict_in_googles_words(shelf):
    answer = shelf.call("POST", "/storage/v1/b", {"name": "shelf"}, **PROJECT)
    assert (answer.status, answer.reason) == (409, "conflict")
    assert answer.json["error"]["message"].startswith("Your previous request to create the named bucket succeeded")


def test_a_bucket_with_objects_or_old_versions_cannot_be_deleted(shelf):
    shelf.call("PATCH", "/storage/v1/b/shelf", {"versioning": {"enabled": True}})
    shelf.upload("book")
    for _ in range(2):
        answer = shelf.call("DELETE", "/storage/v1/b/shelf")
        assert (answer.status, answer.reason) == (409, "conflict")
        shelf.call("DELETE", "/storage/v1/b/shelf/o/book")
    version = shelf.call("GET", "/storage/v1/b/shelf/o", versions="true").json["items"][0]["generation"]
    assert shelf.call("DELETE", "/storage/v1/b/shelf/o/book", generation=version).status == 204
    assert shelf.call("DELETE", "/storage/v1/b/shelf").status == 204


def test_patch_removes_with_null_and_merges_labels(shelf):
    path = "/storage/v1/b/shelf"
    shelf.call("PATCH", path, {"labels": {"a": "1", "b": "2"}, "website": {"mainPageSuffix": "index.html"}})
    patched = shelf.call("PATCH", path, {"labels": {"a": None, "c": "3"}, "website": None}).json
    assert patched["labels"] == {"b": "2", "c": "3"}
    assert "website" not in patched
    assert patched["metageneration"] == "3"
    assert patched["etag"] != shelf.call("PATCH", path, {"labels": None}).json["etag"]
    assert "labels" not in shelf.call("GET", path).json


def test_update_takes_away_what_it_leaves_out(shelf):
    path = "/storage/v1/b/shelf"
    shelf.call("PATCH", path, {"labels": {"a": "1"}, "storageClass": "NEARLINE"})
    updated = shelf.call("PUT", path, {"versioning": {"enabled": True}}).json
    assert "labels" not in updated
    assert updated["storageClass"] == "NEARLINE"
    assert updated["location"] == "US"


def test_metageneration_preconditions(shelf):
    path = "/storage/v1/b/shelf"
    assert shelf.call("PATCH", path, {"labels": {"a": "1"}}, ifMetagenerationMatch=9).status == 412
    assert shelf.call("PATCH", path, {"labels": {"a": "1"}}, ifMetagenerationMatch=1).status == 200
    assert shelf.call("GET", path, ifMetagenerationNotMatch=2).status == 304
    assert shelf.call("DELETE", path, ifMetagenerationMatch=1).status == 412


def test_buckets_are_listed_per_project_in_pages(storage):
    names = [f"shelf-{number}" for number in range(5)]
    for name in reversed(names):
        storage.bucket(name)
    storage.call("POST", "/storage/v1/b", {"name": "foreign"}, project="other-project")
    found, query = [], {}
    while True:
        page = storage.call("GET", "/storage/v1/b", maxResults=2, **PROJECT, **query).json
        found += [item["name"] for item in page["items"]]
        if "nextPageToken" not in page:
            break
        query = {"pageToken": page["nextPageToken"]}
    assert found == names
    assert storage.call("GET", "/storage/v1/b", prefix="shelf-3", **PROJECT).json["items"][0]["name"] == "shelf-3"
    assert storage.call("GET", "/storage/v1/b", project="empty-project").json == {"kind": "storage#buckets"}
    assert storage.call("GET", "/storage/v1/b").status == 400


def test_iam_policies_are_kept_and_protected_by_their_etag(shelf):
    path = "/storage/v1/b/shelf/iam"
    policy = shelf.call("GET", path).json
    assert policy["bindings"][0]["members"] == ["projectEditor:local-project", "projectOwner:local-project"]
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": ["user:ada@example.com"]})
    changed = shelf.call("PUT", path, policy)
    assert changed.json["bindings"] == policy["bindings"]
    assert shelf.call("GET", path).json == changed.json
    assert shelf.call("PUT", path, policy).status == 412
    answer = shelf.call("GET", f"{path}/testPermissions", permissions=["storage.objects.get", "storage.objects.list"])
    assert answer.json["permissions"] == ["storage.objects.get", "storage.objects.list"]


def test_access_control_lists_can_be_changed(shelf):
    path = "/storage/v1/b/shelf/acl"
    added = shelf.call("POST", path, {"entity": "user-ada@example.com", "role": "READER"})
    assert added.json["email"] == "ada@example.com"
    assert len(shelf.call("GET", path).json["items"]) == 4
    assert shelf.call("PATCH", f"{path}/user-ada@example.com", {"role": "WRITER"}).json["role"] == "WRITER"
    assert shelf.call("POST", path, {"entity": "allUsers", "role": "ADMIN"}).status == 400
    assert shelf.call("DELETE", f"{path}/user-ada@example.com").status == 204
    assert shelf.call("GET", f"{path}/user-ada@example.com").status == 404


def test_a_locked_retention_policy_cannot_be_shortened(shelf):
    path = "/storage/v1/b/shelf"
    shelf.call("PATCH", path, {"retentionPolicy": {"retentionPeriod": "100"}})
    assert shelf.call("POST", f"{path}/lockRetentionPolicy", ifMetagenerationMatch=2).json["retentionPolicy"][
        "isLocked"
    ]
    assert shelf.call("PATCH", path, {"retentionPolicy": {"retentionPeriod": "10"}}).status == 403
    assert shelf.call("PATCH", path, {"retentionPolicy": None}).status == 403
    assert shelf.call("PATCH", path, {"retentionPolicy": {"retentionPeriod": "200"}}).status == 200


def test_storage_layout_and_notifications(shelf):
    layout = shelf.call("GET", "/storage/v1/b/shelf/storageLayout").json
    assert layout["hierarchicalNamespace"] == {"enabled": False}
    path = "/storage/v1/b/shelf/notificationConfigs"
    made = shelf.call("POST", path, {"topic": "//pubsub.googleapis.com/projects/p/topics/t", "payload_format": "NONE"})
    assert shelf.call("GET", path).json["items"] == [made.json]
    assert shelf.call("DELETE", f"{path}/{made.json['id']}").status == 204
    assert shelf.call("GET", f"{path}/{made.json['id']}").status == 404


def test_buckets_survive_a_restart(shelf):
    before = shelf.call("GET", "/storage/v1/b/shelf").json
    shelf.restart()
    assert shelf.call("GET", "/storage/v1/b/shelf").json == before


def test_ensure_bucket_creates_once(storage):
    storage.service.ensure_bucket("staging", "local-project", "europe-west1")
    storage.service.ensure_bucket("staging", "local-project", "us")
    assert storage.call("GET", "/storage/v1/b/staging").json["location"] == "EUROPE-WEST1"
