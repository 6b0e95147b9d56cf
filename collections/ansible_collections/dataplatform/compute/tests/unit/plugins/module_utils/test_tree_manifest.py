# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import tree_manifest
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import ManifestHeader, Ownership


def item(**changes: str) -> dict[str, object]:
    metadata = tree_manifest.manifest_metadata(
        owner="team", state="complete", wanted_hash="abc", kept=2, run="r1", writer="host:1 w s"
    )
    return {"name": "x", "generation": "17", "metadata": {**metadata, **changes}}


def test_header_survives_the_listing() -> None:
    header = ManifestHeader.from_listing(item())
    assert header == ManifestHeader("17", "team", "complete", "abc", 2, "r1", "host:1 w s")


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="gcs-tree-format"):
        ManifestHeader.from_listing({"name": "x", "generation": "17"})
    with pytest.raises(ValueError, match="'2'"):
        ManifestHeader.from_listing(item(**{"gcs-tree-format": "2"}))


def test_an_unreadable_count_makes_the_content_be_fetched() -> None:
    assert ManifestHeader.from_listing(item(**{"gcs-tree-kept": "?"})).kept > 0


def test_body_round_trip() -> None:
    ownership = Ownership(files={"b": "2", 'a ü"#': "1"}, pending={"c": "3"})
    assert tree_manifest.parse_body(tree_manifest.manifest_body("team", ownership)) == ownership


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"{}", b'{"format":"9"}', b'{"format":"1","files":[]}', b'{"format":"1","files":{"a":1}}'],
)
def test_a_broken_body_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"content|map"):
        tree_manifest.parse_body(content)


def test_tree_hash_depends_on_names_and_checksums_only() -> None:
    assert tree_manifest.tree_hash({"a": "1", "b": "2"}) == tree_manifest.tree_hash({"b": "2", "a": "1"})
    assert tree_manifest.tree_hash({"a": "1"}) != tree_manifest.tree_hash({"a": "2"})
    assert tree_manifest.tree_hash({"a": "1"}) != tree_manifest.tree_hash({"b": "1"})


def test_ownership_needs_the_content_that_was_written() -> None:
    ownership = Ownership(files={"a": "1"}, pending={"a": "2", "b": "3"})
    assert ownership.wrote("a", "1")
    assert ownership.wrote("a", "2")
    assert not ownership.wrote("a", "3")
    assert not ownership.wrote("c", None)
    assert not ownership.wrote("a", None)
    assert ownership.owns("b")
    assert not ownership.owns("c")
