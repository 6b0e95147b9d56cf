"""gcs_tree when something goes wrong: faults, interruptions, two runs at once, files that change under it."""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import client as client_module
from ansible_collections.dataplatform.compute.plugins.module_utils import tree_execute, tree_lock, tree_sync
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy

from tests.integration.tree_support import Tree, fresh_tree, write_files

OLD = {f"f{number:02d}": f"old {number}" for number in range(12)}
NEW = {f"f{number:02d}": f"new {number}!" for number in range(12)}


@pytest.fixture
def tree(localcloud: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    yield from fresh_tree(localcloud, monkeypatch)


@pytest.fixture
def few_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let persistent faults end in a second."""
    quick = functools.partial(RetryPolicy, attempts=3, first_wait=0.05)
    monkeypatch.setattr(client_module, "RetryPolicy", quick)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


@pytest.mark.parametrize("method", ["storage.objects.list", "storage.objects.insert", "storage.objects.delete"])
@pytest.mark.parametrize(
    "fault",
    [{"status": 429}, {"status": 500}, {"status": 503}, {"kind": "reset"}, {"kind": "truncate"}],
    ids=["429", "500", "503", "reset", "half-an-answer"],
)
def test_passing_faults_are_survived(tree: Tree, method: str, fault: dict[str, Any]) -> None:
    tree.sync(content={**OLD, "gone": "x"})
    tree.fault(method, count=2, **fault)
    result = tree.sync(content=NEW)
    assert not result.get("failed"), result["msg"]
    assert (len(result["updated"]), result["deleted"]) == (12, ["gone"])
    assert tree.contents() == NEW
    assert not tree.sync(content=NEW)["changed"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "Grant the account the missing permission"),
        (404, "404"),
        (412, "Somebody else is writing gs://"),
        (429, "lower concurrency"),
        (500, "Google's side"),
        (503, "Google's side"),
    ],
)
def test_a_lasting_fault_stops_the_run_and_the_next_one_finishes(
    tree: Tree, few_retries: None, status: int, words: str
) -> None:
    tree.sync(content=OLD)
    tree.fault("storage.objects.insert", status=status, after=5)
    result = tree.sync(content=NEW, concurrency=1)
    tree.clear_faults()
    assert result["failed"]
    assert words in result["msg"]
    assert "4 of 12 changes" in result["msg"]
    assert result["updated"] == sorted(NEW)[:4]
    assert tree.manifest_state() == "interrupted"
    assert set(tree.contents().values()) <= {*OLD.values(), *NEW.values()}
    assert len(tree.sync(content=NEW)["updated"]) == 8
    assert not tree.waited()
    assert tree.contents() == NEW


@pytest.mark.parametrize("status", [403, 412, 503])
def test_a_fault_at_the_lock_leaves_the_tree_untouched(tree: Tree, few_retries: None, status: int) -> None:
    tree.sync(content=OLD)
    tree.fault("storage.objects.insert", status=status)
    result = tree.sync(content=NEW)
    tree.clear_faults()
    assert result["failed"]
    assert tree.contents() == OLD
    assert tree.manifest_state() == "complete"


def test_a_forbidden_bucket_is_named(tree: Tree) -> None:
    tree.fault("storage.objects.list", status=403)
    result = tree.sync(content=NEW)
    assert "Grant the account the missing permission" in result["msg"]
    assert tree.bucket in result["msg"]


@pytest.mark.parametrize("writes", [0, 1, 2, 6, 13, 14])
def test_killed_between_two_writes_and_run_again(tree: Tree, tmp_path: Path, writes: int) -> None:
    """`kill -9` after so many writes (the manifest first, then the files, then the deletion): the next run finishes."""
    tree.sync(content={**OLD, "gone": "x"})
    source = write_files(tmp_path / "s", NEW)
    tree.forget_requests()
    reads = 2  # the listing and the old manifest
    tree.fault("storage.objects.*", kind="delay", delay=30, after=writes + reads)
    process = tree.start_process(source, tmp_path / "arguments.json", concurrency=1)
    wait_until(lambda: _finished_writes(tree) >= writes, f"{writes} writes")
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    tree.clear_faults()
    between = tree.contents()
    assert set(between.values()) <= {*OLD.values(), *NEW.values(), "x"}
    assert tree.manifest_state() == ("writing" if writes else "complete")
    result = tree.sync(source=str(source))
    assert not tree.waited()
    assert not result.get("failed"), result["msg"]
    assert tree.contents() == NEW
    assert not tree.sync(source=str(source))["changed"]


def _finished_writes(tree: Tree) -> int:
    return sum(entry["method"] in ("POST", "DELETE") for entry in tree.journal()[tree.looked_at :])


def test_what_a_killed_run_wrote_is_owned_by_the_next(tree: Tree, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", NEW)
    tree.fault("storage.objects.insert", kind="delay", delay=30, after=6)
    process = tree.start_process(source, tmp_path / "arguments.json", concurrency=1)
    wait_until(lambda: _finished_writes(tree) >= 6, "6 writes")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    tree.clear_faults()
    assert len(tree.contents()) >= 5
    tree.sync(content={"other": "x"})
    assert tree.contents() == {"other": "x"}


def test_ctrl_c_lets_the_next_run_start_at_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.sync(content=OLD)

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tree_execute.TreeExecutor, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tree.sync(content=NEW)
    monkeypatch.undo()
    assert tree.manifest_state() == "interrupted"


def test_the_loser_of_two_runs_that_start_together(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run finishes between our listing and our lock."""
    tree.sync(content=OLD)
    plan_tree = tree_sync.plan_tree

    def other_run_first(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(tree_sync, "plan_tree", plan_tree)
        assert len(tree.sync(content=NEW)["updated"]) == 12
        return plan_tree(*arguments, **options)

    monkeypatch.setattr(tree_sync, "plan_tree", other_run_first)
    result = tree.sync(content={"third": "x"})
    assert result["failed"]
    assert "Somebody else is writing" in result["msg"]
    assert tree.contents() == NEW
    assert not tree.sync(content=NEW)["changed"]


def test_a_run_that_meets_a_running_one_fails_and_changes_nothing(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.sync(content=OLD)
    monkeypatch.setattr(tree_sync, "TreeLock", functools.partial(tree_lock.TreeLock, renewal_interval=0.3))
    tree.fault("storage.objects.insert", kind="delay", delay=0.5, after=1)
    results = []
    first = threading.Thread(target=lambda: results.append(tree.sync(content=NEW, concurrency=1)))
    first.start()
    wait_until(lambda: tree.manifest_state() == "writing", "the first run's lock")
    second = tree.sync(content={"third": "x"})
    first.join()
    assert "holds its lock" in second["msg"]
    assert not second["changed"]
    assert len(results[0]["updated"]) == 12
    assert tree.contents() == NEW


def test_a_run_whose_lock_was_taken_over_stops(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run is taken for dead (its lease is cut to nothing) while it still writes: it must stop, not mix."""
    tree.sync(content=OLD)
    monkeypatch.setattr(tree_lock, "LEASE", -1.0)
    monkeypatch.setattr(tree_sync, "TreeLock", functools.partial(tree_lock.TreeLock, renewal_interval=0.2))
    tree.fault("storage.objects.insert", kind="delay", delay=0.5, after=1)
    results = []
    first = threading.Thread(target=lambda: results.append(tree.sync(content=NEW, concurrency=1)))
    first.start()
    wait_until(lambda: tree.manifest_state() == "writing", "the first run's lock")
    second = tree.sync(content={"third": "x"}, concurrency=1)
    first.join()
    failed = [result for result in (results[0], second) if result.get("failed")]
    assert failed
    assert all("Somebody else is writing" in result["msg"] for result in failed)


def test_two_processes_at_once_never_mix(tree: Tree, tmp_path: Path) -> None:
    tree.sync(content=OLD)
    sources = [
        write_files(tmp_path / side, {f"f{n:02d}": f"{side} {n}" for n in range(12)}) for side in ("left", "right")
    ]
    processes = [
        tree.start_process(source, tmp_path / f"{number}.json", concurrency=4) for number, source in enumerate(sources)
    ]
    results = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert not all(result.get("failed") for result in results)
    for result in results:
        assert not result.get("failed") or "Somebody else is writing" in result["msg"]
    sides = {text.split(" ")[0] for text in tree.contents().values()}
    assert len(sides) == 1
    assert tree.manifest_state() == "complete"


@pytest.mark.parametrize("content", [NEW, {"other": "x"}], ids=["update", "delete"])
def test_an_object_written_by_somebody_else_after_the_listing_is_left_alone(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, content: dict[str, str]
) -> None:
    tree.sync(content=OLD)
    _change_after_plan(monkeypatch, lambda: tree.put("f03", "urgent repair"))
    result = tree.sync(content=content)
    assert "some/prefix/f03 was changed after this run had listed it" in result["msg"]
    assert result["error"]["cause"] == "ConcurrentWriterError"
    assert tree.read("f03") == "urgent repair"


def _change_after_plan(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    acquire = tree_lock.TreeLock.acquire

    def change_then_acquire(lock: Any, *arguments: Any) -> None:
        change()
        acquire(lock, *arguments)

    monkeypatch.setattr(tree_lock.TreeLock, "acquire", change_then_acquire)


def test_a_file_that_changes_before_it_is_sent(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_files(tmp_path / "s", {"a": "planned", "b": "x"})
    _change_after_plan(monkeypatch, lambda: (source / "a").write_text("changed"))
    result = tree.sync(source=str(source))
    assert result["error"]["cause"] == "FileChangedError"
    assert f"{source}/a changed while the tree was being uploaded" in result["msg"]
    assert "a" not in tree.objects()
    monkeypatch.undo()


def test_the_server_refuses_bytes_that_are_not_the_planned_ones(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file changes between our last look and the socket: only the checksum sent with it can tell."""
    source = write_files(tmp_path / "s", {"a": "planned"})

    def other_bytes(_wanted: object) -> bytes:
        (source / "a").write_text("changed")
        return b"changed"

    monkeypatch.setattr(tree_execute, "read_planned", other_bytes)
    result = tree.sync(source=str(source))
    assert result["error"]["cause"] == "FileChangedError"
    assert tree.objects() == {}


def test_a_large_file_that_changes_while_it_is_sent(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s/big"
    path.parent.mkdir()
    path.write_bytes(b"a" * (8 * 1024 * 1024 + 10))
    _change_after_plan(monkeypatch, lambda: path.write_bytes(b"b" * (8 * 1024 * 1024 + 10)))
    result = tree.sync(source=str(path.parent))
    assert result["error"]["cause"] == "FileChangedError"
    assert tree.objects() == {}


@pytest.mark.parametrize("fault", [{"status": 503}, {"kind": "reset"}], ids=["503", "reset"])
def test_a_large_upload_goes_on_after_a_fault(tree: Tree, tmp_path: Path, fault: dict[str, Any]) -> None:
    data = os.urandom(8 * 1024 * 1024 * 3 + 10)
    path = tmp_path / "s/big"
    path.parent.mkdir()
    path.write_bytes(data)
    tree.fault("storage.objects.insert", count=2, after=2, **fault)
    result = tree.sync(source=str(path.parent))
    assert not result.get("failed"), result["msg"]
    assert not tree.sync(source=str(path.parent))["changed"]
    assert int(tree.objects()["big"]["size"]) == len(data)


def test_long_pushes_report_progress(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    executor = functools.partial(tree_execute.TreeExecutor, progress_interval=0.1)
    monkeypatch.setattr(
        tree_sync,
        "TreeExecutor",
        lambda storage, policy, concurrency, _progress: executor(storage, policy, concurrency, lines.append),
    )
    tree.fault("storage.objects.insert", kind="delay", delay=0.1)
    tree.sync(content=NEW, concurrency=2)
    assert lines
    assert "of 12 changes made" in lines[0]
