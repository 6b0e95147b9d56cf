"""``init-actions/node-bundle.sh`` as a program, against a metadata server and a Cloud Storage of its own."""

from __future__ import annotations

import hashlib
import io
import signal
import tarfile
import threading
import time
from collections.abc import Callable

import pytest

from tests.unit.init_actions.conftest import INIT_ACTIONS, ShellNode

PROGRAM = INIT_ACTIONS / "node-bundle.sh"


def archive(files: dict[str, bytes]) -> bytes:
    """A bundle."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as bundle:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            bundle.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def publish(node: ShellNode, content: bytes, sha256: str = "") -> str:
    """Put a bundle into the bucket and its address into the metadata; its hash."""
    sha256 = sha256 or hashlib.sha256(content).hexdigest()
    node.google.objects[f"acme-artifacts/{sha256}/node-bundle.tar"] = (1, content)
    node.google.attributes["node-bundle-uri"] = f"gs://acme-artifacts/{sha256}/node-bundle.tar"
    return sha256


GOOD = archive({"lib/node.sh": b"# functions\n", "nfs/mounts.tsv": b""})


def downloads(node: ShellNode) -> list[str]:
    """What Cloud Storage was asked."""
    return [path for path in node.google.requests if path.startswith("/storage/")]


def leftovers(node: ShellNode) -> list[str]:
    """What is below /opt/dataplatform beside whole bundles and the link."""
    home = node.opt / "dataplatform"
    names = [path.name for directory in (home, home / "bundles") if directory.is_dir() for path in directory.iterdir()]
    return [name for name in names if name not in ("bundles", "bundle") and len(name) != 64]


def wait_until(condition: Callable[[], object]) -> None:
    """Fail when a condition does not come true within 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_bundle_is_unpacked_under_its_hash_and_a_second_run_downloads_nothing(shell_node: ShellNode) -> None:
    sha256 = publish(shell_node, GOOD)
    for _run in range(2):
        done = shell_node.run(PROGRAM)
        assert done.returncode == 0, done.stderr
    home = shell_node.opt / "dataplatform"
    assert (home / "bundle").readlink().as_posix() == f"bundles/{sha256}"
    assert (home / "bundle" / "lib" / "node.sh").read_text() == "# functions\n"
    assert len(downloads(shell_node)) == 1
    assert leftovers(shell_node) == []
    newer = publish(shell_node, archive({"lib/node.sh": b"# newer\n"}))
    assert shell_node.run(PROGRAM).returncode == 0
    assert (home / "bundle").readlink().as_posix() == f"bundles/{newer}"


@pytest.mark.parametrize(
    ("content", "sha256", "code", "reason"),
    [
        (GOOD, "0" * 64, 4, "expected the one in its address"),
        (archive({"other": b""}), "", 4, "holds no lib/node.sh"),
        (b"no archive", "", 8, "cannot unpack"),
    ],
    ids=["another hash", "another archive", "no archive"],
)
def test_wrong_content_is_refused_and_nothing_is_left(
    shell_node: ShellNode, content: bytes, sha256: str, code: int, reason: str
) -> None:
    publish(shell_node, content, sha256)
    failed = shell_node.run(PROGRAM)
    assert failed.returncode == code, failed.stderr
    assert reason in failed.stderr
    assert not (shell_node.opt / "dataplatform" / "bundle").exists()
    assert [name for name in leftovers(shell_node) if not name.endswith(".tar")] == []


@pytest.mark.parametrize("faults", [[503, 500], [429], ["cut"]], ids=str)
def test_passing_faults_are_retried(shell_node: ShellNode, faults: list[int | str]) -> None:
    publish(shell_node, GOOD)
    shell_node.google.faults = list(faults)
    done = shell_node.run(PROGRAM)
    assert done.returncode == 0, done.stderr
    assert len(downloads(shell_node)) == len(faults) + 1


def test_a_metadata_server_that_is_unwell_is_asked_again(shell_node: ShellNode) -> None:
    publish(shell_node, GOOD)
    shell_node.google.metadata_faults = [503, 500]
    done = shell_node.run(PROGRAM)
    assert done.returncode == 0, done.stderr
    assert shell_node.google.metadata_faults == []


@pytest.mark.parametrize(("faults", "code", "attempts"), [([503] * 9, 7, 5), ([403], 6, 1), ([404], 5, 1)])
def test_lasting_faults_end_with_a_code_of_their_own(
    shell_node: ShellNode, faults: list[int | str], code: int, attempts: int
) -> None:
    publish(shell_node, GOOD)
    shell_node.google.faults = list(faults)
    assert shell_node.run(PROGRAM).returncode == code
    assert len(downloads(shell_node)) == attempts
    assert leftovers(shell_node) == []
    shell_node.google.faults = []
    assert shell_node.run(PROGRAM).returncode == 0


