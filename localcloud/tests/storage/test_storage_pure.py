"""Parsers and rules of Cloud Storage that need no service."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localcloud.errors import ApiError
from localcloud.multipart import boundary_of, media_end, split_mixed, split_related_head
from localcloud.storage.content import Hashes
from localcloud.storage.globs import compile_glob, literal_prefix
from localcloud.storage.listing import end_of_prefix
from localcloud.storage.preconditions import ConditionNotMet, NotModified, parse_conditions
from localcloud.storage.ranges import parse_content_range, parse_range
from localcloud.storage.resources import bucket_etag, merge_metadata, object_etag


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("bytes=0-3", 10, (0, 4)),
        ("bytes=8-", 10, (8, 10)),
        ("bytes=5-99", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        (None, 10, None),
        ("bytes=-", 10, None),
        ("bytes=5-2", 10, None),
        ("bytes=0-1,4-5", 10, None),
        ("items=0-1", 10, None),
    ],
)
def test_a_range_selects_bytes_or_is_ignored(header, size, expected):
    assert parse_range(header, size) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10)])
def test_a_range_behind_the_end_is_refused(header, size):
    with pytest.raises(ApiError) as caught:
        parse_range(header, size)
    assert (caught.value.code, caught.value.headers) == (416, {"Content-Range": f"bytes */{size}"})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (0, None, None)),
        ("bytes 0-9/20", (0, 20, 10)),
        ("bytes 10-19/*", (10, None, 20)),
        ("bytes */20", (None, 20, None)),
        ("bytes */*", (None, None, None)),
        ("bytes 0-*/*", (0, None, None)),
    ],
)
def test_a_content_range_says_where_its_bytes_belong(header, expected):
    assert tuple(parse_content_range(header)) == expected


def test_a_malformed_content_range_is_refused():
    with pytest.raises(ApiError, match="bytes 5"):
        parse_content_range("bytes 5")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related; boundary====7===",
        "multipart/related; boundary='===7==='",
        'multipart/related; boundary="===7==="',
        "Multipart/Related; type=x; Boundary====7===; charset=utf-8",
    ],
)
def test_boundaries_are_read_however_they_are_quoted(content_type):
    assert boundary_of(content_type) == b"--===7==="


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/related", "multipart/related; boundary="])
def test_a_missing_boundary_is_refused(content_type):
    with pytest.raises(ApiError):
        boundary_of(content_type)


def _related(line_end: bytes, media: bytes) -> bytes:
    lines = [
        b"--b",
        b"Content-Type: application/json",
        b"",
        b'{"name": "n"}',
        b"--b",
        b"Content-Type: text/x",
        b"",
        media,
    ]
    return line_end.join(lines) + line_end + b"--b--" + line_end


@example(media=b"ends with a carriage return\r", line_end=b"\n")
@example(media=b"ends with a carriage return\r", line_end=b"\r\n")
@example(media=b"ends with a line\r\n", line_end=b"\n")
@settings(deadline=None)
@given(media=st.binary(max_size=300), line_end=st.sampled_from([b"\n", b"\r\n"]))
def test_media_survives_a_multipart_body_unchanged(media, line_end):
    # A sender chooses a boundary that is not in its content.
    if b"\n--b" in b"\n" + media:
        return
    body = _related(line_end, media)
    head = split_related_head(body, b"--b")
    assert head is not None
    tail = body[head.media_start :]
    assert head.metadata.strip() == b'{"name": "n"}'
    assert head.media_headers["content-type"] == "text/x"
    assert tail[: media_end(tail, b"--b", head.line_end)] == media


def test_a_head_that_has_not_arrived_completely_is_not_read():
    body = _related(b"\r\n", b"media")
    complete = body.index(b"media")
    assert all(split_related_head(body[:length], b"--b") is None for length in range(complete - 1))
    assert split_related_head(body[:complete], b"--b").media_start == complete


def test_a_body_cut_off_before_its_closing_boundary_is_refused():
    with pytest.raises(ApiError, match="closing boundary"):
        media_end(b"half of the med", b"--b", b"\n")


def test_batches_are_split_with_and_without_carriage_returns():
    for line_end in (b"\n", b"\r\n"):
        part = line_end.join(
            [b"Content-Type: application/http", b"Content-ID: <a+1>", b"", b"GET /x HTTP/1.1", b"", b""]
        )
        body = b"--b" + line_end + part + line_end + b"--b" + line_end + part + line_end + b"--b--"
        parts = split_mixed(body, "multipart/mixed; boundary=b")
        assert [part.headers["content-id"] for part in parts] == ["<a+1>", "<a+1>"]
        assert parts[0].content.startswith(b"GET /x HTTP/1.1")


@pytest.mark.parametrize(
    ("query", "state", "reading", "error"),
    [
        ({"ifGenerationMatch": "0"}, (0, 0), False, None),
        ({"ifGenerationMatch": "0"}, (5, 1), False, ConditionNotMet),
        ({"ifGenerationMatch": "5"}, (5, 1), False, None),
        ({"ifGenerationNotMatch": "0"}, (0, 0), False, ConditionNotMet),
        ({"ifGenerationNotMatch": "5"}, (5, 1), True, NotModified),
        ({"ifGenerationNotMatch": "5"}, (5, 1), False, ConditionNotMet),
        ({"ifMetagenerationMatch": "2"}, (5, 1), True, ConditionNotMet),
        ({"ifMetagenerationNotMatch": "1"}, (5, 1), True, NotModified),
        ({"ifMetagenerationNotMatch": "2"}, (5, 1), True, None),
        ({}, (5, 1), False, None),
    ],
)
def test_preconditions_hold_or_answer_412_or_304(query, state, reading, error):
    conditions = parse_conditions(query)
    if error is None:
        conditions.check(*state, reading=reading)
    else:
        with pytest.raises(error):
            conditions.check(*state, reading=reading)


def test_a_precondition_that_is_no_number_is_refused_by_name_and_value():
    with pytest.raises(ApiError, match=r"ifGenerationMatch: 'five'"):
        parse_conditions({"ifGenerationMatch": "five"})


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txt.gz"]),
        ("**.txt", ["a.txt", "a/b.txt"], ["a.csv"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "z"]),
        ("**", ["a", "a/b"], []),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[a-c]x", ["bx"], ["dx"]),
        ("[!a-c]x", ["dx"], ["bx"]),
        ("{a,b/*}.x", ["a.x", "b/c.x"], ["c.x"]),
        (r"a\*b", ["a*b"], ["axb"]),
        ("a.b+(c)", ["a.b+(c)"], ["aXb+(c)"]),
    ],
)
def test_globs(pattern, matching, others):
    compiled = compile_glob(pattern)
    assert [name for name in matching + others if compiled.fullmatch(name)] == matching
    assert all(name.startswith(literal_prefix(pattern)) for name in matching)


def test_an_unbalanced_glob_is_refused():
    with pytest.raises(ApiError, match="glob"):
        compile_glob("{a,b")


@settings(deadline=None)
@given(prefix=st.text(min_size=1), rest=st.text())
def test_the_end_of_a_prefix_sorts_behind_everything_with_the_prefix(prefix, rest):
    end = end_of_prefix(prefix)
    if end is not None:
        assert (prefix + rest).encode() < end.encode()
        assert not end.startswith(prefix)


def test_hashes_are_those_of_the_json_api():
    # Known answers: RFC 1321 and RFC 3720 for the ASCII digits 1 to 9.
    hashes = Hashes()
    hashes.update(b"1234")
    hashes.update(b"56789")
    assert (hashes.md5, hashes.crc32c, hashes.size) == ("JfnnlDI7RTiF9RgfG2JNCw==", "4waSgw==", 9)


def test_etags_change_with_each_metageneration():
    assert bucket_etag(1) == "CAE="
    assert object_etag(1772600767089006, 1) == "CO6StLi8hZMDEAE="
    assert object_etag(1772600767089006, 2) != object_etag(1772600767089006, 1)


def test_merging_metadata_removes_what_is_null():
    resource = {"contentType": "a", "metadata": {"keep": "1", "drop": "2"}}
    merge_metadata(resource, {"contentType": None, "metadata": {"drop": None, "new": "3"}})
    assert resource == {"metadata": {"keep": "1", "new": "3"}}
    merge_metadata(resource, {"metadata": None})
    assert resource == {}
