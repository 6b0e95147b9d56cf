"""A localcloud of the tests' own: state under a temporary directory, a free port, sessions that lead to it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from localcloud import supervise
from localcloud.environment import merged_environment
from localcloud.settings import Settings

COMMAND = str(Path(sys.executable).parent / "localcloud")


@dataclass
class Server:
    """A running localcloud and how tests talk to it."""

    home: Path
    engine: str = "process"

    @property
    def settings(self) -> Settings:
        """Settings with the home of this server."""
        return Settings(self.home)

    @property
    def process(self) -> dict[str, Any]:
        """What the server wrote about itself: pid, port, secret."""
        found = supervise.read_process_file(self.settings)
        assert found is not None, "the server is not up"
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead a client here, without the process's own."""
        return json.loads((self.home / "environment.json").read_text())

    def command(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the `localcloud` command against this home."""
        result = subprocess.run(
            [COMMAND, *arguments],
            env={**os.environ, "LOCALCLOUD_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check:
            assert result.returncode == 0, f"localcloud {arguments}: {result.stdout}{result.stderr}"
        return result

    def client(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run any client led here, such as gcloud."""
        return subprocess.run(
            command,
            env=merged_environment(self.environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def up(self) -> None:
        """Start it (again)."""
        self.command("up", "--port", "0", "--engine", self.engine)

    def down(self) -> None:
        """Stop it in good order."""
        self.command("down")

    def kill(self) -> None:
        """Kill the server process the hard way, and see it gone."""
        process = os.pidfd_open(self.process["pid"])
        signal.pidfd_send_signal(process, signal.SIGKILL)
        # Readable once it has ended, whether or not anybody has reaped it.
        assert select.select([process], [], [], 10)[0]
        os.close(process)

    def anonymous_session(self) -> requests.Session:
        """Return a session that reaches this server without credentials."""
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"https": f"http://127.0.0.1:{self.process['port']}"}
        session.verify = str(self.home / "ca.pem")
        return session

    def session(self) -> requests.Session:
        """Return a session with an access token of the service account, from the real token endpoint."""
        session = self.anonymous_session()
        session.headers["Authorization"] = f"Bearer {self.token()}"
        return session

    def token(self) -> str:
        """Exchange a fresh assertion of the service account for an access token."""
        # google-auth signs and posts exactly what any Google client does.
        from google.auth.transport.requests import Request
        from google.oauth2 import service_account

        credentials = service_account.Credentials.from_service_account_file(
            str(self.home / "service-account.json"), scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
        credentials.refresh(Request(session=self.anonymous_session()))
        return credentials.token

    def control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Call the control API."""
        return supervise.call(self.process, method, path, body)

    @contextlib.contextmanager
    def fault(self, **description: Any) -> Iterator[None]:
        """Inject a fault for the length of a block."""
        added = self.control("POST", "/localcloud/faults", description)
        try:
            yield
        finally:
            self.control("DELETE", f"/localcloud/faults/{added['id']}")

    def journal(self) -> list[dict[str, Any]]:
        """Return all journalled requests, oldest first."""
        result = self.command("requests", "--json", check=False)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def operation(self, url: str, session: requests.Session, seconds: float = 20) -> dict[str, Any]:
        """Poll an operation until it is done; return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            operation = session.get(url).json()
            if operation.get("done"):
                return operation
            time.sleep(0.05)
        raise AssertionError(f"not done within {seconds} s: {operation}")


def start_server(home: Path, engine: str = "process") -> Server:
    """Return a server freshly started in `home`."""
    server = Server(home, engine)
    server.up()
    return server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as usable as they found it; use names of your own for resources."""
    started = start_server(tmp_path_factory.mktemp("localcloud") / "home")
    yield started
    started.command("down", check=False)


@pytest.fixture(scope="session")
def yarn_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose clusters are real YARN daemons; skips, saying what is missing, where they cannot be had."""
    from localcloud.dataproc.engines import find_runtime

    home = tmp_path_factory.mktemp("yarn") / "home"
    runtime, why = find_runtime(Settings(home))
    if runtime is None:
        pytest.skip(f"SKIPPED, needs real YARN daemons: {why}")
    started = start_server(home, "yarn")
    yield started
    started.command("down", check=False)


@pytest.fixture(scope="session")
def podman_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose nodes are containers; skips, saying what is missing, where they cannot be had."""
    from localcloud.dataproc.engines import find_runtime
    from localcloud.hadoop import HadoopError
    from localcloud.podman.images import image_of

    home = tmp_path_factory.mktemp("podman") / "home"
    try:
        find_runtime(Settings(home, engine="podman"))
        image_of("2.3-debian12")
    except HadoopError as problem:
        pytest.skip(f"SKIPPED, needs nodes in containers: {problem}")
    started = start_server(home, "podman")
    yield started
    started.command("down", check=False)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, for tests that kill it, stop it or fill its disk."""
    started = start_server(tmp_path / "home")
    yield started
    started.command("down", check=False)


@pytest.fixture(scope="session")
def session(server: Server) -> requests.Session:
    """A session with a token, for the shared server."""
    return server.session()
