# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import OwnershipError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import (
    COMPLETE,
    WRITING,
    ManifestHeader,
    Ownership,
    tree_hash,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import (
    Difference,
    ListedObject,
    TreePlan,
    TreePolicy,
    WantedFile,
    describe,
    plan_tree,
    summary,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def wanted(**contents: str) -> dict[str, WantedFile]:
    return files(contents)


def files(contents: Mapping[str, str]) -> dict[str, WantedFile]:
    return {name: WantedFile(name=name, size=len(text), md5=f"md5:{text}") for name, text in contents.items()}


def objects(contents: Mapping[str, str], **properties: Any) -> dict[str, ListedObject]:
    return {
        name: ListedObject(name=name, size=len(text), generation="7", md5=f"md5:{text}", **properties)
        for name, text in contents.items()
    }


def owned(contents: Mapping[str, str], pending: Mapping[str, str] | None = None) -> Ownership:
    return Ownership(
        files={name: f"md5:{text}" for name, text in contents.items()},
        pending={name: f"md5:{text}" for name, text in (pending or {}).items()},
    )


def header(contents: Mapping[str, str], state: str = COMPLETE, kept: int = 0) -> ManifestHeader:
    wanted_hash = tree_hash({name: f"md5:{text}" for name, text in contents.items()})
    return ManifestHeader("1", "owner", state, wanted_hash, kept, "run", "writer")


def plan(
    source: Mapping[str, str],
    bucket: Mapping[str, str],
    ours: Mapping[str, str] | None = None,
    **policy: Any,
) -> TreePlan:
    ours = bucket if ours is None else ours
    manifest = header(ours) if ours else None
    return plan_tree(files(source), objects(bucket), owned(ours), TreePolicy(**policy), manifest=manifest)


def test_equal_trees_need_nothing() -> None:
    result = plan({"a": "1", "b/c": "2"}, {"a": "1", "b/c": "2"})
    assert not result.changed
    assert result.changes == []
    assert result.unchanged == ["a", "b/c"]


def test_create_update_delete() -> None:
    result = plan({"new": "1", "same": "2", "other": "new text"}, {"same": "2", "other": "old", "gone": "3"})
    assert (result.names("create"), result.names("update"), result.names("delete")) == (["new"], ["other"], ["gone"])
    assert [change.action for change in result.changes][-1] == "delete"


def test_same_size_other_checksum_is_an_update() -> None:
    (change,) = plan({"a": "1"}, {"a": "2"}).changes
    assert (change.action, change.name) == ("update", "a")
    assert change.difference == Difference("content", "md5:2", "md5:1")


def test_only_owned_objects_are_deleted() -> None:
    result = plan({"a": "1"}, {"a": "1", "theirs": "x", "ours": "y"}, ours={"a": "1", "ours": "y"})
    assert result.names("delete") == ["ours"]


def test_foreign_objects_are_no_change() -> None:
    assert not plan({"a": "1"}, {"a": "1", "theirs": "x", "folder/": ""}, ours={"a": "1"}).changed


def test_an_owned_object_that_somebody_changed_is_kept_and_named() -> None:
    result = plan({"a": "1"}, {"a": "1", "edited": "by hand"}, ours={"a": "1", "edited": "as written"})
    assert result.names("delete") == []
    assert "somebody else" in result.left_alone["edited"]
    assert result.files_after["edited"] == "md5:as written"
    assert result.kept_after == 1


def test_what_a_cut_off_run_wrote_is_owned() -> None:
    before = owned({"a": "1"}, pending={"half": "new", "never": "x"})
    result = plan_tree(
        files({"a": "1"}),
        objects({"a": "1", "half": "new"}),
        before,
        TreePolicy(),
        manifest=header({"a": "1"}, state=WRITING),
    )
    assert result.names("delete") == ["half"]
    assert result.files_now == {"a": "md5:1", "half": "md5:new"}


def test_a_file_that_a_cut_off_run_had_replaced_is_owned_as_it_lies_there() -> None:
    before = owned({"a": "old", "b": "old"}, pending={"a": "new", "b": "new"})
    result = plan_tree(
        files({"a": "newest", "b": "newest"}),
        objects({"a": "new", "b": "old"}),
        before,
        TreePolicy(),
        manifest=header({}, state=WRITING),
    )
    assert result.files_now == {"a": "md5:new", "b": "md5:old"}


def test_a_manifest_that_miscounts_what_is_kept_is_written_again() -> None:
    both = {"a": "1", "m": "2"}
    result = plan_tree(
        files(both), objects(both), owned({"a": "1"}), TreePolicy(protected=["m"]), manifest=header(both, kept=0)
    )
    assert result.kept_after == 1
    assert result.manifest_outdated


def test_a_cut_off_run_leaves_the_manifest_outdated_even_when_all_objects_match() -> None:
    result = plan_tree(
        files({"a": "1"}), objects({"a": "1"}), owned({"a": "1"}), TreePolicy(), manifest=header({"a": "1"}, WRITING)
    )
    assert result.changed
    assert result.changes == []


def test_objects_with_the_wanted_content_are_adopted_once() -> None:
    first = plan({"a": "1"}, {"a": "1"}, ours={})
    assert first.adopted == ["a"]
    assert first.changed
    assert first.changes == []
    assert not plan({"a": "1"}, {"a": "1"}).changed


def test_nothing_wanted_and_nothing_there_needs_no_manifest() -> None:
    assert not plan({}, {}, ours={}).changed


def test_delete_false_keeps_and_still_owns() -> None:
    result = plan({"a": "1"}, {"a": "1", "gone": "x"}, delete=False)
    assert result.names("delete") == []
    assert result.left_alone == {"gone": "delete is false"}
    assert result.files_after == {"a": "md5:1", "gone": "md5:x"}
    again = plan_tree(
        files({"a": "1"}),
        objects({"a": "1", "gone": "x"}),
        owned({"a": "1", "gone": "x"}),
        TreePolicy(delete=False),
        manifest=header({"a": "1"}, kept=1),
    )
    assert not again.changed


def test_sources_that_share_a_tree_do_not_take_turns_in_writing_the_manifest() -> None:
    both = {"a": "1", "b": "2"}
    for source in ({"a": "1"}, {"b": "2"}, both):
        assert not plan(source, both, delete=False).changed
    assert plan({"c": "3"}, both, delete=False).manifest_outdated
    assert plan({"a": "1"}, both, delete=True).manifest_outdated


def test_excluded_objects_are_not_deleted() -> None:
    result = plan({"a": "1"}, {"a": "1", "x/y.pyc": "2"}, exclude=["*.pyc"])
    assert result.names("delete") == []
    assert result.left_alone == {"x/y.pyc": "matches an exclude pattern"}


def test_a_protected_object_of_somebody_else_is_not_overwritten() -> None:
    with pytest.raises(OwnershipError, match=r"monitor\.py is protected"):
        plan({"monitor.py": "mine"}, {"monitor.py": "theirs"}, ours={}, protected=["monitor.py"])


def test_a_protected_object_of_somebody_else_is_not_adopted() -> None:
    result = plan({"a": "1", "monitor.py": "same"}, {"a": "1", "monitor.py": "same"}, ours={}, protected=["monitor.py"])
    assert result.adopted == ["a"]
    assert "monitor.py" not in result.files_after


def test_a_protected_object_of_ours_is_ours() -> None:
    assert plan({"p": "new"}, {"p": "old"}, protected=["p"]).names("update") == ["p"]
    assert plan({}, {"p": "old"}, protected=["p"]).names("delete") == ["p"]


def test_groups_follow_the_patterns_and_the_rest_comes_last() -> None:
    source = dict.fromkeys(["z/other.txt", "main.py", "lib/a.py", "lib/b.sql"], "x")
    result = plan(source, {}, order=["lib/**", "*.py"])
    assert [[change.name for change in group] for group in result.uploads] == [
        ["lib/a.py", "lib/b.sql"],
        ["main.py"],
        ["z/other.txt"],
    ]


def test_two_stars_place_the_rest() -> None:
    source = dict.fromkeys(["z/other.txt", "main.py", "lib/a.py"], "x")
    result = plan(source, {}, order=["lib/**", "**", "/*.py"])
    assert [[change.name for change in group] for group in result.uploads] == [
        ["lib/a.py"],
        ["z/other.txt"],
        ["main.py"],
    ]


def test_file_that_becomes_a_folder_goes_first() -> None:
    result = plan({"a/b": "1", "x": "1"}, {"a": "old", "x": "1", "gone": "2"})
    assert [change.name for change in result.early_deletions] == ["a"]
    assert [change.name for change in result.deletions] == ["gone"]


def test_folder_that_becomes_a_file_goes_first() -> None:
    result = plan({"a": "1"}, {"a/b": "old", "a/c": "old"})
    assert [change.name for change in result.early_deletions] == ["a/b", "a/c"]


@pytest.mark.parametrize(
    ("source", "foreign"), [({"a/b": "1"}, {"a": "theirs"}), ({"a": "1"}, {"a/b": "theirs"}), ({"a": "1"}, {"a/": ""})]
)
def test_a_foreign_object_in_the_way_is_refused(source: dict[str, str], foreign: dict[str, str]) -> None:
    with pytest.raises(OwnershipError, match="folder"):
        plan(source, foreign, ours={})


def test_an_owned_object_in_the_way_needs_delete() -> None:
    with pytest.raises(OwnershipError, match="delete is false"):
        plan({"a/b": "1"}, {"a": "old"}, delete=False)


def test_composite_objects_are_compared_by_crc32c() -> None:
    composite = {"a": ListedObject(name="a", size=1, generation="7", crc32c="right")}
    for crc32c, expected in (("right", []), ("wrong", ["a"]), (None, ["a"])):
        result = plan_tree(
            wanted(a="1"),
            composite,
            owned({"a": "1"}),
            TreePolicy(),
            manifest=header({"a": "1"}),
            crc32c_of=lambda _file, value=crc32c: value,
        )
        assert result.names("update") == expected


def test_cache_control_and_metadata_are_repaired() -> None:
    source, bucket = (
        files({"a": "1"}),
        objects({"a": "1"}, cache_control="no-cache", metadata={"team": "x", "more": "y"}),
    )
    for policy, expected in (
        (TreePolicy(), []),
        (TreePolicy(cache_control="no-cache", metadata={"team": "x"}), []),
        (TreePolicy(cache_control="max-age=60"), [("a", Difference("cacheControl", "no-cache", "max-age=60"))]),
        (TreePolicy(metadata={"team": "z"}), [("a", Difference("metadata.team", "x", "z"))]),
        (TreePolicy(metadata={"new": "z"}), [("a", Difference("metadata.new", None, "z"))]),
    ):
        result = plan_tree(source, bucket, owned({"a": "1"}), policy, manifest=header({"a": "1"}))
        assert [(change.name, change.difference) for change in result.changes] == expected


def test_diff_shows_exactly_what_changes() -> None:
    result = plan({"new": "11", "same": "2", "other": "22"}, {"same": "2", "other": "3", "gone": "4"})
    shown = describe(result, "gs://b/p")
    assert shown["before"] == "gone  1 bytes  md5:4\nother  1 bytes  md5:3\n"
    assert shown["after"] == "new  2 bytes  md5:11\nother  2 bytes  md5:22  (size 1 -> 2)\n"


def test_summary_counts() -> None:
    result = plan({"new": "1", "same": "2"}, {"same": "2", "gone": "4"})
    assert summary(result) == "1 created, 1 deleted, 1 unchanged"


_NAMES = st.sampled_from(["a", "b", "a/b", "c/d", "c/e", "f"])
_TREES = st.dictionaries(_NAMES, st.sampled_from(["1", "2", "33"]))


@settings(deadline=None)
@given(source=_TREES, bucket=_TREES, ours=_TREES, pending=_TREES, delete=st.booleans())
def test_plan_reaches_the_source_and_then_rests(
    source: dict[str, str], bucket: dict[str, str], ours: dict[str, str], pending: dict[str, str], delete: bool
) -> None:
    """Whatever the state: applying the plan gives the source plus what is not ours, and a second plan is empty."""
    policy = TreePolicy(delete=delete)
    ownership = owned(ours, pending)
    try:
        result = plan_tree(files(source), objects(bucket), ownership, policy, manifest=header(ours, WRITING))
    except OwnershipError:
        return
    after = dict(bucket)
    for change in itertools.chain(result.early_deletions, *result.uploads, result.deletions):
        if change.action == "delete":
            assert ownership.wrote(change.name, f"md5:{bucket[change.name]}")
            del after[change.name]
        else:
            after[change.name] = source[change.name]
    assert {name: after.get(name) for name in source} == source
    assert {
        name: text for name, text in bucket.items() if not ownership.owns(name) and name not in source
    }.items() <= after.items()
    manifest = ManifestHeader("2", "owner", COMPLETE, result.wanted_hash, result.kept_after, "run", "writer")
    again = plan_tree(files(source), objects(after), Ownership(files=result.files_after), policy, manifest=manifest)
    assert not again.changed
