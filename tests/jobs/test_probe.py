"""The probe's job: what a node says of itself, containers that report and wait, a node that leaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import node_facts
import pytest
from dask_on_yarn.options import parse
from look_around import Departure, Seen, container_facts, main, watch_departure
from probe_application import natural
from probe_containers import Container, Containers, Work

PROGRAM = Path(node_facts.__file__)


def test_a_node_prints_texts_on_one_line_and_changes_nothing(tmp_path: Path) -> None:
    """As an initialization action is run: by itself, with next to no environment, somewhere."""
    environment = {"PATH": os.defpath, "GCE_METADATA_HOST": "127.0.0.1:9"}
    ended = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (line,) = ended.stdout.splitlines()
    facts = json.loads(line)
    assert all(isinstance(value, str) for value in facts.values())
    assert (facts["role"], facts["machine"]) == ("none", "no")
    assert list(tmp_path.iterdir()) == []


def test_only_a_machine_of_its_own_says_what_its_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    assert not {"user", "account.yarn", "squashfs", "kinit"} & set(node_facts.facts())
    monkeypatch.delenv("GCE_METADATA_HOST")
    monkeypatch.setattr(node_facts, "metadata", lambda _path: "dataproc-role other")
    facts = node_facts.facts()
    assert facts["user"] == node_facts.account_name(os.geteuid())
    assert facts["attributes"] == "dataproc-role"
    assert {facts["squashfs"], facts["loop"]} <= {"yes", "no"}


def test_owners_and_modes_are_told_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o640)
    file.chmod(0o640)
    user = node_facts.account_name(os.geteuid())
    assert node_facts.owner_and_mode(file) == f"{user}:{node_facts.group_name(file.stat().st_gid)} 0640"
    assert node_facts.owner_and_mode(tmp_path / "absent") == "none"
    assert node_facts.account("no-such-account") == "none"
    assert node_facts.daemon("no-such-unit") == {"state": "none", "user": "none"}


def test_the_configuration_is_the_systems_by_whatever_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(node_facts, "SYSTEM_CONF_DIRECTORY", str(tmp_path / "conf"))
    (tmp_path / "real").mkdir()
    (tmp_path / "conf").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path / "real"))
    assert node_facts.configuration_directory() == str(tmp_path / "conf")
    monkeypatch.setenv("HADOOP_CONF_DIR", "/elsewhere")
    assert node_facts.configuration_directory() == "/elsewhere"


def test_a_container_reports_and_stays_until_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NM_HOST", "node-7")
    monkeypatch.setattr(node_facts, "facts", lambda: {"user": "yarn"})
    containers = Containers("127.0.0.1")
    work = threading.Thread(target=Work(containers.address, containers._secret), args=(iter([0]),))
    work.start()
    (container,) = containers.reported(1, 30)
    assert (container.host, container.facts) == ("node-7", {"user": "yarn"})
    assert work.is_alive()
    container.release()
    work.join(30)
    assert not work.is_alive()
    containers.close()


@pytest.mark.parametrize("said", [b'{"secret": "guessed", "host": "h", "facts": {}}\n', b"hello\n", b""])
def test_who_does_not_know_the_secret_is_no_container(said: bytes) -> None:
    containers = Containers("127.0.0.1")
    with socket.create_connection(containers.address, timeout=30) as stranger:
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        assert containers.reported(1, 1) == []
        assert stranger.recv(1) == b""
    containers.close()


def test_what_containers_say_is_told_once_where_they_agree() -> None:
    options = parse(["--script", "none", "--owner", "ada", "--workload", "probe", "--max-workers", "3"])
    sockets = [socket.socket() for _ in range(2)]
    containers = [
        Container("a", {"user": "yarn", "python": "3.11.2"}, sockets[0]),
        Container("b", {"user": "yarn", "python": "3.12.1"}, sockets[1]),
    ]
    assert container_facts(containers, options) == {
        "containers": "2 of 3",
        "container.user": "yarn",
        "container.python": "3.11.2, 3.12.1",
    }
    for each in sockets:
        each.close()


class Manager:
    """A ResourceManager with one node that is leaving and has one container until that is given back."""

    def __init__(self, container: Container, *, master_host: str = "b", frees: bool = True) -> None:
        self._container = container
        self._master_host = master_host
        self._frees = frees

    def nodes(self, states: list[str]) -> list[Any]:
        """The node."""
        given_back = self._frees and self._container.connection.fileno() == -1
        node = type("Node", (), {"id": "a:1", "host": "a", "containers": 0 if given_back else 1})()
        return [node] if "DECOMMISSIONING" in states else []

    def application(self, _application_id: str) -> Any:
        """The application, which runs."""
        return type("Application", (), {"master_host": self._master_host, "state": "RUNNING"})()


def departed(**options: Any) -> tuple[Seen, Container]:
    """What is seen of a departure, and the container on the leaving node."""
    container = Container("a", {}, socket.socket())
    seen = Seen()
    watch_departure(Departure(Manager(container, **options), "application_1", [container], 1.0), seen)
    return seen, container


def test_the_container_of_a_leaving_node_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("look_around.LEAVE_SECONDS", 0.0)
    seen, _container = departed()
    assert seen.missing == {}
    assert seen.results["departure.freed"] == "yes"
    assert seen.results["departure.left"] == "not within 0 s"
    assert seen.results["departure.application"] == "RUNNING"
    stuck, _container = departed(frees=False)
    assert stuck.results["departure.freed"] == "not within 1 s"


def test_a_node_with_the_application_master_settles_nothing() -> None:
    seen, container = departed(master_host="a")
    assert seen.results == {}
    assert "application master" in seen.missing["departure"]
    assert container.connection.fileno() != -1
    container.connection.close()


def test_nodes_are_sorted_by_their_numbers() -> None:
    assert sorted(["c-w-10", "c-w-9", "c-m"], key=natural) == ["c-m", "c-w-9", "c-w-10"]


def test_without_yarn_the_job_still_says_what_the_master_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written: dict[str, str] = {}
    monkeypatch.setattr("probe_bucket.write", written.__setitem__)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path / "absent"))
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    options = ["--script", "none", "--owner", "ada", "--workload", "probe"]
    assert main(["--results", "gs://b/r.json", "--", *options]) == 0
    document = json.loads(written["gs://b/r.json"])
    assert document["results"]["master.machine"] == "no"
    assert "absent" in document["missing"]["yarn"]
    assert len(capsys.readouterr().out) > 300_000
