"""``init-actions/nfs-mounts.sh`` against a systemd of its own: what it does when mounting does not work.

What a kernel has to do with it is tested in ``tests/nfs``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.nfs_mounts import bundle_files

from tests.unit.init_actions.conftest import INIT_ACTIONS, ShellNode

PROGRAM = INIT_ACTIONS / "nfs-mounts.sh"
MOUNTS = [
    {"mountpoint": "/shared/data", "export": "/vol/data"},
    {"mountpoint": "/shared/projects", "export": "/vol/projects", "version": "4.1"},
]
# What is mounted is a file below STATE that holds its source; the files `dead` and `hung` are a file server's state.
TOOLS = {
    "systemctl": """
echo "$@" >>STATE/calls
[ "$1" = start ] || exit 0
while [ -e STATE/hung ]; do sleep 0.05; done
[ ! -e STATE/dead ] || exit 1
sed -n 's/^What=//p' "/etc/systemd/system/$2" >"STATE/mounted/$2"
""",
    "findmnt": 'cat "STATE/mounted/$(systemd-escape --path --suffix=mount "${!#}")" 2>/dev/null',
    "umount": 'echo "umount $*" >>STATE/calls; rm "STATE/mounted/$(systemd-escape --path --suffix=mount "${!#}")"',
    "journalctl": "echo 'mount.nfs: Connection refused'; echo 'shared-data.mount: Failed'",
    "stat": '[ "$1" != --file-system ] || exec test ! -e STATE/stale; exec /usr/bin/stat "$@"',
}


@dataclass
class NfsNode:
    """A node with a bundle that names two mounts, and what its tools were asked."""

    node: ShellNode
    state: Path

    def run(self, *before: str) -> subprocess.CompletedProcess[str]:
        """Run the init action, after ``env`` and such."""
        (self.state / "calls").write_text("")
        return self.node.run(*before, PROGRAM)

    def calls(self, *words: str) -> list[str]:
        """What systemctl and umount were asked that begins with one of these words."""
        return [line for line in (self.state / "calls").read_text().splitlines() if line.startswith(words)]

    @property
    def bundle(self) -> Path:
        """The node bundle."""
        return self.node.opt / "dataplatform" / "bundle"

    def units(self) -> dict[str, tuple[int, str]]:
        """Inode and text of all units and drop-ins."""
        files = [path for path in self.node.units.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.node.units)): (path.stat().st_ino, path.read_text()) for path in files}


@pytest.fixture(name="nfs")
def node_with_mounts(shell_node: ShellNode) -> NfsNode:
    """A node on which nothing ran yet; its file server is well."""
    state, tools = shell_node.directory / "state", shell_node.directory / "tools"
    (state / "mounted").mkdir(parents=True)
    tools.mkdir()
    for name, text in TOOLS.items():
        (tools / name).write_text(f"#!/bin/bash\n{text.replace('STATE', str(state))}\n")
        (tools / name).chmod(0o755)
    shell_node.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    nfs = NfsNode(shell_node, state)
    nfs.bundle.mkdir(parents=True)
    shutil.copy(INIT_ACTIONS / "node-bundle.sh", nfs.bundle)
    shutil.copytree(INIT_ACTIONS / "lib", nfs.bundle / "lib")
    # The one account that every machine has with the same numbers.
    for path, text in bundle_files("10.10.4.2", MOUNTS, {"root": {"uid": 0, "gid": 0}}).items():
        (nfs.bundle / path).parent.mkdir(exist_ok=True)
        (nfs.bundle / path).write_text(text)
    return nfs


def wait_until(condition: Callable[[], object]) -> None:
    """Fail when a condition does not come true within 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_second_run_starts_and_writes_nothing(nfs: NfsNode) -> None:
    first = nfs.run()
    assert first.returncode == 0, first.stderr
    assert nfs.calls("start") == ["start shared-data.mount", "start shared-projects.mount"]
    units = nfs.units()
    assert nfs.run().returncode == 0
    assert nfs.calls("start", "umount", "stop") == []
    assert nfs.units() == units


def test_a_server_that_is_dead_at_boot_is_a_failure_after_three_tries(nfs: NfsNode) -> None:
    (nfs.state / "dead").touch()
    failed = nfs.run()
    assert failed.returncode == 9, failed.stderr
    assert nfs.calls("start") == ["start shared-data.mount"] * 3
    (line,) = [line for line in failed.stderr.splitlines() if "failed, MOUNT_FAILED" in line]
    assert "10.10.4.2:/vol/data cannot be mounted on /shared/data: mount.nfs: Connection refused;" in line
    assert "showmount --exports 10.10.4.2" in line
    (nfs.state / "dead").unlink()
    assert nfs.run().returncode == 0


