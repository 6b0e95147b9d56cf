"""``init-actions/lib/queues_taken.py`` as a program, against a ResourceManager that answers what a test says."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.init_actions.conftest import INIT_ACTIONS
from tests.unit.init_actions.test_yarn_queues import rendered

PROGRAM = INIT_ACTIONS / "lib" / "queues_taken.py"


def queue(name: str, *children: dict[str, Any], limit: int = 2147483647) -> dict[str, Any]:
    """A queue as the ResourceManager answers it."""
    return {"queueName": name, "maxApps": limit, "childQueues": {"queue": list(children)} if children else {}}


def taken(*more: dict[str, Any]) -> dict[str, Any]:
    """What it answers when it has taken the file: YARN's own queue and users' queues are there, too."""
    ada = queue("root.normal.ada")
    limits = {name: int(value) for name, value in LIMITS}
    queues = [queue(f"root.{name}", *([ada] if name == "normal" else []), limit=limits[name]) for name in limits]
    root = queue("root", queue("root.default"), *queues, *more)
    return {"scheduler": {"schedulerInfo": {"type": "fairScheduler", "rootQueue": root}}}


LIMITS = re.findall(r'<queue name="(\w+)"[^>]*>(?:(?!<queue).)*?<maxRunningApps>(\d+)<', rendered().decode(), re.DOTALL)


@dataclass
class Master:
    """A node: its configuration directory, and what its ResourceManager answers, last answer for ever."""

    conf: Path
    answers: list[Any] = field(default_factory=list)
    requests: int = 0
    before_answer: Callable[[], object] = lambda: None

    def check(self, seconds: str = "0") -> subprocess.CompletedProcess[str]:
        """Run the program."""
        return subprocess.run(
            [sys.executable, str(PROGRAM), "--seconds", seconds],
            env={"HADOOP_CONF_DIR": str(self.conf), "http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def put(self, address: str) -> None:
        """Say where the ResourceManager is."""
        values = {"yarn.resourcemanager.hostname": "127.0.0.1", "yarn.resourcemanager.webapp.address": address}
        rows = [f"<property><name>{name}</name><value>{value}</value></property>" for name, value in values.items()]
        (self.conf / "yarn-site.xml").write_text(f"<configuration>{''.join(rows)}</configuration>")


@pytest.fixture(name="master")
def master_with_a_resource_manager(tmp_path: Path) -> Iterator[Master]:
    """A master whose ResourceManager has taken the file."""
    master = Master(tmp_path, [taken()])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/ws/v1/cluster/scheduler"
            master.requests += 1
            master.before_answer()
            answer = master.answers.pop(0) if len(master.answers) > 1 else master.answers[0]
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200 if body else 503)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "fair-scheduler.xml").write_bytes(rendered())
    # As Dataproc writes it.
    master.put(f"${{yarn.resourcemanager.hostname}}:{server.server_port}")
    yield master
    server.shutdown()
    server.server_close()


def test_the_file_of_the_role_has_limits_to_look_for() -> None:
    assert dict(LIMITS).keys() == {"critical", "normal", "low"}


def test_a_file_that_was_taken_is_said_in_one_line(master: Master) -> None:
    done = master.check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"\S+Z queues_taken: the ResourceManager has taken 4 queues \(\d+\.\d\d s\)\n", done.stdout)
    assert master.requests == 1


def test_a_resource_manager_that_is_late_is_waited_for(master: Master) -> None:
    late = {"scheduler": {"schedulerInfo": {"type": "fairScheduler", "rootQueue": queue("root")}}}
    master.answers = [b"", b"{", late, taken()]
    done = master.check("30")
    assert done.returncode == 0, done.stdout
    assert master.requests == 4


def test_a_newer_file_that_comes_meanwhile_is_the_one_that_counts(master: Master) -> None:
    file = master.conf / "fair-scheduler.xml"
    file.write_bytes(rendered().replace(b'name="low"', b'name="lowest"'))
    master.before_answer = lambda: file.write_bytes(rendered())
    done = master.check("5")
    assert done.returncode == 0, done.stdout
    assert master.requests == 2


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """An answer of a ResourceManager that has taken something else."""
    answer = taken()
    change(answer["scheduler"]["schedulerInfo"])
    return answer


NOT_TAKEN: dict[str, tuple[Any, str]] = {
    "no queue": (changed(lambda info: info["rootQueue"]["childQueues"]["queue"].pop()), "it has no queue root.low"),
    "none": (changed(lambda info: info["rootQueue"].update(childQueues=None)), "no queue root.critical"),
    "another limit": (
        changed(lambda info: info["rootQueue"]["childQueues"]["queue"][1].update(maxApps=99)),
        "root.critical may run 99 applications, expected 3",
    ),
    "another scheduler": (changed(lambda info: info.update(type="capacityScheduler")), "'capacityScheduler', expected"),
    "no answer": (b"", "gives no answer"),
    "no JSON": (b"<html>", "gives no answer"),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_was_not_taken_is_an_error_in_the_journal(master: Master, name: str) -> None:
    answer, reason = NOT_TAKEN[name]
    master.answers = [answer]
    failed = master.check()
    assert failed.returncode == 10, failed.stdout
    (line,) = failed.stdout.splitlines()
    assert line.startswith("<3>"), "the journal takes it for information"
    assert "failed, NOT_TAKEN" in line
    assert reason in line


@pytest.mark.parametrize(
    ("name", "content", "code", "reason"),
    [
        ("fair-scheduler.xml", b"<allocations>", 10, "it is not XML"),
        ("fair-scheduler.xml", None, 5, "fair-scheduler.xml cannot be read: No such file"),
        ("yarn-site.xml", None, 5, "yarn-site.xml cannot be read"),
        ("yarn-site.xml", b"<configuration/>", 4, "expected HOST:PORT"),
    ],
)
def test_files_that_say_nothing(master: Master, name: str, content: bytes | None, code: int, reason: str) -> None:
    (master.conf / name).unlink()
    if content is not None:
        (master.conf / name).write_bytes(content)
    failed = master.check()
    assert failed.returncode == code, failed.stdout
    assert reason in failed.stdout


def test_it_runs_on_the_oldest_python_and_needs_only_the_standard_library() -> None:
    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 9))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
