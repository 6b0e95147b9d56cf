"""The run's directory: gone with the run, and with the next one when the launcher was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_on_yarn import run_directory as module
from dask_on_yarn.run_directory import PREFIX, remove_leftovers, run_directory

PACKAGE = str(Path(module.__file__).parents[1])
HOLD = """
import time
from dask_on_yarn.run_directory import run_directory

with run_directory() as directory:
    print(directory, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def parent(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def age(directory):
    old = time.time() - 2 * module.YOUNG_SECONDS
    os.utime(directory, (old, old))


def test_it_is_gone_with_the_run(parent):
    with run_directory() as directory:
        assert directory.parent == parent
        assert directory.stat().st_mode & 0o777 == 0o700
    assert list(parent.iterdir()) == []


def test_what_a_killed_launcher_left_goes_with_the_next_run(parent):
    environment = {**os.environ, "TMPDIR": str(parent), "PYTHONPATH": PACKAGE}
    process = subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True)
    directory = Path(process.stdout.readline().strip())
    age(directory)
    remove_leftovers(parent)
    assert directory.exists(), "its launcher still runs"
    process.send_signal(signal.SIGKILL)
    process.wait()
    remove_leftovers(parent)
    assert not directory.exists()


def test_only_old_directories_of_this_account_go(parent, monkeypatch):
    elsewhere = parent / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    (parent / f"{PREFIX}link").symlink_to(elsewhere)
    young = parent / f"{PREFIX}young"
    young.mkdir()
    remove_leftovers(parent)
    assert (elsewhere / "kept").exists()
    assert young.exists()
    age(young)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    remove_leftovers(parent)
    assert young.exists()
