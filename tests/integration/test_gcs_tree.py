"""gcs_tree against a local cloud: what it writes, deletes and leaves alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import MANIFEST_NAME

from tests.integration.tree_support import COLLECTIONS, PREFIX, Tree, fresh_tree, write_files

BASIC = {"a.py": "print('a')\n", "lib/b.py": "b = 1\n", "lib/deep/c.sql": "select 1\n"}


@pytest.fixture
def tree(localcloud: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    yield from fresh_tree(localcloud, monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_files(tmp_path / "source", BASIC)


def test_first_push_then_nothing_to_do_in_one_listing(tree: Tree, source: Path) -> None:
    first = tree.sync(source=str(source))
    assert first["created"] == sorted(BASIC)
    assert first["changed"]
    assert first["uri"] == f"gs://{tree.bucket}/{PREFIX}"
    assert tree.contents() == BASIC
    assert tree.manifest_state() == "complete"
    tree.forget_requests()
    second = tree.sync(source=str(source))
    assert tree.requests() == ["storage.objects.list"]
    assert not second["changed"]
    assert second["unchanged"] == 3
    assert second["tree_hash"] == first["tree_hash"]


def test_a_fresh_checkout_is_no_change(tree: Tree, source: Path) -> None:
    tree.sync(source=str(source))
    for path in source.rglob("*.py"):
        os.utime(path, (1, 1))
    tree.forget_requests()
    assert not tree.sync(source=str(source))["changed"]
    assert tree.requests() == ["storage.objects.list"]


def test_more_objects_than_one_page_are_all_seen(tree: Tree) -> None:
    content = {f"f{number:04d}": "x" for number in range(1005)}
    assert len(tree.sync(content=content, concurrency=32)["created"]) == 1005
    tree.forget_requests()
    assert not tree.sync(content=content)["changed"]
    assert set(tree.requests()) == {"storage.objects.list"}


def test_update_and_delete_only_what_is_ours(tree: Tree, source: Path) -> None:
    tree.sync(source=str(source))
    tree.put("theirs.py", "not ours")
    write_files(source, {"a.py": "print('new')\n"})
    (source / "lib/b.py").unlink()
    result = tree.sync(source=str(source))
    assert (result["created"], result["updated"], result["deleted"]) == ([], ["a.py"], ["lib/b.py"])
    expected = {"a.py": "print('new')\n", "lib/deep/c.sql": "select 1\n", "theirs.py": "not ours"}
    assert tree.contents() == expected
    tree.forget_requests()
    assert not tree.sync(source=str(source))["changed"]
    assert tree.requests() == ["storage.objects.list"]


def test_drift_is_repaired(tree: Tree, source: Path) -> None:
    tree.sync(source=str(source))
    tree.put("a.py", "edited by hand")
    tree.delete("lib/b.py")
    result = tree.sync(source=str(source))
    assert (result["created"], result["updated"]) == (["lib/b.py"], ["a.py"])
    assert tree.contents() == BASIC


def test_an_owned_object_edited_by_hand_is_not_deleted(tree: Tree, source: Path) -> None:
    tree.sync(source=str(source))
    tree.put("a.py", "precious edit")
    (source / "a.py").unlink()
    result = tree.sync(source=str(source))
    assert result["deleted"] == []
    assert "somebody else" in result["left_alone"]["a.py"]
    assert tree.read("a.py") == "precious edit"


def test_check_mode_shows_the_plan_and_writes_nothing(tree: Tree, source: Path) -> None:
    tree.sync(source=str(source))
    write_files(source, {"a.py": "print('longer now')\n", "new.py": "n\n"})
    (source / "lib/b.py").unlink()
    before = tree.objects()
    tree.forget_requests()
    seen = tree.sync(check=True, source=str(source))
    assert set(tree.requests()) <= {"storage.objects.list", "storage.objects.get"}
    assert tree.objects() == before
    done = tree.sync(source=str(source))
    for key in ("changed", "created", "updated", "deleted", "diff", "tree_hash", "summary"):
        assert seen[key] == done[key]
    lines = {side: seen["diff"][0][side].splitlines() for side in ("before", "after")}
    assert [line.split("  ")[0] for line in lines["before"]] == ["a.py", "lib/b.py"]
    assert [line.split("  ")[0] for line in lines["after"]] == ["a.py", "new.py"]


def test_check_mode_on_an_empty_prefix(tree: Tree, source: Path) -> None:
    assert tree.sync(check=True, source=str(source))["created"] == sorted(BASIC)
    assert tree.objects() == {}
    assert tree.manifest is None


def test_deletions_come_after_all_uploads(tree: Tree) -> None:
    tree.sync(content={f"old{number}": "x" for number in range(5)})
    tree.forget_requests()
    tree.sync(content={f"new{number}": "x" for number in range(20)})
    order = [method for method in tree.requests() if method in ("storage.objects.insert", "storage.objects.delete")]
    assert order == ["storage.objects.insert"] * 21 + ["storage.objects.delete"] * 5 + ["storage.objects.insert"]


def test_groups_are_confirmed_in_order(tree: Tree) -> None:
    names = [f"{folder}/{number}.py" for folder in ("dags", "lib", "other") for number in range(8)]
    tree.fault("storage.objects.insert", kind="delay", delay=0.02)
    tree.sync(content=dict.fromkeys(names, "x"), order=["lib/**", "**", "/dags/*.py"], concurrency=16)
    tree.clear_faults()
    generations = {name: int(item["generation"]) for name, item in tree.objects().items()}
    groups = [[generations[f"{folder}/{number}.py"] for number in range(8)] for folder in ("lib", "other", "dags")]
    assert max(groups[0]) < min(groups[1])
    assert max(groups[1]) < min(groups[2])


def test_protected_objects_of_others_are_neither_overwritten_nor_deleted(tree: Tree, source: Path) -> None:
    tree.put("airflow_monitoring.py", "Google's")
    tree.sync(source=str(source), protected=["airflow_monitoring.py"])
    assert tree.read("airflow_monitoring.py") == "Google's"
    write_files(source, {"airflow_monitoring.py": "mine"})
    tree.forget_requests()
    result = tree.sync(source=str(source), protected=["airflow_monitoring.py"])
    assert result["failed"]
    assert "airflow_monitoring.py is protected" in result["msg"]
    assert "storage.objects.insert" not in tree.requests()
    assert tree.read("airflow_monitoring.py") == "Google's"


def test_excluded_names_are_ignored_on_both_sides(tree: Tree, source: Path) -> None:
    tree.put("keep.pyc", "theirs")
    write_files(source, {"__pycache__/a.pyc": "x", "z.pyc": "y"})
    assert tree.sync(source=str(source), exclude=["*.pyc"])["created"] == sorted(BASIC)
    assert tree.read("keep.pyc") == "theirs"


def test_delete_false_keeps_what_is_gone_and_stays_quiet(tree: Tree, source: Path) -> None:
    tree.sync(source=str(source))
    (source / "a.py").unlink()
    assert tree.sync(source=str(source), delete=False)["left_alone"] == {"a.py": "delete is false"}
    assert not tree.sync(source=str(source), delete=False)["changed"]
    assert tree.sync(source=str(source))["deleted"] == ["a.py"]


def test_identical_objects_of_others_are_adopted_once(tree: Tree) -> None:
    tree.put("a", "same")
    first = tree.sync(content={"a": "same"})
    assert first["adopted"] == ["a"]
    assert first["changed"]
    assert not tree.sync(content={"a": "same"})["changed"]
    assert tree.sync(content={})["deleted"] == ["a"]


@pytest.mark.parametrize(
    "name",
    [
        "with space.py",
        "quote'\".py",
        "ünï/日本.txt",
        "hash#and?query.txt",
        "per%41cent&plus+",
        "[glob]*?.txt",
        "emoji 🚀",
    ],
)
def test_odd_names_survive_push_update_and_delete(tree: Tree, tmp_path: Path, name: str) -> None:
    source = write_files(tmp_path / "s", {name: "one", "keep": "x"})
    assert tree.sync(source=str(source))["created"] == sorted([name, "keep"])
    assert tree.contents() == {name: "one", "keep": "x"}
    assert not tree.sync(source=str(source))["changed"]
    write_files(source, {name: "two"})
    assert tree.sync(source=str(source))["updated"] == [name]
    assert tree.read(name) == "two"
    (source / name).unlink()
    assert tree.sync(source=str(source))["deleted"] == [name]
    assert tree.contents() == {"keep": "x"}


def test_empty_files_and_binary_files(tree: Tree, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"empty": ""})
    binary = bytes(range(256)) * 40 + b"\r\n--part\r\n"
    (source / "binary").write_bytes(binary)
    tree.sync(source=str(source))
    assert {name: int(item["size"]) for name, item in tree.objects().items()} == {"empty": 0, "binary": len(binary)}
    assert not tree.sync(source=str(source))["changed"]


def test_content_types_cache_control_and_metadata(tree: Tree) -> None:
    content = {"a.py": "x", "b.json": "{}", "c.unknown-kind": "x", "d.txt.gz": "x"}
    tree.sync(content=content, cache_control="no-cache", metadata={"team": "data"})
    found = tree.objects()
    assert {name: item["contentType"] for name, item in found.items()} == {
        "a.py": "text/x-python",
        "b.json": "application/json",
        "c.unknown-kind": "application/octet-stream",
        "d.txt.gz": "application/octet-stream",
    }
    assert {(item["cacheControl"], item["metadata"]["team"]) for item in found.values()} == {("no-cache", "data")}
    assert not tree.sync(content=content, cache_control="no-cache", metadata={"team": "data"})["changed"]
    assert tree.sync(content=content, cache_control="no-store", metadata={"team": "data"})["updated"] == sorted(content)


def test_large_files_go_up_in_chunks(tree: Tree, tmp_path: Path) -> None:
    data = os.urandom(8 * 1024 * 1024 * 2 + 12345)
    (tmp_path / "s").mkdir()
    (tmp_path / "s/big.bin").write_bytes(data)
    assert tree.sync(source=str(tmp_path / "s"))["bytes_uploaded"] == len(data)
    assert int(tree.objects()["big.bin"]["size"]) == len(data)
    assert not tree.sync(source=str(tmp_path / "s"))["changed"]


def test_a_file_may_become_a_folder_and_back(tree: Tree) -> None:
    tree.sync(content={"a": "file", "x": "x"})
    assert tree.sync(content={"a/b": "inside", "x": "x"})["deleted"] == ["a"]
    assert tree.contents() == {"a/b": "inside", "x": "x"}
    tree.sync(content={"a": "file", "x": "x"})
    assert tree.contents() == {"a": "file", "x": "x"}


def test_a_foreign_folder_in_the_way_is_refused_before_any_write(tree: Tree) -> None:
    tree.put("a/b", "theirs")
    tree.forget_requests()
    result = tree.sync(content={"a": "file", "x": "x"})
    assert "a is a file in the source, but a folder in the bucket: a/b" in result["msg"]
    assert tree.requests() == ["storage.objects.list"]


@pytest.mark.parametrize("name", [".", "a/../b", "folder/", "line\nbreak", "x" * 1013, MANIFEST_NAME])
def test_names_that_stop_a_bucket_are_refused_before_any_write(tree: Tree, name: str) -> None:
    tree.forget_requests()
    result = tree.sync(content={name: "x", "good": "x"})
    assert result["failed"]
    assert "nothing was changed" in result["msg"]
    assert set(tree.requests()) <= {"storage.objects.list"}


def test_an_empty_source_does_not_empty_the_tree(tree: Tree, source: Path, tmp_path: Path) -> None:
    tree.sync(source=str(source))
    (tmp_path / "empty").mkdir()
    result = tree.sync(source=str(tmp_path / "empty"))
    assert "content: {}" in result["msg"]
    assert tree.contents() == BASIC
    assert tree.sync(content={})["deleted"] == sorted(BASIC)
    assert tree.contents() == {}
    assert not tree.sync(content={})["changed"]


def test_two_trees_in_one_bucket_do_not_touch_each_other(tree: Tree) -> None:
    tree.sync(content={"a": "outer"})
    tree.sync(prefix=f"{PREFIX}/inner", content={"b": "inner"}, owner="somebody")
    tree.sync(prefix=f"{PREFIX}x", content={"c": "sibling"})
    assert not tree.sync(content={"a": "outer"})["changed"]
    assert tree.sync(content={"a": "changed"})["updated"] == ["a"]
    assert tree.read("inner/b") == "inner"


def test_the_whole_bucket_can_be_a_tree(tree: Tree) -> None:
    assert tree.sync(prefix="", content={"top": "x", "some/where": "y"})["uri"] == f"gs://{tree.bucket}"
    assert not tree.sync(prefix="", content={"top": "x", "some/where": "y"})["changed"]


def test_a_tree_of_another_owner_is_refused(tree: Tree) -> None:
    tree.sync(content={"a": "x"}, owner="team-a")
    result = tree.sync(content={"b": "y"}, owner="team-b")
    assert "belongs to owner 'team-a', this task's owner is 'team-b'" in result["msg"]
    assert tree.contents() == {"a": "x"}


def test_a_foreign_manifest_is_named(tree: Tree) -> None:
    tree.put(MANIFEST_NAME, "{}")
    result = tree.sync(content={"b": "y"})
    assert f"{MANIFEST_NAME} is not a manifest this version can read" in result["msg"]
    assert tree.objects() == {}


def test_a_bucket_with_a_customer_managed_key_is_planned_from_one_listing_too(tree: Tree, source: Path) -> None:
    """A listing shows no checksums of its objects."""
    tree.encrypt_with_own_key()
    tree.sync(source=str(source))
    assert "md5Hash" not in tree.objects()["a.py"]
    tree.forget_requests()
    assert not tree.sync(source=str(source))["changed"]
    assert tree.requests() == ["storage.objects.list"]
    write_files(source, {"a.py": "print('b')\n"})
    (source / "lib/b.py").unlink()
    result = tree.sync(source=str(source))
    assert (result["updated"], result["deleted"]) == (["a.py"], ["lib/b.py"])
    tree.put("a.py", "print('x')\n")
    assert tree.sync(source=str(source))["updated"] == ["a.py"]
    assert tree.read("a.py") == "print('b')\n"


def test_a_missing_bucket_is_empty_in_check_mode(tree: Tree, source: Path) -> None:
    result = tree.sync(check=True, bucket="no-such-bucket-here", source=str(source))
    assert result["created"] == sorted(BASIC)
    assert "no-such-bucket-here does not exist yet" in tree.warnings[0]


def test_a_missing_bucket_is_named(tree: Tree) -> None:
    result = tree.sync(bucket="no-such-bucket-here", content={"a": "x"})
    assert result["failed"]
    assert "The bucket no-such-bucket-here does not exist" in result["msg"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"prefix": "/lead"}, "did you mean 'lead'"),
        ({"bucket": "gs://name"}, "without gs://"),
        ({"concurrency": 0}, "expected 1 to 64"),
    ],
)
def test_bad_options_are_named(tree: Tree, parameters: dict, words: str) -> None:
    assert words in tree.sync(content={"a": "x"}, **parameters)["msg"]


@pytest.fixture
def playbook(tree: Tree, source: Path, tmp_path: Path) -> Iterator[Path]:
    """A play with two tasks: the action plugin, then the module itself (asked for with async)."""
    task = {"bucket": tree.bucket, "prefix": PREFIX, "source": str(source)}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [
            {"name": "In process", "dataplatform.compute.gcs_tree": task, "register": "first"},
            {
                "name": "As a module",
                "dataplatform.compute.gcs_tree": task,
                "async": 60,
                "poll": 1,
                "register": "second",
            },
            {
                "name": "Write down",
                "ansible.builtin.copy": {
                    "content": "{{ {'first': first, 'second': second} | to_json }}",
                    "dest": str(tmp_path / "result.json"),
                },
            },
        ],
    }
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([play]))
    yield path


def test_action_plugin_and_module_agree_in_a_playbook(tree: Tree, playbook: Path, tmp_path: Path) -> None:
    command = ("ansible-playbook", "-i", "localhost,", "--diff", str(playbook))
    variables = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_LOCALHOST_WARNING": "false"}
    shown = tree.cloud.run(*command[:3], "--check", *command[3:], **variables, check=False).stdout
    assert "+a.py  11 bytes" in shown
    assert tree.objects() == {}
    tree.cloud.run(*command, **variables)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["first"]["created"] == sorted(BASIC)
    assert result["second"]["changed"] is False
    assert result["second"]["tree_hash"] == result["first"]["tree_hash"]
    assert tree.contents() == BASIC
