"""ansible-playbook as a person runs it, in a process of its own with a terminal, for tests that stop it."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from pathlib import Path

import pytest

from tests.integration.google import PROJECT, REGION
from tests.integration.processes import kill_family

_REPOSITORY = Path(__file__).parents[2]


class Play:
    """A playbook of one task that runs in a process of its own, with a terminal as its person has one.

    ``environment`` is that of a client of the cloud, with the project's tools on its PATH.
    """

    def __init__(self, environment: dict[str, str], directory: Path, task: str) -> None:
        playbook = directory / "play.yml"
        playbook.write_text(
            "- hosts: localhost\n"
            "  gather_facts: false\n"
            "  module_defaults:\n"
            f"    group/dataplatform.compute.compute: {{project: {PROJECT}, region: {REGION}, poll: 0.5}}\n"
            "  tasks:\n"
            f"    - {task}\n"
        )
        self._controller, terminal = pty.openpty()
        self.process = subprocess.Popen(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", str(playbook)],
            cwd=_REPOSITORY,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        self._pieces: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._controller, 65536):
                self._pieces.append(piece)
        except OSError:
            return

    @property
    def shown(self) -> str:
        """What the terminal shows."""
        return b"".join(self._pieces).decode(errors="replace")

    def wait(self, seconds: float) -> int:
        """The exit status; fails if it does not end."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"ansible-playbook has not ended after {seconds} s:\n{self.shown[-3000:]}")
        self._reader.join(2)
        return status

    def close(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._controller)

    def kill_everything(self) -> None:
        """Kill ansible-playbook and all it started, as a machine that goes down does: nothing can clean up."""
        kill_family(self.process.pid)
        self.process.wait(10)
