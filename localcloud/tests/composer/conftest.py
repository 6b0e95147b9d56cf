"""Composer in this process with an Airflow that only notes what it is told, and one real environment for the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from localcloud import storage
from localcloud.clock import Clock
from localcloud.composer.configuration import AirflowSpec, Paths
from localcloud.composer.environments import Environments
from localcloud.composer.names import parse_name
from localcloud.composer.processes import AirflowError
from localcloud.faults import Faults
from localcloud.operations import Operations
from localcloud.settings import Settings, default_airflow_python
from localcloud.store import Store

from ..conftest import Server, start_server

API = "https://composer.googleapis.com/v1"
PARENT = "projects/local-project/locations/europe-west1"
CREATE = "composer.projects.locations.environments.create"


class NotedAirflow:
    """Stands for the processes of environments: notes what is started and stopped."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.started: list[AirflowSpec] = []
        self.stopped: list[str] = []
        self.removed: list[str] = []
        self.broken = ""
        self.absent = ""
        self._lock = threading.Lock()

    def missing(self) -> str:
        return self.absent

    def paths(self, directory: str) -> Paths:
        return Paths(self._directory / directory)

    def start(self, spec: AirflowSpec) -> None:
        with self._lock:
            self.started.append(spec)
        if self.broken:
            raise AirflowError(self.broken)

    def stop(self, directory: str) -> None:
        self.stopped.append(directory)

    def remove(self, directory: str) -> None:
        self.removed.append(directory)


class Desk:
    """The parts that environments are made of, with a clock that is moved by hand."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home)
        self.settings.objects_directory.mkdir(parents=True)
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.clock = Clock("real", lambda: self.now)
        self.store = Store(":memory:")
        self.faults = Faults(self.store)
        self.operations = Operations(self.store, self.clock, self.faults)
        self.storage = storage.create_service(self.settings, self.store, self.clock)
        self.airflow = NotedAirflow(home / "composer")
        self.environments = Environments(
            self.settings, self.store, self.clock, self.operations, self.storage, self.airflow
        )

    def pass_time(self, seconds: float) -> None:
        """Let the clock go on."""
        self.now += timedelta(seconds=seconds)

    def create(self, identifier: str = "env", **body: Any) -> dict[str, Any]:
        """Create an environment; return its operation as it began."""
        name = f"{PARENT}/environments/{identifier}"
        return self.environments.create(PARENT, {"name": name, **body}, CREATE)

    def patch(self, mask: str, identifier: str = "env", **body: Any) -> dict[str, Any]:
        """Start an update."""
        method = CREATE.replace("create", "patch")
        return self.environments.patch(parse_name(f"{PARENT}/environments/{identifier}"), body, mask, method)

    def get(self, identifier: str = "env") -> dict[str, Any]:
        """Return an environment."""
        return self.environments.get(parse_name(f"{PARENT}/environments/{identifier}"))

    def end(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Let an operation's time pass; return it as it ended."""
        self.pass_time(1000)
        for _attempt in range(500):
            self.operations.tick()
            ended = self.operations.get(operation["name"])
            if ended.get("done"):
                return ended
            time.sleep(0.01)
        raise AssertionError(f"it does not end: {ended}")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Environments whose Airflow only takes notes."""
    return Desk(tmp_path / "home")


class RealEnvironment:
    """An environment of a running localcloud."""

    def __init__(self, server: Server, identifier: str) -> None:
        self.server = server
        self.id = identifier
        self.name = f"{PARENT}/environments/{identifier}"
        self.session: requests.Session = server.session()

    def call(self, method: str, path: str, body: Any = None, **parameters: str) -> dict[str, Any]:
        """Call the API; the answer must be good."""
        answer = self.session.request(method, f"{API}/{path}", json=body, params=parameters, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def wait(self, operation: dict[str, Any], seconds: float = 180) -> dict[str, Any]:
        """Wait for an operation; it must end well."""
        ended = self.server.operation(f"{API}/{operation['name']}", self.session, seconds)
        assert "error" not in ended, ended
        return ended

    @property
    def resource(self) -> dict[str, Any]:
        """The environment as it is."""
        return self.call("GET", self.name)

    @property
    def bucket(self) -> str:
        """Its bucket."""
        return self.resource["storageConfig"]["bucket"]

    @property
    def home(self) -> Path:
        """Its AIRFLOW_HOME."""
        return self.server.home / "composer" / "environments" / f"europe-west1_{self.id}"

    def run(self, *words: str, seconds: float = 120) -> tuple[int, str]:
        """Run a command of Airflow's command line; return its exit code and output."""
        command, *rest = words
        body = {"command": command, "subcommand": rest[0] if rest else "", "parameters": rest[1:]}
        started = self.call("POST", f"{self.name}:executeAirflowCommand", body)
        return self.poll(started, seconds)

    def poll(self, started: dict[str, Any], seconds: float = 120) -> tuple[int, str]:
        """Read a command's output to its end."""
        lines: list[str] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            body = {**started, "nextLineNumber": len(lines) + 1}
            answer = self.call("POST", f"{self.name}:pollAirflowCommand", body)
            for line in answer.get("output", []):
                assert line["lineNumber"] == len(lines) + 1
                lines.append(line.get("content", ""))
            if answer.get("outputEnd"):
                return answer["exitInfo"].get("exitCode", 0), "\n".join(lines)
            time.sleep(0.05)
        raise AssertionError(f"the command does not end: {lines}")

    def upload(self, name: str, content: bytes | str) -> None:
        """Put an object into the bucket."""
        url = f"https://storage.googleapis.com/upload/storage/v1/b/{self.bucket}/o"
        answer = self.session.post(url, params={"uploadType": "media", "name": name}, data=content, timeout=30)
        assert answer.ok, answer.text


def create_environment(server: Server, identifier: str) -> RealEnvironment:
    """Create an environment and wait until it is there."""
    environment = RealEnvironment(server, identifier)
    environment.wait(environment.call("POST", f"{PARENT}/environments", {"name": environment.name}), 180)
    return environment


@pytest.fixture(scope="session")
def airflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that can have environments; skips, saying what is missing, where it cannot."""
    if not default_airflow_python().exists():
        pytest.skip(f"SKIPPED, needs Airflow: {default_airflow_python()} does not exist; run `make setup`")
    # Sockets have paths of 107 characters at most: none may be made below this one.
    started = start_server(tmp_path_factory.mktemp("composer") / ("home-" + "x" * 80))
    yield started
    started.command("down", check=False)


@pytest.fixture(scope="session")
def environment(airflow_server: Server) -> RealEnvironment:
    """One real environment for all tests that leave it as usable as they found it."""
    return create_environment(airflow_server, "shared")
