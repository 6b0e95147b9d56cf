"""Copy, rewrite, move and compose."""

from __future__ import annotations

OBJECTS = "/storage/v1/b/shelf/o"


def test_a_copy_has_content_and_metadata_but_its_own_generation(shelf):
    shelf.bucket("other")
    source = shelf.multipart({"name": "a b", "metadata": {"k": "v"}, "contentType": "text/x"}, b"x" * 100_000).json
    copy = shelf.call("POST", f"{OBJECTS}/a%20b/copyTo/b/other/o/c%2Fd").json
    assert (copy["bucket"], copy["name"]) == ("other", "c/d")
    assert copy["generation"] > source["generation"]
    for field in ("md5Hash", "crc32c", "size", "metadata", "contentType"):
        assert copy[field] == source[field]
    assert len(shelf.files()) == 1
    shelf.call("DELETE", f"{OBJECTS}/a%20b")
    assert shelf.object("c/d", bucket="other", alt="media").body == b"x" * 100_000
    shelf.call("DELETE", "/storage/v1/b/other/o/c%2Fd")
    assert shelf.files() == []


def test_a_body_replaces_the_metadata_of_a_copy(shelf):
    shelf.multipart({"name": "a", "metadata": {"k": "v"}, "contentType": "text/x"}, b"x")
    copy = shelf.call(
        "POST", f"{OBJECTS}/a/copyTo/b/shelf/o/b", {"metadata": {"n": "w"}, "storageClass": "NEARLINE"}
    ).json
    assert (copy["metadata"], copy["contentType"], copy["storageClass"]) == ({"n": "w"}, "text/x", "NEARLINE")


def test_preconditions_on_both_ends_of_a_copy(shelf):
    generation = shelf.upload("a").json["generation"]
    shelf.upload("b")
    path = f"{OBJECTS}/a/copyTo/b/shelf/o/b"
    assert shelf.call("POST", path, ifGenerationMatch=0).status == 412
    assert shelf.call("POST", path, ifSourceGenerationMatch=1).status == 412
    assert shelf.call("POST", path, ifSourceGenerationMatch=generation).status == 200
    assert shelf.call("POST", f"{OBJECTS}/none/copyTo/b/shelf/o/b").status == 404
    assert shelf.call("POST", f"{OBJECTS}/a/copyTo/b/gone/o/b").status == 404


def test_rewriting_in_one_call_and_in_several(shelf):
    shelf.upload("a", b"x" * (5 << 19))
    done = shelf.call("POST", f"{OBJECTS}/a/rewriteTo/b/shelf/o/b").json
    assert (done["kind"], done["done"], done["totalBytesRewritten"]) == ("storage#rewriteResponse", True, str(5 << 19))
    assert done["resource"]["name"] == "b"
    answers, token = [], {}
    while True:
        answer = shelf.call(
            "POST", f"{OBJECTS}/a/rewriteTo/b/shelf/o/c", maxBytesRewrittenPerCall=1 << 20, **token
        ).json
        answers.append((answer["done"], answer["totalBytesRewritten"]))
        if answer["done"]:
            break
        assert shelf.object("c").status == 404
        token = {"rewriteToken": answer["rewriteToken"]}
    assert answers == [(False, str(1 << 20)), (False, str(2 << 20)), (True, str(5 << 19))]
    assert shelf.call("POST", f"{OBJECTS}/b/rewriteTo/b/shelf/o/d", **token).status == 400


def test_moving_leaves_one_object(shelf):
    shelf.upload("a", b"x")
    assert shelf.call("POST", f"{OBJECTS}/a/moveTo/o/b").json["name"] == "b"
    assert shelf.names() == ["b"]


def test_composing(shelf):
    shelf.upload("a", b"a" * 100_000)
    generation = shelf.upload("b", b"b").json["generation"]
    body = {
        "sourceObjects": [{"name": "a"}, {"name": "b", "generation": generation}],
        "destination": {"contentType": "text/z"},
    }
    composed = shelf.call("POST", f"{OBJECTS}/c/compose", body).json
    assert (composed["size"], composed["componentCount"], composed["contentType"]) == ("100001", 2, "text/z")
    assert "md5Hash" not in composed
    assert shelf.object("c", alt="media").body == b"a" * 100_000 + b"b"
    again = shelf.call("POST", f"{OBJECTS}/c/compose", {"sourceObjects": [{"name": "c"}, {"name": "b"}]}).json
    assert (again["size"], again["componentCount"]) == ("100002", 3)


def test_composing_nothing_too_much_or_the_missing_is_refused(shelf):
    shelf.upload("b", b"b")
    path = f"{OBJECTS}/c/compose"
    assert shelf.call("POST", path, {}).status == 400
    assert shelf.call("POST", path, {"sourceObjects": [{"name": "b"}] * 33}).status == 400
    assert shelf.call("POST", path, {"sourceObjects": [{}]}).status == 400
    assert shelf.call("POST", path, {"sourceObjects": [{"name": "none"}]}).status == 404
    wrong = {"name": "b", "objectPreconditions": {"ifGenerationMatch": "1"}}
    assert shelf.call("POST", path, {"sourceObjects": [wrong]}).status == 412
    assert shelf.call("POST", path, {"sourceObjects": [{"name": "b"}]}, ifGenerationMatch=5).status == 412
    assert shelf.names() == ["b"]