@pytest.mark.parametrize("uri", [None, "", "https://x/y", "gs://bucket/node-bundle.tar", f"gs://b/{'g' * 64}/x"])
def test_an_address_without_a_hash_is_not_trusted(shell_node: ShellNode, uri: str | None) -> None:
    if uri is not None:
        shell_node.google.attributes["node-bundle-uri"] = uri
    assert shell_node.run(PROGRAM).returncode == 3
    assert downloads(shell_node) == []


def test_a_server_that_is_not_google_gets_no_token(shell_node: ShellNode) -> None:
    publish(shell_node, GOOD)
    shell_node.environment["CURL_CA_BUNDLE"] = "/dev/null"
    failed = shell_node.run(PROGRAM)
    assert failed.returncode == 7
    assert downloads(shell_node) == []


def test_a_full_disk_is_named_and_leaves_nothing(shell_node: ShellNode) -> None:
    noise = bytes((index * index * 31 >> 3) & 255 for index in range(1 << 17))
    noise = b"".join(hashlib.sha256(noise[index : index + 8]).digest() for index in range(0, 1 << 15, 8))
    publish(shell_node, archive({"lib/node.sh": noise}))
    shell_node.preparation.append("mkdir /opt/dataplatform; mount -t tmpfs -o size=64k none /opt/dataplatform")
    failed = shell_node.run("bash", "-c", f"{PROGRAM} || echo code $?; find /opt/dataplatform -type f")
    assert failed.stdout == "code 11\n", failed.stderr


def test_terminated_half_way_and_run_again(shell_node: ShellNode) -> None:
    sha256 = publish(shell_node, GOOD)
    shell_node.google.before_answer = threading.Event()
    process = shell_node.start(PROGRAM)
    wait_until(lambda: bool(downloads(shell_node)))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert leftovers(shell_node) == []
    shell_node.google.before_answer.set()
    assert shell_node.run(PROGRAM).returncode == 0
    assert (shell_node.opt / "dataplatform" / "bundle").readlink().as_posix() == f"bundles/{sha256}"


def test_terminated_while_unpacking_and_run_again(shell_node: ShellNode) -> None:
    sha256 = publish(shell_node, GOOD)
    # Stands before tar, and does not come back.
    tools = shell_node.directory / "tools"
    tools.mkdir()
    (tools / "tar").write_text('#!/bin/sh\n/usr/bin/tar "$@"\nexec sleep 600\n')
    (tools / "tar").chmod(0o755)
    path = shell_node.environment["PATH"]
    shell_node.environment["PATH"] = f"{tools}:{path}"
    process = shell_node.start(PROGRAM)
    bundles = shell_node.opt / "dataplatform" / "bundles"
    wait_until(lambda: list(bundles.glob(".*.new.*/lib/node.sh")))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert (leftovers(shell_node), (bundles / sha256).exists()) == ([], False)
    shell_node.environment["PATH"] = path
    assert shell_node.run(PROGRAM).returncode == 0
    assert (shell_node.opt / "dataplatform" / "bundle").readlink().as_posix() == f"bundles/{sha256}"


def test_a_tar_that_writes_on_while_it_is_ended_leaves_nothing(shell_node: ShellNode) -> None:
    publish(shell_node, GOOD)
    tools = shell_node.directory / "tools"
    tools.mkdir()
    begun, ended = (shell_node.directory / name for name in ("begun", "ended"))
    (tools / "tar").write_text(
        "#!/bin/bash\n"
        f"""trap 'sleep 0.5; mkdir -p "${{@: -1}}/late"; touch {ended}; exit 1' TERM\n"""
        f"touch {begun}\n"
        "while true; do sleep 0.05; done\n"
    )
    (tools / "tar").chmod(0o755)
    shell_node.environment["PATH"] = f"{tools}:{shell_node.environment['PATH']}"
    process = shell_node.start(PROGRAM)
    wait_until(begun.exists)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    wait_until(ended.exists)
    assert leftovers(shell_node) == []


def test_what_a_killed_process_left_is_removed_by_the_next(shell_node: ShellNode) -> None:
    sha256 = publish(shell_node, GOOD)
    bundles = shell_node.opt / "dataplatform" / "bundles"
    (bundles / f".{sha256}.new.4194305" / "lib").mkdir(parents=True)
    (bundles / f".{sha256}.tar.new.4194305").write_bytes(b"half")
    assert shell_node.run(PROGRAM).returncode == 0
    assert leftovers(shell_node) == []


def test_another_init_action_without_the_bundle_says_so(shell_node: ShellNode) -> None:
    shell_node.google.attributes["dataproc-role"] = "Worker"
    failed = shell_node.run(INIT_ACTIONS / "nfs-mounts.sh")
    assert failed.returncode == 5
    assert "node-bundle.sh" in failed.stderr
