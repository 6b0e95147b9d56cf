"""One local cloud for all integration tests of a run, in a state directory of its own; the user's is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.play import Play

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent

WITHOUT_AIRFLOW = ("-e", '{"platform_composer": null}')
"""For plays whose tests are about something else: a real Airflow takes half a minute and a core of its own."""


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud: its state directory and the environment that makes a process its client."""

    home: Path
    environment: dict[str, str]

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``localcloud ARGUMENTS``; stdout and stderr come back as text."""
        return run([str(TOOLS / "localcloud"), *arguments], self.environment_without_proxy(), check=check)

    def run(
        self, *command: str, check: bool = True, timeout: float = 300, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a client of this cloud, from the repository's root."""
        return run(list(command), {**self.client_environment(), **variables}, check=check, timeout=timeout)

    def client_environment(self) -> dict[str, str]:
        """Return the environment of a client process: the caller's, overridden by the cloud's."""
        return {**self.environment_without_proxy(), **self.environment}

    def environment_without_proxy(self) -> dict[str, str]:
        """Return the caller's environment with this cloud's state directory and the project's tools first on PATH."""
        return {**os.environ, "LOCALCLOUD_HOME": str(self.home), "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}

    def requests(self) -> list[dict]:
        """Return the journal: one entry per request served since it was last cleared."""
        return [json.loads(line) for line in self.cli("requests", "--json").stdout.splitlines()]

    def clear_requests(self) -> None:
        """Forget the journal, so that the next :meth:`requests` counts from here."""
        self.cli("requests", "--clear")


def run(
    command: list[str], environment: dict[str, str], *, check: bool = True, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command from the repository's root; a failure shows both streams."""
    completed = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and completed.returncode != 0:
        pytest.fail(f"{' '.join(command)} exited {completed.returncode}\n{completed.stdout}\n{completed.stderr}")
    return completed


@pytest.fixture(scope="session", name="running_localcloud")
def started_localcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud on a free port, stopped at the end of the run."""
    home = tmp_path_factory.mktemp("localcloud") / "home"
    cloud = LocalCloud(home=home, environment={})
    # These tests are about what is asked and answered: clusters without YARN come up at once.
    cloud.cli("up", "--port", "0", "--engine", "process")
    try:
        environment = json.loads((home / "environment.json").read_text())
        yield LocalCloud(home=home, environment=environment)
    finally:
        cloud.cli("down", check=False)


@pytest.fixture(scope="module")
def localcloud(running_localcloud: LocalCloud) -> LocalCloud:
    """The local cloud, with nothing in it of other files: which ran before depends on how they are distributed."""
    running_localcloud.cli("reset", "--yes")
    return running_localcloud


@pytest.fixture
def empty_localcloud(localcloud: LocalCloud) -> LocalCloud:
    """The same local cloud with every resource, fault and journal entry forgotten."""
    localcloud.cli("reset", "--yes")
    return localcloud


@pytest.fixture
def play(localcloud: LocalCloud, tmp_path: Path) -> Iterator[Callable[[str], Play]]:
    """A function that starts a play of one task."""
    plays: list[Play] = []

    def start(task: str) -> Play:
        plays.append(Play(localcloud.client_environment(), tmp_path, task))
        return plays[-1]

    yield start
    for one in plays:
        one.close()
