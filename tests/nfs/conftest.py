"""A machine with a kernel that has NFS, on which the init action itself runs (``scripts/uml_run.sh``)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.nfs_mounts import bundle_files

REPOSITORY = Path(__file__).parents[2]
HARNESS = REPOSITORY / "scripts" / "uml_run.sh"
ACCOUNTS = {"yarn": {"uid": 2001, "gid": 2001}}
# A daemon of Hadoop that runs already when the init action changes something.
NODE_MANAGER = """
[Service]
ExecStart=/bin/sleep infinity
"""
# Dataproc's account, the init action, and a look at what is mounted and at the daemon.
PREPARE = """
groupadd --gid 2001 yarn && useradd --uid 2001 --gid 2001 yarn
mount_nodes() { /opt/dataplatform/bundle/nfs-mounts.sh; echo "code=$?"; }
source_of() { findmnt --noheadings --types nfs,nfs4 --output SOURCE,FSTYPE --mountpoint "$1"; }
start_daemon() { systemctl start hadoop-yarn-nodemanager; daemon; }
daemon() {
  echo "daemon=$(systemctl show --property ActiveState,MainPID --value hadoop-yarn-nodemanager | paste -sd' ')"
}
"""


@dataclass
class Answer:
    """What a machine said: its exit code and its lines."""

    code: int
    output: str

    def values(self, key: str) -> list[str]:
        """The values of all lines ``key=value``."""
        return re.findall(rf"^{key}=(.*)$", self.output, re.MULTILINE)


@dataclass
class Machine:
    """A machine whose disk outlives its runs, each of which is a boot."""

    directory: Path

    def install(self, path: str, content: str, mode: int = 0o644) -> None:
        """Put a file on it before it boots."""
        target = self.directory / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    def boot(self, script: str, seconds: int = 480) -> Answer:
        """Boot and run shell code; ``mount_nodes`` in it is the init action, ``/uml/serve.sh`` the file server."""
        file = self.directory / "script.sh"
        file.write_text(f"#!/bin/bash\nset -u\n{script}\n")
        done = subprocess.run(
            [HARNESS, "--seconds", str(seconds), "--files", self.directory / "files", "--disk", self.directory, file],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + 400,
            check=False,
        )
        if done.returncode == 126:
            pytest.skip(f"SKIPPED, real NFS needs a machine of its own: {done.stdout.strip()}")
        assert done.returncode not in (124, 125), done.stdout
        return Answer(done.returncode, done.stdout)


def bundle(mounts: list[Mapping[str, str]]) -> dict[str, str]:
    """The files of the node bundle that the init action reads."""
    return bundle_files("127.0.0.1", mounts, ACCOUNTS)


@pytest.fixture(name="machine")
def machine_with_bundle(tmp_path: Path) -> Machine:
    """A machine with a node bundle for /shared/data (v3) and /shared/projects (v4.1), and a file server that is off."""
    machine = Machine(tmp_path)
    home = "opt/dataplatform/bundle"
    sources = {
        f"{home}/{name}": REPOSITORY / "init-actions" / name for name in ("node-bundle.sh", "nfs-mounts.sh", "lib")
    }
    for target, source in {**sources, "uml/serve.sh": Path(__file__).parent / "serve.sh"}.items():
        destination = tmp_path / "files" / target
        destination.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, destination)
    mounts = [
        {"mountpoint": "/shared/data", "export": "/data"},
        {"mountpoint": "/shared/projects", "export": "/projects", "version": "4.1"},
    ]
    for path, text in bundle(mounts).items():
        machine.install(f"{home}/{path}", text)
    machine.install("/etc/systemd/system/hadoop-yarn-nodemanager.service", NODE_MANAGER)
    return machine
