"""The state directory: whose it is, which version wrote it, and how it is emptied."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from localcloud.dataproc import end_drivers, supervisor
from localcloud.home import HomeError, prepare_home
from localcloud.instance import Instance, reset_stopped
from localcloud.journal import Journal
from localcloud.settings import Settings
from localcloud.store import SCHEMA_VERSION, StateError, Store, recreate

from .conftest import Server

POLICIES = "https://dataproc.googleapis.com/v1/projects/local-project/regions/europe-west1/autoscalingPolicies"
# What the tables looked like when SCHEMA_VERSION was last raised.
TABLES = "500a51e22be0d9d6"


def query(path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


# threads


def test_threads_may_read_while_others_read_and_write(tmp_path):
    store = Store(tmp_path / "state.sqlite")
    for number in range(200):
        store.put(f"things/{number}", "things", {"number": number})

    def work(thread: int) -> bool:
        for number in range(100):
            assert len(store.list("things")) == 200
            assert store.get(f"things/{number}") is not None
            store.put(f"others/{thread}", "others", {"number": number})
            store.set_value("name", thread)
            assert store.get_value("name") is not None
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    store.close()


# versions


def test_a_change_of_the_tables_raises_the_version(tmp_path):
    """When this fails: raise SCHEMA_VERSION in store.py, and put the new digest above."""
    instance = Instance(Settings(tmp_path))
    instance.store.close()
    tables = query(tmp_path / "state.sqlite", "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    text = "\n".join(" ".join(sql.split()) for (sql,) in tables)
    assert (SCHEMA_VERSION, hashlib.sha256(text.encode()).hexdigest()[:16]) == (2, TABLES)


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1])
def test_the_tables_of_another_version_are_refused(tmp_path, version):
    path = tmp_path / "state.sqlite"
    Store(path).close()
    query(path, f"PRAGMA user_version = {version}")
    with pytest.raises(StateError) as caught:
        Store(path)
    for part in (str(path), f"version {version}, expected {SCHEMA_VERSION}", "localcloud reset"):
        assert part in str(caught.value)
    recreate(path)
    Store(path).close()


def test_a_damaged_database_is_refused(tmp_path):
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(StateError, match=r"damaged .*localcloud reset"):
        Store(path)
    recreate(path)
    with closing(Store(path)) as store:
        store.put("key", "things", {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_recreated_tables_are_todays_and_empty_but_for_named_values(tmp_path):
    path = tmp_path / "state.sqlite"
    with closing(Store(path)) as store:
        store.set_value("token_secret", "s")
        store.put("key", "things", {})
    query(path, "ALTER TABLE resources ADD COLUMN of_old TEXT NOT NULL DEFAULT ''")
    recreate(path)
    with closing(Store(path)) as store:
        assert store.get_value("token_secret") == "s"
        assert store.list("things") == []
        store.put("key", "things", {})


def test_up_refuses_another_versions_state_and_reset_helps(tmp_path):
    server = Server(tmp_path / "home")
    server.up()
    session = server.session()
    content = (server.home / "service-account.json").read_bytes()
    server.down()
    query(server.home / "state.sqlite", "PRAGMA user_version = 99")
    refused = server.command("up", "--port", "0", check=False)
    assert refused.returncode == 1
    assert "version 99" in refused.stderr
    assert "localcloud reset" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (server.home / "environment.json").exists()
    server.command("reset", "--yes")
    server.up()
    try:
        assert (server.home / "service-account.json").read_bytes() == content
        session.proxies = {"https": f"http://127.0.0.1:{server.process['port']}"}
        assert session.get(POLICIES).json() == {}
    finally:
        server.down()


# emptying without a server


def test_reset_of_a_stopped_instance_leaves_nothing_behind(tmp_path):
    settings = Settings(tmp_path)
    instance = Instance(settings)
    instance.store.put("key", "things", {})
    instance.store.close()
    (settings.objects_directory / "aa").mkdir()
    (settings.objects_directory / "aa" / "content").write_bytes(b"x")
    settings.journal_file.write_text("{}\n")
    (tmp_path / "requests.jsonl.1").write_text("{}\n")
    reset_stopped(settings)
    assert list(settings.objects_directory.iterdir()) == []
    assert not settings.journal_file.exists()
    assert not (tmp_path / "requests.jsonl.1").exists()
    assert query(settings.database_file, "SELECT count(*) FROM resources") == [(0,)]


def test_drivers_are_ended_by_their_directories_alone(tmp_path):
    directory = tmp_path / "job"
    directory.mkdir()
    plan = {"arguments": [sys.executable, "-c", "import time; print(1); time.sleep(600)"], "directory": str(directory)}
    supervisor.write_atomically(directory / supervisor.RUN_FILE, {**plan, "environment": {"PYTHONUNBUFFERED": "1"}})
    watcher = subprocess.Popen([sys.executable, "-m", "localcloud.dataproc.supervisor", str(directory)])
    try:
        while (
            not (directory / supervisor.OUTPUT_FILE).exists() or not (directory / supervisor.OUTPUT_FILE).stat().st_size
        ):
            assert watcher.poll() is None
        (driver,) = psutil.Process(watcher.pid).children()
        end_drivers(tmp_path)
        assert not driver.is_running()
        assert watcher.wait(5) == 0
    finally:
        watcher.kill()


def test_the_journal_forgets_its_older_file_too(tmp_path):
    journal = Journal(tmp_path / "requests.jsonl")
    older = tmp_path / "requests.jsonl.1"
    older.write_text("{}\n")
    journal.clear()
    assert not older.exists()


# whose directory


@pytest.mark.parametrize("name", ["jobs", "README.md", ".bashrc"])
def test_a_directory_of_somebody_elses_is_left_alone(tmp_path, name):
    tmp_path.chmod(0o755)
    (tmp_path / name).mkdir()
    with pytest.raises(HomeError) as caught:
        prepare_home(Settings(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert name in str(caught.value)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    refused = Server(tmp_path).command("up", "--port", "0", check=False)
    assert refused.returncode == 1
    assert name in refused.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_lock_of_a_server_that_starts_at_this_moment_is_not_somebody_elses_file(tmp_path, monkeypatch):
    settings, iterdir = Settings(tmp_path), Path.iterdir

    def start_and_list(directory):
        settings.lock_file.touch()
        return iterdir(directory)

    monkeypatch.setattr(Path, "iterdir", start_and_list)
    prepare_home(settings)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_home_may_be_new_empty_or_used_before(tmp_path):
    home = tmp_path / "home"
    for prepare in (lambda: None, (home / "server.log").touch, (home / "server.lock").touch, (home / "notes").touch):
        prepare()
        prepare_home(Settings(home))
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
