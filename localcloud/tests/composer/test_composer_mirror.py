"""The bucket and the disk: what Airflow sees, when, and what comes back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from localcloud.composer.mirror import DELAY_SECONDS, Mirror

from .conftest import Desk

BUCKET = "env-bucket"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "environment" / "gcs"
    for name in ("dags", "plugins", "data", "logs"):
        (path / name).mkdir(parents=True)
    return path


@pytest.fixture
def mirror(desk: Desk, directory: Path) -> Mirror:
    desk.storage.ensure_bucket(BUCKET, "local-project", "europe-west1")
    return Mirror(desk.storage, desk.clock, BUCKET, directory)


def put(desk: Desk, name: str, content: bytes = b"1") -> None:
    desk.storage.write_object(BUCKET, name, content)


def later(desk: Desk, mirror: Mirror) -> None:
    mirror.pull()
    desk.pass_time(DELAY_SECONDS)
    mirror.pull()


def settle(path: Path) -> None:
    """Make a file look as if it had been written some time ago."""
    os.utime(path, (time.time() - 60, time.time() - 60))


def test_dags_arrive_after_the_delay_and_data_at_once(desk, mirror, directory):
    put(desk, "dags/a/b.py")
    put(desk, "data/v.json")
    mirror.pull()
    assert (directory / "data/v.json").read_bytes() == b"1"
    desk.pass_time(DELAY_SECONDS - 1)
    mirror.pull()
    assert not (directory / "dags/a").exists()
    desk.pass_time(1)
    mirror.pull()
    assert (directory / "dags/a/b.py").read_bytes() == b"1"


def test_a_file_is_newer_than_any_look_at_the_one_before(desk, mirror, directory, monkeypatch):
    """Airflow reads a file again if its time is after the last look; it may look while the new one is being written."""
    put(desk, "dags/a.py")
    later(desk, mirror)
    looked = 0
    replace = Path.replace

    def look_and_replace(self: Path, target: Path) -> Path:
        nonlocal looked
        if target.name == "a.py":
            time.sleep(0.01)
            looked = time.time_ns()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look_and_replace)
    put(desk, "dags/a.py", b"2")
    later(desk, mirror)
    assert (directory / "dags/a.py").read_bytes() == b"2"
    assert (directory / "dags/a.py").stat().st_mtime_ns > looked > 0


def test_changes_and_deletions_follow_after_the_delay_too(desk, mirror, directory):
    put(desk, "dags/a/b.py")
    later(desk, mirror)
    put(desk, "dags/a/b.py", b"2")
    mirror.pull()
    assert (directory / "dags/a/b.py").read_bytes() == b"1"
    later(desk, mirror)
    assert (directory / "dags/a/b.py").read_bytes() == b"2"
    desk.storage.delete_object(BUCKET, "dags/a/b.py")
    mirror.pull()
    assert (directory / "dags/a/b.py").exists()
    later(desk, mirror)
    assert not (directory / "dags/a").exists()
    assert (directory / "dags").is_dir()


def test_a_file_is_replaced_and_never_written_in_place(desk, mirror, directory):
    put(desk, "dags/a.zip", b"x" * 100_000)
    later(desk, mirror)
    with (directory / "dags/a.zip").open("rb") as opened:
        put(desk, "dags/a.zip", b"y" * 100_000)
        later(desk, mirror)
        assert set(opened.read()) == {ord("x")}
    assert set((directory / "dags/a.zip").read_bytes()) == {ord("y")}
    assert list(directory.with_name("incoming").iterdir()) == []


@pytest.mark.parametrize("name", ["dags/../../escaped.py", "dags/./x.py", "dags//x.py", "dags/x/"])
def test_names_that_are_no_files_stay_in_the_bucket(desk, mirror, directory, name):
    put(desk, name)
    put(desk, "dags/good.py")
    later(desk, mirror)
    found = [path.name for path in directory.parent.parent.rglob("*") if path.is_file() and path.suffix == ".py"]
    assert found == ["good.py"]


def test_a_folder_under_the_name_of_a_file_does_not_stop_the_rest(desk, mirror, directory):
    for name in ("dags/a", "dags/a/b.py", "dags/c.py"):
        put(desk, name)
    later(desk, mirror)
    assert (directory / "dags/c.py").exists()


def test_what_airflow_writes_to_data_and_logs_comes_to_the_bucket(desk, mirror, directory):
    for name in ("data/out/x.csv", "logs/dag_id=d/attempt=1.log", "dags/not.py"):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"local")
        settle(path)
    mirror.push()
    assert desk.storage.read_object(BUCKET, "data/out/x.csv") == b"local"
    assert desk.storage.read_object(BUCKET, "logs/dag_id=d/attempt=1.log") == b"local"
    assert not desk.storage.object_exists(BUCKET, "dags/not.py")
    (directory / "data/out/x.csv").unlink()
    mirror.push()
    assert not desk.storage.object_exists(BUCKET, "data/out/x.csv")


def test_a_file_that_is_being_written_is_left_alone(desk, mirror, directory):
    with (directory / "data/x").open("wb") as stream:
        stream.write(b"half")
        stream.flush()
        settle(directory / "data/x")
        mirror.push()
        assert not desk.storage.object_exists(BUCKET, "data/x")
        stream.write(b" and the rest")
    mirror.push()
    assert not desk.storage.object_exists(BUCKET, "data/x")
    settle(directory / "data/x")
    mirror.push()
    assert desk.storage.read_object(BUCKET, "data/x") == b"half and the rest"


def test_files_that_are_the_same_are_not_sent_back_and_forth(desk, mirror, directory):
    put(desk, "data/x")
    mirror.pull()
    settle(directory / "data/x")
    before = desk.storage.list_objects(BUCKET, "data/")
    again = Mirror(desk.storage, desk.clock, BUCKET, directory)
    again.push()
    pushed = desk.storage.list_objects(BUCKET, "data/")
    assert pushed != before  # its time was changed above, which counts as a change
    again.push()
    again.pull()
    assert desk.storage.list_objects(BUCKET, "data/") == pushed


def test_a_new_server_knows_what_is_the_same(desk, mirror, directory):
    put(desk, "data/x")
    put(desk, "dags/d.py")
    later(desk, mirror)
    desk.storage.delete_object(BUCKET, "data/x")
    Mirror(desk.storage, desk.clock, BUCKET, directory).pull()
    assert not (directory / "data/x").exists()
    assert (directory / "dags/d.py").exists()
