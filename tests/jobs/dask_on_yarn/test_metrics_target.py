"""Announcements for the node's metrics agent, read by the agent's own code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_on_yarn import metrics_target
from node_metrics import targets

LABELS = {"owner": "ada", "workload": "flights-etl", "run": "job-1"}
ANNOUNCES = """
import sys, time
from pathlib import Path
from dask_on_yarn.metrics_target import announce
announced = announce("scheduler", "127.0.0.1:8787", {labels}, Path(sys.argv[1]))
print("there", flush=True)
time.sleep(600)
"""


def test_the_agent_finds_what_is_announced_until_it_is_withdrawn(tmp_path: Path) -> None:
    announced = metrics_target.announce("scheduler", "127.0.0.1:8787", LABELS, tmp_path)
    (found,), complaints = targets.find(tmp_path)
    assert (found.kind, found.host, found.port, found.labels) == ("scheduler", "127.0.0.1", 8787, LABELS)
    assert complaints == []
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o644
    announced.withdraw()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_takes_the_labels_of_its_run_from_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_target.announce, "__defaults__", (tmp_path,))
    environment = metrics_target.labels_for_workers(LABELS)
    metrics_target.announce_worker("worker-2", 40001, environment)
    ((found,), _complaints) = targets.find(tmp_path)
    assert (found.kind, found.labels) == ("worker", {**LABELS, "worker": "worker-2"})
    assert metrics_target.announce_worker("worker-2", 40001, {}) is None


def test_without_an_agent_nothing_is_written(tmp_path: Path) -> None:
    assert metrics_target.announce("scheduler", "127.0.0.1:8787", LABELS, tmp_path / "none") is None
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_full_or_closed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        metrics_target.announce("scheduler", "127.0.0.1:8787", LABELS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_announced_is_removed(tmp_path: Path) -> None:
    jobs = Path(metrics_target.__file__).parents[1]
    code = ANNOUNCES.replace("{labels}", json.dumps(LABELS))
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        env={**os.environ, "PYTHONPATH": str(jobs)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "there\n"
    assert len(targets.find(tmp_path)[0]) == 1
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert targets.find(tmp_path) == ([], [])
    assert list(tmp_path.iterdir()) == []


def announcement(**changes: object) -> str:
    """What a scheduler announces."""
    return json.dumps({"kind": "scheduler", "address": "127.0.0.1:8787", "labels": LABELS, "started": 1.5, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "Expecting value"),
        ("[]", "expected an object"),
        (announcement(kind="client"), "kind is 'client', expected one of scheduler, worker"),
        (announcement(kind="worker"), "expected owner, run, worker, workload"),
        (announcement(labels={**LABELS, "extra": "x"}), "labels are"),
        (announcement(labels={**LABELS, "owner": "a\nb"}), "label owner is"),
        (announcement(labels={**LABELS, "owner": "a" * 101}), "label owner is"),
        (announcement(labels={**LABELS, "owner": 7}), "label owner is 7"),
        (announcement(address="169.254.169.254:8080"), "expected one of this node"),
        (announcement(address="metadata.google.internal:8080"), "expected one of this node"),
        (announcement(address="0.0.0.0:8080"), "expected one of this node"),
        (announcement(address="127.0.0.1:80"), "port from 1024"),
        (announcement(address="127.0.0.1:8080/x"), "port from 1024"),
        (announcement(started=True), "started is True"),
        (announcement(started=0), "started is 0, expected seconds of the epoch up to now"),
        (announcement(started=-1.5), "started is -1.5"),
        (announcement(started=float("nan")), "started is nan"),
        (announcement(started=float("inf")), "started is inf"),
        (announcement(started=int("9" * 400)), "started is 999"),
        (announcement(started=time.time() + 7 * 86400), "started is"),
        ("[" * 4000, "expected an object"),
    ],
)
def test_what_users_could_write_there_is_checked(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        targets.parse(text)


def test_files_that_are_none_are_named_and_the_others_count(tmp_path: Path) -> None:
    import fcntl

    metrics_target.announce("scheduler", "127.0.0.1:8787", LABELS, tmp_path)
    (tmp_path / "a.json").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "b.json")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "c.json"))
    (tmp_path / "d.json").write_text("x" * 5000)
    (tmp_path / "e.json").write_text("no")
    held = (tmp_path / "e.json").open()
    fcntl.flock(held, fcntl.LOCK_EX)
    found, complaints = targets.find(tmp_path)
    assert [target.port for target in found] == [8787]
    names = [Path(complaint.partition(": ")[0].strip("'")).name for complaint in complaints]
    assert names == [f"{name}.json" for name in "abcde"]
    listener.close()
    held.close()


@pytest.mark.parametrize("name", [b"a\n<3>made up.json", b"\xff.json"])
def test_a_name_that_is_no_text_is_one_line_that_can_be_written(tmp_path: Path, name: bytes) -> None:
    (tmp_path / os.fsdecode(name)).mkdir()
    metrics_target.announce("scheduler", "127.0.0.1:8787", LABELS, tmp_path)
    found, (complaint,) = targets.find(tmp_path)
    assert len(found) == 1
    assert b"\n" not in complaint.encode()


def test_no_more_than_a_bearable_number_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "MOST", 2)
    for port in (8001, 8002, 8003):
        metrics_target.announce("scheduler", f"127.0.0.1:{port}", LABELS, tmp_path)
    found, complaints = targets.find(tmp_path)
    assert len(found) == 2
    assert "3 announcements, expected at most 2" in complaints[0]
