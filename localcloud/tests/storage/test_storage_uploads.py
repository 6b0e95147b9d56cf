"""Uploads: media, multipart and resumable; checksums; races; what is left when one fails."""

from __future__ import annotations

import asyncio
import json

import pytest

UPLOAD = "/upload/storage/v1/b/shelf/o"
CHUNK = 256 << 10


def start(client, name="a", **query):
    """Begin a resumable upload; returns the path of its session."""
    body = query.pop("body", {})
    answer = client.call("POST", UPLOAD, body, uploadType="resumable", name=name, **query)
    assert answer.status == 200, answer.body
    location = answer.headers["location"]
    assert location.startswith("https://storage.googleapis.com/upload/storage/v1/b/shelf/o?")
    return location.removeprefix("https://storage.googleapis.com")


def put(client, session, content, content_range=None):
    headers = {"content-range": content_range} if content_range else {}
    return client.call("PUT", session, content, headers=headers)


def test_media_uploads_take_name_and_type_from_the_request(shelf):
    answer = shelf.upload("a", b"content", content_type="text/csv", contentEncoding="gzip")
    assert (answer.json["contentType"], answer.json["contentEncoding"], answer.json["size"]) == (
        "text/csv",
        "gzip",
        "7",
    )


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("piece", [None, 50_000])
def test_multipart_uploads_of_any_size_arrive_unchanged(shelf, size, piece):
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    body = b'--==\n\n{"name": "a", "metadata": {"k": "v"}}\n--==\ncontent-type: text/x\n\n' + content + b"\n--==--"
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)] if piece else [body]
    headers = {"content-type": "multipart/related; boundary='=='", "content-length": str(len(body))}
    answer = asyncio.run(shelf.send("POST", UPLOAD, headers=headers, pieces=pieces, uploadType="multipart"))
    assert answer.status == 200, answer.body
    assert (answer.json["size"], answer.json["contentType"]) == (str(size), "text/x")
    assert answer.json["metadata"] == {"k": "v"}
    assert shelf.object("a", alt="media").body == content


def test_a_multipart_upload_cut_off_leaves_nothing(shelf):
    body = b'--b\n\n{"name": "a"}\n--b\n\n' + b"x" * 200_000
    headers = {"content-type": "multipart/related; boundary=b"}
    assert shelf.call("POST", UPLOAD, body, headers=headers, uploadType="multipart").status == 400
    assert shelf.names() == []
    assert shelf.files() == []


def test_a_client_that_goes_away_leaves_nothing(shelf):
    pieces = [b"x" * 200_000, None]
    assert asyncio.run(shelf.send("POST", UPLOAD, pieces=pieces, uploadType="media", name="a")).status == 499
    assert shelf.names() == []
    assert shelf.files() == []


@pytest.mark.parametrize("field", ["md5Hash", "crc32c"])
@pytest.mark.parametrize("size", [5, 200_000])
def test_a_wrong_checksum_is_refused_and_leaves_nothing(shelf, field, size):
    right = shelf.upload("right", b"x" * size).json
    files = shelf.files()
    answer = shelf.multipart({"name": "wrong", field: right[field]}, b"y" * size)
    assert (answer.status, answer.reason) == (400, "invalid")
    assert right[field] in answer.json["error"]["message"]
    assert shelf.names() == ["right"]
    assert shelf.files() == files
    assert shelf.multipart({"name": "right", field: right[field]}, b"x" * size).status == 200


def test_uploads_need_a_name_a_type_and_a_bucket(shelf):
    assert shelf.multipart({}, b"x").json["error"]["message"] == "Required parameter: name"
    assert shelf.call("POST", UPLOAD, b"x", name="a", uploadType="telepathy").status == 400
    assert shelf.call("POST", UPLOAD, b"x", name="a").status == 400
    assert shelf.upload("a", bucket="gone").json["error"]["message"] == "The specified bucket does not exist."
    assert shelf.multipart({"name": "a", "metadata": [1]}, b"x").status == 400
    assert shelf.multipart({"name": "a", "storageClass": "FAST"}, b"x" * 100_000).status == 400
    assert shelf.files() == []


def test_a_generation_of_zero_means_no_such_object(shelf):
    assert shelf.upload("a", b"one", ifGenerationMatch=0).status == 200
    failed = shelf.upload("a", b"two", ifGenerationMatch=0)
    assert (failed.status, failed.reason) == (412, "conditionNotMet")
    assert shelf.object("a", alt="media").body == b"one"


def test_of_two_racing_uploads_exactly_one_wins(shelf):
    async def race():
        halves = [[bytes([byte]) * 100_000, bytes([byte]) * 100_000] for byte in b"abcdefgh"]
        return await asyncio.gather(
            *[
                shelf.send("POST", UPLOAD, pieces=two, uploadType="media", name="a", ifGenerationMatch=0)
                for two in halves
            ]
        )

    answers = asyncio.run(race())
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    winner = next(answer for answer in answers if answer.status == 200)
    assert shelf.object("a").json == winner.json
    assert len(set(shelf.object("a", alt="media").body)) == 1
    assert len(shelf.files()) == 1


