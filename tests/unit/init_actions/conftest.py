"""What tests of the init actions share: a node without a machine, in a mount namespace with directories of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.init_actions.fake_google import Google, certificate, serve

INIT_ACTIONS = Path(__file__).parents[3] / "init-actions"
# What a node's scripts write, and where a test sees it.
PLACES = {"/opt": "opt", "/etc/systemd": "systemd", "/run": "run"}


@dataclass
class ShellNode:
    """A node: what its scripts are answered, and where what they write can be seen."""

    google: Google
    directory: Path
    environment: dict[str, str]
    preparation: list[str] = field(default_factory=list)

    @property
    def opt(self) -> Path:
        """The node's /opt."""
        return self.directory / "opt"

    @property
    def units(self) -> Path:
        """The node's /etc/systemd/system."""
        return self.directory / "systemd" / "system"

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command on the node; its process id is the command's own."""
        binds = [f"mount --bind '{self.directory / name}' {place}" for place, name in PLACES.items()]
        script = "; ".join(["set -e", *binds, *self.preparation, 'exec "$@"'])
        return subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "bash", "-c", script, "node", *map(str, command)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command on the node to its end."""
        process = self.start(*command)
        output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def shell(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run shell code with the functions of lib/node.sh."""
        return self.run("bash", "-c", f"source '{INIT_ACTIONS}/lib/node.sh'\n{text}", "shell")


@pytest.fixture(scope="session", name="cloud_authority")
def cloud_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a node trusts."""
    return certificate(tmp_path_factory.mktemp("authority"))


@pytest.fixture(name="shell_node")
def node_in_a_namespace(tmp_path: Path, cloud_authority: Path) -> Iterator[ShellNode]:
    """A worker with nothing on it."""
    probe = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "mount", "--bind", tmp_path, "/etc/systemd"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode:
        pytest.skip(f"a node of one's own needs mount namespaces and /etc/systemd: {probe.stderr.strip()}")
    google = Google(attributes={"dataproc-role": "Worker"})
    server = serve(google, cloud_authority)
    address = f"127.0.0.1:{server.server_address[1]}"
    for name in ("opt", "systemd/system", "run"):
        (tmp_path / name).mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "GCE_METADATA_HOST": address,
        "https_proxy": f"http://{address}",
        "http_proxy": "http://127.0.0.1:1",
        "CURL_CA_BUNDLE": str(cloud_authority),
    }
    yield ShellNode(google, tmp_path, environment)
    server.shutdown()
    server.server_close()
