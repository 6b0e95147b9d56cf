"""Listing: order, pages, prefixes, delimiters, offsets, globs, fields."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.storage.catalog import Catalog
from localcloud.storage.listing import Selection, read_page

PATH = "/storage/v1/b/shelf/o"


def fill(client, *names):
    for name in names:
        client.service.write_object("shelf", name, b"x")


def listed(client, **query):
    """Return (names, prefixes) of all pages."""
    names, prefixes = [], []
    while True:
        page = client.call("GET", PATH, **query).json
        names += [item["name"] for item in page.get("items", [])]
        prefixes += page.get("prefixes", [])
        if "nextPageToken" not in page:
            return names, prefixes
        query["pageToken"] = page["nextPageToken"]


def test_names_are_listed_in_the_order_of_their_bytes(shelf):
    names = ["B", "a", "a/b", "a b", "é", "z", "日", "🎻", "\uffee"]
    fill(shelf, *names)
    assert listed(shelf)[0] == sorted(names, key=str.encode)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_join_to_the_whole(shelf, size):
    names = [f"d{number % 3}/f{number}" for number in range(10)] + ["top", "z"]
    fill(shelf, *names)
    assert listed(shelf, maxResults=size) == (sorted(names), [])
    assert listed(shelf, maxResults=size, delimiter="/") == (["top", "z"], ["d0/", "d1/", "d2/"])
    assert listed(shelf, maxResults=size, prefix="d1/") == (["d1/f1", "d1/f4", "d1/f7"], [])


def test_prefixes_objects_and_offsets(shelf):
    fill(shelf, "a/", "a/1", "a/b/2", "ab", "b", "c/3")
    assert listed(shelf, delimiter="/") == (["ab", "b"], ["a/", "c/"])
    assert listed(shelf, delimiter="/", prefix="a/") == (["a/", "a/1"], ["a/b/"])
    assert listed(shelf, delimiter="/", prefix="a") == (["ab"], ["a/"])
    assert listed(shelf, delimiter="/", includeTrailingDelimiter="true") == (["a/", "ab", "b"], ["a/", "c/"])
    assert listed(shelf, startOffset="a/b", endOffset="c") == (["a/b/2", "ab", "b"], [])
    assert listed(shelf, prefix="none") == ([], [])
    assert listed(shelf, delimiter="b") == (["a/", "a/1", "c/3"], ["a/b", "ab", "b"])


def test_globs_select_across_pages(shelf):
    fill(shelf, "a.csv", "d/b.csv", "d/b.txt", "d/e/c.csv", "e/x.csv")
    assert listed(shelf, matchGlob="**.csv", maxResults=2)[0] == ["a.csv", "d/b.csv", "d/e/c.csv", "e/x.csv"]
    assert listed(shelf, matchGlob="d/*.csv") == (["d/b.csv"], [])
    assert listed(shelf, matchGlob="d/**", prefix="d/e") == (["d/e/c.csv"], [])
    assert shelf.call("GET", PATH, matchGlob="{a").status == 400


def test_versions_are_listed_by_name_and_age_across_pages(storage):
    storage.bucket("shelf", versioning={"enabled": True})
    for name in ("b", "a", "b", "a", "a"):
        storage.upload(name)
    assert listed(storage, versions="true", maxResults=1)[0] == ["a", "a", "a", "b", "b"]
    assert listed(storage)[0] == ["a", "b"]


def test_fields_reduce_a_listing(shelf):
    fill(shelf, "a", "b", "d/c")
    page = shelf.call("GET", PATH, fields="items(name,size)").json
    assert page == {"items": [{"name": name, "size": "1"} for name in ("a", "b", "d/c")]}
    page = shelf.call("GET", PATH, fields="items/name,nextPageToken", maxResults=1).json
    assert sorted(page) == ["items", "nextPageToken"]
    assert shelf.call("GET", PATH, fields="prefixes", delimiter="/").json == {"prefixes": ["d/"]}
    assert shelf.call("GET", PATH, fields="kind").json == {"kind": "storage#objects"}
    page = shelf.call("GET", PATH, fields="items(name,acl(role))", projection="full", maxResults=1).json
    assert page["items"][0]["acl"][0] == {"role": "OWNER"}


@pytest.mark.parametrize(
    "query", [{"pageToken": "%%%"}, {"pageToken": "WzVd"}, {"maxResults": "-1"}, {"maxResults": "x"}]
)
def test_wrong_parameters_are_refused(shelf, query):
    assert shelf.call("GET", PATH, **query).status == 400


def test_a_missing_bucket_is_a_404(storage):
    assert storage.call("GET", PATH).status == 404


def test_the_index_serves_a_listing_without_sorting(shelf):
    plan = shelf.store.connection.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM storage_objects WHERE bucket = ? AND state = 0 AND name >= ? ORDER BY name",
        ("shelf", ""),
    ).fetchall()
    assert [step[3] for step in plan] == [
        "SEARCH storage_objects USING INDEX storage_objects_live (bucket=? AND name>?)"
    ]


def test_a_page_reads_no_more_rows_than_it_shows(shelf, monkeypatch):
    fill(shelf, *[f"d/{number:03}" for number in range(300)], "e")
    seen = []
    from localcloud.storage import listing

    make = listing.ObjectRow._make
    monkeypatch.setattr(listing.ObjectRow, "_make", lambda values: seen.append(values) or make(values))
    assert listed(shelf, delimiter="/") == (["e"], ["d/"])
    assert len(seen) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(st.text(alphabet="ab/é\uffff🎻", min_size=1, max_size=5), max_size=12),
    prefix=st.text(alphabet="ab/é", max_size=2),
    delimiter=st.sampled_from(["", "/", "b"]),
    size=st.integers(1, 4),
)
def test_any_listing_equals_the_plain_definition(shelf, names, prefix, delimiter, size):
    with shelf.service.parts.catalog.transaction() as connection:
        connection.execute("DELETE FROM storage_objects")
    fill(shelf, *names)
    catalog: Catalog = shelf.service.parts.catalog
    rows, prefixes, after = [], [], None
    while True:
        page = read_page(catalog, Selection("shelf", prefix, delimiter), after, size)
        rows += [row.name for row in page.rows]
        prefixes += page.prefixes
        assert len(page.rows) + len(page.prefixes) <= size
        if page.following is None:
            break
        after = page.following
    expected_rows, expected_prefixes = [], []
    for name in sorted(names, key=str.encode):
        if not name.startswith(prefix):
            continue
        position = name.find(delimiter, len(prefix)) if delimiter else -1
        if position < 0:
            expected_rows.append(name)
        elif name[: position + 1] not in expected_prefixes:
            expected_prefixes.append(name[: position + 1])
    assert (rows, prefixes) == (expected_rows, expected_prefixes)
