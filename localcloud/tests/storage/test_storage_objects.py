"""Objects: reading, ranges, metadata, deletion, versions, soft deletion, holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

KEY = "projects/p/locations/eu/keyRings/r/cryptoKeys/k"


def object_path(name):
    """Return the path of an object, its name in one escaped segment."""
    return f"/storage/v1/b/shelf/o/{quote(name, safe='')}"


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        "with space/and more",
        "quotes '\" inside",
        "ünïcode/日本/🎻",
        "hash#question?percent%2Fplus+&=",
        "/leading/slash",
        "trailing/",
        "a//b",
        "o/b/o/acl",
        "x" * 1024,
        "ü" * 512,
    ],
)
def test_any_legal_name_works_everywhere(shelf, name):
    uploaded = shelf.multipart({"name": name}, b"content")
    assert uploaded.status == 200
    assert shelf.object(name).json == uploaded.json
    assert shelf.object(name, alt="media").body == b"content"
    assert shelf.names() == [name]
    assert shelf.call("PATCH", object_path(name), {"metadata": {"a": "b"}}).json["name"] == name
    assert shelf.call("DELETE", object_path(name)).status == 204
    assert shelf.names() == []


@pytest.mark.parametrize("name", ["x" * 1025, "ü" * 513, "a\nb", "a\rb", ".", ".."])
def test_illegal_names_are_refused(shelf, name):
    assert shelf.multipart({"name": name}, b"content").status == 400
    assert shelf.names() == []


def test_a_path_that_is_no_utf8_is_refused(shelf):
    assert shelf.call("GET", "/storage/v1/b/shelf/o/%FF").status == 400


def test_an_object_has_exactly_googles_fields(shelf):
    resource = shelf.upload("a/b").json
    assert sorted(resource) == [
        "bucket",
        "contentType",
        "crc32c",
        "etag",
        "generation",
        "id",
        "kind",
        "md5Hash",
        "mediaLink",
        "metageneration",
        "name",
        "selfLink",
        "size",
        "storageClass",
        "timeCreated",
        "timeFinalized",
        "timeStorageClassUpdated",
        "updated",
    ]
    assert resource["id"] == f"shelf/a/b/{resource['generation']}"
    assert resource["selfLink"] == "https://www.googleapis.com/storage/v1/b/shelf/o/a%2Fb"
    assert resource["mediaLink"].startswith(
        "https://storage.googleapis.com/download/storage/v1/b/shelf/o/a%2Fb?generation="
    )
    assert resource["timeCreated"] == "2026-03-04T05:06:07.089Z"


def test_missing_objects_and_buckets_are_told_apart_in_googles_words(shelf):
    missing = shelf.object("nope")
    assert (missing.status, missing.reason) == (404, "notFound")
    assert missing.json["error"]["message"] == "No such object: shelf/nope"
    assert shelf.object("nope", bucket="gone").json["error"]["message"] == "The specified bucket does not exist."
    media = shelf.object("nope", alt="media")
    assert (media.status, media.body) == (404, b"No such object: shelf/nope")


@pytest.mark.parametrize("size", [100, 200_000])
def test_downloads_and_their_headers(shelf, size):
    content = bytes(range(256)) * (size // 256 + 1)
    uploaded = shelf.upload("data", content, content_type="application/x-data").json
    for path in ("/download/storage/v1/b/shelf/o/data", "/storage/v1/b/shelf/o/data"):
        answer = shelf.call("GET", path, alt="media")
        assert (answer.status, answer.body) == (200, content)
        assert answer.headers["content-type"] == "application/x-data"
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["x-goog-generation"] == uploaded["generation"]
        assert answer.headers["x-goog-hash"] == f"crc32c={uploaded['crc32c']},md5={uploaded['md5Hash']}"
        assert answer.headers["etag"] == uploaded["etag"]
    part = shelf.call("GET", "/download/storage/v1/b/shelf/o/data", headers={"range": "bytes=10-19"}, alt="media")
    assert (part.status, part.body) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    tail = shelf.call("GET", "/download/storage/v1/b/shelf/o/data", headers={"range": "bytes=-5"}, alt="media")
    assert (tail.status, tail.body) == (206, content[-5:])
    behind = shelf.call("GET", "/download/storage/v1/b/shelf/o/data", headers={"range": "bytes=999999-"}, alt="media")
    assert (behind.status, behind.headers["content-range"]) == (416, f"bytes */{len(content)}")


def test_a_download_goes_on_when_its_object_is_deleted_meanwhile(shelf):
    content = b"x" * 1_000_000
    shelf.upload("data", content)
    row = shelf.service.parts.catalog.object("shelf", "data")
    chunks = shelf.service.parts.contents.open(row.content, row.size).chunks()
    first = next(chunks)
    shelf.call("DELETE", object_path("data"))
    assert shelf.files() == []
    assert first + b"".join(chunks) == content


def test_reading_under_preconditions(shelf):
    generation = shelf.upload("a").json["generation"]
    assert shelf.object("a", ifGenerationMatch=generation).status == 200
    failed = shelf.object("a", ifGenerationMatch=1)
    assert (failed.status, failed.reason) == (412, "conditionNotMet")
    assert failed.json["error"]["errors"][0]["location"] == "If-Match"
    unchanged = shelf.object("a", ifGenerationNotMatch=generation)
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert shelf.object("a", ifMetagenerationNotMatch=1, alt="media").status == 304


def test_patch_and_update_of_metadata(shelf):
    shelf.multipart({"name": "a", "metadata": {"one": "1", "two": "2"}, "cacheControl": "no-store"}, b"x")
    patched = shelf.call(
        "PATCH", object_path("a"), {"metadata": {"two": None, "three": "3"}, "contentType": "text/html"}
    )
    assert patched.json["metadata"] == {"one": "1", "three": "3"}
    assert (patched.json["metageneration"], patched.json["contentType"]) == ("2", "text/html")
    updated = shelf.call(
        "PUT", object_path("a"), {"contentType": "text/css", "customTime": "2026-01-02T03:04:05Z"}
    ).json
    assert "metadata" not in updated and "cacheControl" not in updated
    assert updated["customTime"] == "2026-01-02T03:04:05Z"
    assert updated["generation"] == patched.json["generation"]
    assert updated["etag"] != patched.json["etag"]
    assert shelf.call("PATCH", object_path("a"), {"metadata": {"n": 5}}).status == 400
    assert shelf.call("PATCH", object_path("a"), {"customTime": "yesterday"}).status == 400
    assert shelf.call("PATCH", object_path("a"), {}, ifMetagenerationMatch=1).status == 412
    assert shelf.object("a").json["metageneration"] == "3"


def test_fields_reduce_an_answer(shelf):
    shelf.upload("a", b"xy")
    assert shelf.object("a", fields="name,size").json == {"name": "a", "size": "2"}


def test_the_full_projection_adds_owner_and_list_without_uniform_access(shelf):
    shelf.upload("a")
    full = shelf.object("a", projection="full").json
    assert full["owner"] == {"entity": "user-localcloud@local-project.iam.gserviceaccount.com"}
    assert [entry["role"] for entry in full["acl"]] == ["OWNER", "OWNER", "READER", "OWNER"]
    assert "acl" not in shelf.object("a").json
    public = shelf.call("PATCH", object_path("a"), {}, predefinedAcl="publicRead").json
    assert {"entity": "allUsers", "role": "READER"}.items() <= public["acl"][-1].items()


def test_deleting(shelf):
    generation = int(shelf.upload("a").json["generation"])
    assert shelf.call("DELETE", object_path("a"), ifGenerationMatch=generation + 1).status == 412
    assert shelf.call("DELETE", object_path("a"), ifGenerationMatch=generation).status == 204
    assert shelf.call("DELETE", object_path("a")).status == 404


def test_content_goes_when_it_is_replaced_or_deleted(shelf):
    large = b"x" * 100_000
    shelf.upload("a", large)
    assert len(shelf.files()) == 1
    shelf.upload("a", large + b"y")
    assert len(shelf.files()) == 1
    shelf.upload("a", b"small")
    assert shelf.files() == []
    shelf.call("DELETE", object_path("a"))
    assert shelf.store.connection.execute("SELECT count(*) FROM storage_contents").fetchone() == (0,)


def test_a_versioned_bucket_keeps_what_is_replaced_and_deleted(storage):
    storage.bucket("shelf", versioning={"enabled": True})
    first = storage.upload("a", b"one").json["generation"]
    second = storage.upload("a", b"two").json["generation"]
    assert int(first) < int(second)
    storage.call("DELETE", object_path("a"))
    assert storage.object("a").status == 404
    assert storage.object("a", generation=first, alt="media").body == b"one"
    listed = storage.call("GET", "/storage/v1/b/shelf/o", versions="true").json["items"]
    assert [item["generation"] for item in listed] == [first, second]
    assert all("timeDeleted" in item for item in listed)
    assert storage.names() == []
    assert storage.call("DELETE", object_path("a"), generation=first).status == 204
    assert storage.object("a", generation=first).status == 404


def test_soft_deleted_objects_come_back_until_their_time_is_over(storage):
    storage.bucket("shelf", softDeletePolicy={"retentionDurationSeconds": "604800"})
    generation = storage.upload("a", b"precious").json["generation"]
    storage.call("DELETE", object_path("a"))
    assert storage.object("a").status == 404
    listed = storage.call("GET", "/storage/v1/b/shelf/o", softDeleted="true").json["items"]
    assert [item["generation"] for item in listed] == [generation]
    assert listed[0]["hardDeleteTime"] == "2026-03-11T05:06:07.089Z"
    restored = storage.call("POST", f"{object_path('a')}/restore", generation=generation)
    assert restored.status == 200
    assert int(restored.json["generation"]) > int(generation)
    assert storage.object("a", alt="media").body == b"precious"

    storage.call("DELETE", object_path("a"))
    storage.now += timedelta(days=8)
    assert "items" not in storage.call("GET", "/storage/v1/b/shelf/o", softDeleted="true").json
    assert storage.store.connection.execute("SELECT count(*) FROM storage_contents").fetchone() == (0,)


@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
def test_a_hold_protects(shelf, hold):
    shelf.upload("a", b"kept")
    shelf.call("PATCH", object_path("a"), {hold: True})
    refused = shelf.call("DELETE", object_path("a"))
    assert (refused.status, "hold" in refused.json["error"]["message"]) == (403, True)
    assert shelf.upload("a", b"other").status == 403
    assert shelf.object("a", alt="media").body == b"kept"
    shelf.call("PATCH", object_path("a"), {hold: False})
    assert shelf.call("DELETE", object_path("a")).status == 204


def test_a_retention_period_protects_until_it_is_over(shelf):
    shelf.call("PATCH", "/storage/v1/b/shelf", {"retentionPolicy": {"retentionPeriod": "3600"}})
    shelf.upload("a", b"kept")
    refused = shelf.upload("a", b"other")
    assert (refused.status, refused.reason) == (403, "retentionPolicyNotMet")
    shelf.now += timedelta(hours=2)
    assert shelf.upload("a", b"other").status == 200


def test_objects_under_a_customer_managed_key_are_listed_without_hashes(storage):
    storage.bucket("shelf", encryption={"defaultKmsKeyName": KEY})
    uploaded = storage.upload("a", b"x").json
    assert uploaded["kmsKeyName"] == f"{KEY}/cryptoKeyVersions/1"
    assert uploaded["md5Hash"]
    listed = storage.call("GET", "/storage/v1/b/shelf/o").json["items"][0]
    assert "md5Hash" not in listed and "crc32c" not in listed
    assert storage.object("a").json["md5Hash"] == uploaded["md5Hash"]


def test_what_is_not_served_is_named(shelf):
    from localcloud.errors import NotServedError

    with pytest.raises(NotServedError, match="hmacKeys"):
        shelf.call("GET", "/storage/v1/projects/p/hmacKeys")


def test_other_services_read_and_write_objects(shelf):
    service = shelf.service
    service.write_object("shelf", "log", b"line", content_type="text/plain")
    assert service.object_exists("shelf", "log")
    assert not service.object_exists("shelf", "other")
    assert service.read_object("shelf", "log") == b"line"
    assert shelf.object("log").json["contentType"] == "text/plain"


def test_predefined_lists_need_a_bucket_without_uniform_access(storage):
    storage.bucket("shelf")
    public = storage.upload("a", predefinedAcl="publicRead", projection="full").json
    assert [(entry["entity"], entry["role"]) for entry in public["acl"]][-1] == ("allUsers", "READER")
    assert storage.upload("a", predefinedAcl="everybody").status == 400
    storage.bucket("uniform", iamConfiguration={"uniformBucketLevelAccess": {"enabled": True}})
    refused = storage.upload("a", b"x" * 100_000, bucket="uniform", predefinedAcl="private")
    assert refused.status == 400
    assert "uniform bucket-level access is enabled" in refused.json["error"]["message"]
    assert storage.files() == []


@pytest.mark.parametrize("field", ["contentType", "cacheControl", "contentLanguage", "contentDisposition"])
def test_metadata_that_no_header_can_carry_breaks_no_download(shelf, field):
    value = "text/\u2603\r\nX-Injected: yes"
    shelf.multipart({"name": "odd", field: value}, b"content")
    assert shelf.object("odd").json[field] == value
    answer = shelf.object("odd", alt="media")
    assert (answer.status, answer.body) == (200, b"content")
    assert all("\r" not in text and "\n" not in text for text in answer.headers.values())


def test_a_download_whose_client_is_gone_before_it_begins_leaves_no_file_open(shelf):
    shelf.upload("large", b"x" * 200_000)
    row = shelf.service.parts.catalog.object("shelf", "large")

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    readers = [shelf.service.parts.contents.open(row.content, row.size).chunks() for _ in range(5)]
    assert open_files() == before + 5
    del readers
    assert open_files() == before