@pytest.mark.parametrize("size", [10, 3 * CHUNK, 3 * CHUNK + 17])
def test_a_resumable_upload_in_chunks(shelf, size):
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    session = start(shelf, body={"metadata": {"k": "v"}, "contentType": "text/x"})
    offset = 0
    while size - offset > CHUNK:
        answer = put(shelf, session, content[offset : offset + CHUNK], f"bytes {offset}-{offset + CHUNK - 1}/*")
        offset += CHUNK
        assert (answer.status, answer.headers["range"]) == (308, f"bytes=0-{offset - 1}")
    assert shelf.names() == []
    final = put(shelf, session, content[offset:], f"bytes {offset}-{size - 1}/{size}")
    assert final.status == 200
    assert (final.json["size"], final.json["metadata"], final.json["contentType"]) == (str(size), {"k": "v"}, "text/x")
    assert shelf.object("a", alt="media").body == content
    assert not [file for file in shelf.files() if file.startswith("incoming")]
    # Whoever missed the final answer asks again and gets it.
    assert put(shelf, session, b"", f"bytes */{size}").json == final.json


def test_a_resumable_upload_in_one_request(shelf):
    assert put(shelf, start(shelf), b"x" * 100_000).json["size"] == "100000"
    assert put(shelf, start(shelf, "empty"), b"").json["size"] == "0"
    assert put(shelf, start(shelf, "empty2"), b"", "bytes */0").json["size"] == "0"


def test_a_resumable_upload_goes_on_after_a_lost_connection_and_a_killed_server(shelf):
    content = bytes(range(256)) * 4096
    session = start(shelf)
    assert put(shelf, session, b"", "bytes */*").headers.get("range") is None
    headers = {"content-range": f"bytes 0-{len(content) - 1}/{len(content)}"}
    lost = asyncio.run(shelf.send("PUT", session, headers=headers, pieces=[content[:300_000], None]))
    assert lost.status == 499
    shelf.restart()
    status = put(shelf, session, b"", f"bytes */{len(content)}")
    assert (status.status, status.headers["range"]) == (308, "bytes=0-299999")
    # The client may also send again what is there already.
    final = put(shelf, session, content[200_000:], f"bytes 200000-{len(content) - 1}/{len(content)}")
    assert final.status == 200
    assert shelf.object("a", alt="media").body == content
    assert final.json["md5Hash"] == shelf.upload("again", content).json["md5Hash"]


def test_a_gap_and_a_small_chunk_are_refused_and_change_nothing(shelf):
    session = start(shelf)
    put(shelf, session, b"x" * CHUNK, f"bytes 0-{CHUNK - 1}/*")
    gap = put(shelf, session, b"x" * CHUNK, f"bytes {2 * CHUNK}-{3 * CHUNK - 1}/*")
    assert (gap.status, str(2 * CHUNK) in gap.json["error"]["message"]) == (400, True)
    small = put(shelf, session, b"y" * 10, f"bytes {CHUNK}-{CHUNK + 9}/*")
    assert small.status == 400
    assert put(shelf, session, b"", "bytes */*").headers["range"] == f"bytes=0-{CHUNK - 1}"
    final = put(shelf, session, b"z", f"bytes {CHUNK}-{CHUNK}/{CHUNK + 1}")
    assert final.status == 200
    assert shelf.object("a", alt="media").body == b"x" * CHUNK + b"z"


def test_cancelling_a_resumable_upload(shelf):
    session = start(shelf)
    put(shelf, session, b"x" * CHUNK, f"bytes 0-{CHUNK - 1}/*")
    assert shelf.call("DELETE", session).status == 499
    assert put(shelf, session, b"", "bytes */*").status == 404
    assert shelf.files() == []


def test_preconditions_of_a_resumable_upload_hold_at_its_end_too(shelf):
    session = start(shelf, ifGenerationMatch=0)
    shelf.upload("a", b"faster")
    assert put(shelf, session, b"slower").status == 412
    assert shelf.object("a", alt="media").body == b"faster"
    answer = shelf.call("POST", UPLOAD, {}, uploadType="resumable", name="a", ifGenerationMatch=0)
    assert answer.status == 412


def test_a_wrong_checksum_ends_a_resumable_upload(shelf):
    session = start(shelf, body={"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert put(shelf, session, b"x" * 100_000).status == 400
    assert shelf.files() == []
    assert put(shelf, session, b"", "bytes */*").status == 404


def test_an_insert_without_media_creates_an_empty_object(shelf):
    assert shelf.call("POST", "/storage/v1/b/shelf/o", {"name": "folder/"}).json["size"] == "0"


def test_batches_answer_each_part_under_its_id(shelf):
    for name in ("a", "b c"):
        shelf.upload(name)
    parts = [
        ("DELETE", "/storage/v1/b/shelf/o/a", ""),
        ("PATCH", "/storage/v1/b/shelf/o/b%20c?fields=metadata", json.dumps({"metadata": {"k": "v"}})),
        ("GET", "https://storage.googleapis.com/storage/v1/b/shelf/o/none", ""),
    ]
    body = "".join(
        f"--==\r\nContent-Type: application/http\r\nContent-ID: <id+{number}>\r\n\r\n"
        f"{method} {target} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{content}\r\n"
        for number, (method, target, content) in enumerate(parts)
    )
    headers = {"content-type": 'multipart/mixed; boundary="=="'}
    answer = shelf.call("POST", "/batch/storage/v1", f"{body}--==--".encode(), headers=headers)
    assert answer.status == 200
    from localcloud.multipart import split_mixed

    found = split_mixed(answer.body, answer.headers["content-type"])
    assert [part.headers["content-id"] for part in found] == [f"<response-id+{number}>" for number in range(3)]
    assert [part.content.split()[1] for part in found] == [b"204", b"200", b"404"]
    assert found[1].content.endswith(b'{"metadata":{"k":"v"}}')
    assert shelf.names() == ["b c"]
