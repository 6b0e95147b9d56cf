"""A host that reaches the file server, in a container: what playbooks/prepare_shared.yml logs in to."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.podman.commands import CONFIGURATION, podman
from localcloud.podman.images import image_of


@dataclass(frozen=True)
class FileServerClient:
    """The host; ``exports`` is what the stand-in for NFS shows it, by server, and ``inventory`` names it."""

    name: str
    exports: Path
    inventory: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        return subprocess.run(
            ["podman", "exec", self.name, *command],
            env={**os.environ, "CONTAINERS_CONF": str(CONFIGURATION)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextlib.contextmanager
def file_server_client(directory: Path, exports: Path) -> Iterator[FileServerClient]:
    """Start it; its inventory is written to ``directory``."""
    name = f"file-server-client-{uuid.uuid4().hex[:8]}"
    volume = f"--volume={exports}:/var/lib/localcloud/filestore"
    podman("run", "--detach", f"--name={name}", "--privileged", volume, image_of("2.3-debian12"), "sleep", "infinity")
    variables = {
        "ansible_connection": "containers.podman.podman",
        "ansible_python_interpreter": "/usr/bin/python3",
        # There is nobody to become root from: it is root who logs in.
        "ansible_become": False,
    }
    group = {"file_server_client": {"hosts": {name: variables}}}
    inventory = directory / "file_server_client.yml"
    inventory.write_text(json.dumps({"all": {"children": group}}))
    try:
        yield FileServerClient(name, exports, inventory)
    finally:
        podman("rm", "--force", "--time=0", name)
