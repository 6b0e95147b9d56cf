"""The supervisor of one driver, as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcloud.dataproc.supervised import SupervisedProcesses

SLOW_WRITES = """
import sys, time
from pathlib import Path
from localcloud.dataproc import supervisor
write = supervisor.write_atomically
def write_slowly(path, content):
    time.sleep(0.3)
    write(path, content)
supervisor.write_atomically = write_slowly
supervisor.Supervisor(Path(sys.argv[1])).run()
"""


def plan(directory: Path, *arguments: str) -> None:
    content = {"arguments": list(arguments), "directory": str(directory), "environment": {"PATH": "/usr/bin:/bin"}}
    (directory / "run.json").write_text(json.dumps(content))


def supervise(directory: Path, program: str = "") -> int:
    """Run a supervisor to its end; return the exit code it recorded."""
    command = ["-c", program] if program else ["-m", "localcloud.dataproc.supervisor"]
    subprocess.run([sys.executable, *command, str(directory)], check=True, timeout=30)
    return json.loads((directory / "exit.json").read_text())["exit_code"]


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", -9)])
def test_the_exit_code_is_recorded(tmp_path: Path, command: str, code: int) -> None:
    plan(tmp_path, "sh", "-c", f"echo out; echo err >&2; {command}")
    assert supervise(tmp_path) == code
    assert (tmp_path / "driveroutput").read_text() == "out\nerr\n"


def test_a_driver_that_ends_before_its_start_is_recorded_is_not_waited_for_in_vain(tmp_path: Path) -> None:
    plan(tmp_path, "sh", "-c", "exit 5")
    assert supervise(tmp_path, SLOW_WRITES) == 5


def test_a_driver_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    plan(tmp_path, "/nowhere/python")
    assert supervise(tmp_path) == 127
    assert "/nowhere/python" in (tmp_path / "driveroutput").read_text()


def test_a_second_supervisor_changes_nothing(tmp_path: Path) -> None:
    plan(tmp_path, "sh", "-c", "echo once")
    assert supervise(tmp_path) == supervise(tmp_path) == 0
    assert (tmp_path / "driveroutput").read_text() == "once\n"


def test_nothing_is_started_after_a_request_to_end(tmp_path: Path) -> None:
    plan(tmp_path, "sh", "-c", "echo never")
    (tmp_path / "terminate").write_text("1")
    assert supervise(tmp_path) == -15
    assert not (tmp_path / "driveroutput").exists()


# Tells how its driver ended, and takes its time to be gone.
LINGERS = """
import sys, time
from pathlib import Path
from localcloud.dataproc import supervisor
while (held := supervisor.try_lock(Path(sys.argv[1]))) is None:
    time.sleep(0.005)
supervisor.write_atomically(Path(sys.argv[1]) / "exit.json", {"exit_code": 0})
time.sleep(5)
"""


def test_a_supervisor_that_another_server_started_is_waited_for(tmp_path: Path) -> None:
    directory = tmp_path / "driver"
    directory.mkdir()
    plan(directory, "sh", "-c", "exit 0")
    with subprocess.Popen([sys.executable, "-c", LINGERS, str(directory)]) as supervisor:
        processes = SupervisedProcesses(tmp_path)
        deadline = time.monotonic() + 60
        while not (directory / "exit.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert processes.status("driver").state == "exited"
        processes.end_all(1.0, 60.0)
        # The lock goes a moment before the process is gone.
        assert supervisor.wait(2) == 0
