"""The role ``shared_directories`` on a host that mounts the share, as an engineer runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.podman.commands import CONFIGURATION
from tests.integration.conftest import REPOSITORY
from tests.nodes.file_server import FileServerClient, file_server_client

pytestmark = pytest.mark.slow

SERVER = "10.10.4.9"
PLAY = """
- hosts: file_server_client[0]
  gather_facts: false
  roles: [shared_directories]
"""


def facts(**more: Any) -> dict[str, Any]:
    """A file server with a share of two directories."""
    mounts = [
        {"mountpoint": "/shared/data", "export": "/vol/data"},
        {"mountpoint": "/shared/dask-tmp", "export": "/vol/dask-tmp", "mode": "3775"},
    ]
    server = {"server": SERVER, "share": "/vol", "mounts": mounts, **more}
    return {"platform_nfs": server, "platform_accounts": {"yarn": {"uid": 2001, "gid": 2001}}}


@pytest.fixture(scope="module", name="client")
def host_that_reaches_the_server(
    containers_can_be_nodes: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FileServerClient]:
    """The host, and a share that is empty."""
    directory = tmp_path_factory.mktemp("file-server")
    exports = directory / "exports"
    exports.mkdir()
    with file_server_client(directory, exports) as client:
        yield client


@pytest.fixture(name="share")
def empty_share(client: FileServerClient, request: pytest.FixtureRequest) -> Path:
    """What the server has at /vol, a new one for every test."""
    server = client.exports / SERVER
    if server.exists():
        server.rename(client.exports / f"before-{request.node.name}")
    (server / "vol").mkdir(parents=True)
    return server / "vol"


def prepare(client: FileServerClient, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the role; nothing of it may be left on the host, however it ends."""
    playbook = client.inventory.with_name("play.yml")
    playbook.write_text(PLAY)
    command = ["ansible-playbook", "-i", str(client.inventory), str(playbook), "-e", json.dumps(facts(**more))]
    done = subprocess.run(
        [*command, *options],
        cwd=REPOSITORY,
        env={**os.environ, "CONTAINERS_CONF": str(CONFIGURATION), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert client.run("sh", "-c", "ls -d /run/shared-directories.*").stdout == ""
    assert "shared-directories" not in client.run("cat", "/proc/self/mountinfo").stdout
    return done


def numbers_of(path: Path) -> tuple[int, int, str]:
    """Owner, group and mode."""
    found = path.stat()
    return found.st_uid, found.st_gid, f"{found.st_mode & 0o7777:o}"


def test_directories_are_told_then_made_then_left_alone_with_what_is_in_them(
    client: FileServerClient, share: Path
) -> None:
    held = share / "data" / "deep"
    held.mkdir(parents=True)
    (held / "file").write_text("precious")
    for path, mode in ((held, 0o700), (held / "file", 0o600)):
        path.chmod(mode)
        os.chown(path, 1234, 4321)
    (share / "no longer exported").mkdir()
    before = numbers_of(share / "data")
    told = prepare(client, "--check", "--diff")
    assert told.returncode == 0, told.stdout
    assert "changed=1 " in told.stdout
    assert not (share / "dask-tmp").exists()
    assert numbers_of(share / "data") == before
    made = prepare(client)
    assert "changed=1 " in made.stdout, made.stdout
    assert numbers_of(share / "data") == (2001, 2001, "2775")
    assert numbers_of(share / "dask-tmp") == (2001, 2001, "3775")
    assert numbers_of(held) == (1234, 4321, "700")
    assert numbers_of(held / "file") == (1234, 4321, "600")
    assert (share / "no longer exported").is_dir()
    again = prepare(client, "--check")
    assert again.returncode == 0, again.stdout
    assert "changed=0 " in again.stdout


def test_what_is_no_directory_is_an_error(client: FileServerClient, share: Path) -> None:
    elsewhere = share / "elsewhere"
    elsewhere.mkdir()
    before = numbers_of(elsewhere)
    (share / "data").write_text("precious")
    (share / "dask-tmp").symlink_to("elsewhere")
    failed = prepare(client)
    assert failed.returncode != 0
    assert "/data already exists as a file" in failed.stdout
    assert "/dask-tmp already exists as a link" in failed.stdout
    assert numbers_of(elsewhere) == before
    assert (share / "dask-tmp").is_symlink()


def test_a_share_that_is_not_there_says_so(client: FileServerClient, share: Path) -> None:
    failed = prepare(client, share="/absent", mounts=[{"mountpoint": "/shared/data", "export": "/absent/data"}])
    assert failed.returncode != 0
    assert f"access denied by server while mounting {SERVER}:/absent" in failed.stdout
    assert list(share.iterdir()) == []