def test_tries_end_before_dataproc_loses_patience(nfs: NfsNode) -> None:
    (nfs.state / "dead").touch()
    # As if mount.nfs had taken that long.
    assert nfs.run("env", "SECONDS=151").returncode == 9
    assert nfs.calls("start") == ["start shared-data.mount"]


def test_a_stale_mount_is_made_again_and_the_other_left_alone(nfs: NfsNode) -> None:
    assert nfs.run().returncode == 0
    (nfs.state / "mounted" / "shared-data.mount").write_text("10.10.4.2:/vol/old\n")
    done = nfs.run()
    assert done.returncode == 0, done.stderr
    assert nfs.calls("start") == ["start shared-data.mount"]
    (nfs.state / "stale").touch()
    assert nfs.run().returncode == 9, "what does not answer when it is mounted anew is no success"
    assert nfs.calls("umount") == ["umount --lazy /shared/data"]


def test_another_version_in_the_bundle_is_mounted_anew(nfs: NfsNode) -> None:
    assert nfs.run().returncode == 0
    mounts = nfs.bundle / "nfs" / "mounts.tsv"
    mounts.write_text(mounts.read_text().replace("\t4.1\t", "\t3\t"))
    assert nfs.run().returncode == 0
    assert nfs.calls("umount", "start") == ["umount --lazy /shared/projects", "start shared-projects.mount"]


def test_what_is_mounted_there_and_is_not_nfs_is_left_alone(nfs: NfsNode) -> None:
    systemctl = nfs.node.directory / "tools" / "systemctl"
    systemctl.write_text(
        systemctl.read_text().replace("#!/bin/bash\n", '#!/bin/bash\n[ "$1" != show ] || echo active\n')
    )
    failed = nfs.run()
    assert failed.returncode == 9, failed.stderr
    assert "something else than NFS is mounted on /shared/data" in failed.stderr
    assert nfs.calls("umount", "start", "stop") == []


@pytest.mark.parametrize("name", ["mounts.tsv", "accounts.tsv"])
def test_a_bundle_without_mounts_is_refused(nfs: NfsNode, name: str) -> None:
    (nfs.bundle / "nfs" / name).unlink()
    failed = nfs.run()
    assert failed.returncode == 4
    assert "names no shared file systems" in failed.stderr
    assert (nfs.units(), nfs.calls("")) == ({}, [])


@pytest.mark.parametrize("line", ["root\t0\t7\n", "nobody-has-this-name\t1\t1\n"])
def test_accounts_that_are_not_as_stated_are_refused_before_anything_is_written(nfs: NfsNode, line: str) -> None:
    (nfs.bundle / "nfs" / "accounts.tsv").write_text(line)
    failed = nfs.run()
    assert failed.returncode == 4
    assert line.partition("\t")[0] in failed.stderr
    assert (nfs.units(), nfs.calls("")) == ({}, [])


def test_a_full_disk_is_named_and_nothing_is_started(nfs: NfsNode) -> None:
    nfs.node.preparation.append("mount -t tmpfs -o size=4k none /etc/systemd/system")
    # The file system lives as long as the namespace: what is left on it has to be said there.
    failed = nfs.node.run("bash", "-c", f"{PROGRAM} || echo code $?; ls -A /etc/systemd/system")
    assert failed.stdout == "code 11\nshared-data.mount\n", failed.stderr
    assert not (nfs.state / "calls").exists()


def test_terminated_while_mounting_and_run_again(nfs: NfsNode) -> None:
    (nfs.state / "hung").touch()
    (nfs.state / "calls").write_text("")
    process = nfs.node.start(PROGRAM)
    wait_until(lambda: nfs.calls("start"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert [name for name in nfs.units() if ".new." in name] == []
    (nfs.state / "hung").unlink()
    done = nfs.run()
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (nfs.state / "mounted").iterdir()) == [
        "shared-data.mount",
        "shared-projects.mount",
    ]


def test_what_a_killed_run_left_of_a_unit_is_removed_by_the_next(nfs: NfsNode) -> None:
    (nfs.node.units / ".shared-data.mount.new.4194305").write_text("[Unit]\nDescr")
    assert nfs.run().returncode == 0
    assert [name for name in nfs.units() if ".new." in name] == []
