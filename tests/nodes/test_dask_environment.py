"""``init-actions/dask-environment.sh`` on a node with systemd: two ways to one environment, faults and reboots."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nodes.one_node import LIBRARIES, MOUNTPOINT, OneNode, archive_of, one_node, small_environment, squashfs_of

STORE = "/opt/dataplatform/environments"
# What is mounted, and every file that the init action could have written.
STATE = (
    f"grep {MOUNTPOINT} /proc/self/mountinfo; find /etc/systemd/system {STORE} -xdev ! -type d"
    " -printf '%p %i %T@ %m %u\\n' | sort"
)


def mounted(node: OneNode) -> list[str]:
    """File system types and options of what is mounted at the environment's path."""
    rows = [row.split() for row in node.shell("cat /proc/self/mountinfo").splitlines()]
    return [f"{row[row.index('-') + 1]} {row[5]}" for row in rows if row[4] == MOUNTPOINT]


def works(node: OneNode) -> bool:
    """Whether jobs could use it."""
    return node.run(f"{MOUNTPOINT}/bin/python", "-c", "import dask.dataframe, pandas").returncode == 0


def leftovers(node: OneNode) -> list[str]:
    """What the store holds beside whole images and trees."""
    return [path.name for path in node.store.iterdir() if len(path.name.removesuffix(".sqfs")) != 64]


def wait_until(condition: Callable[[], object]) -> None:
    """Fail when a condition does not come true within 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def interrupt(node: OneNode, when: Callable[[], object]) -> subprocess.CompletedProcess[str]:
    """Start the init action and end it by SIGTERM as soon as a condition is true."""
    process = node.start("bash", "-c", "echo $$ > /run/init-action.pid; exec /init-actions/dask-environment.sh")
    wait_until(when)
    node.shell("kill -TERM $(cat /run/init-action.pid)")
    output, errors = process.communicate(timeout=30)
    return subprocess.CompletedProcess([], process.returncode, output, errors)


@pytest.mark.parametrize("way", ["image", "archive"])
def test_the_environment_is_at_its_path_read_only_and_a_second_run_changes_nothing(
    node: OneNode, tree: Path, way: str
) -> None:
    node.publish_environment(tree)
    if way == "archive":
        node.loop_devices(present=False)
    done = node.init_action()
    assert done.returncode == 0, done.stderr
    (mount,) = mounted(node)
    assert mount.startswith("squashfs ro") is (way == "image")
    assert "ro," in mount
    assert works(node)
    # Root's jobs cannot write either.
    assert node.run("touch", f"{MOUNTPOINT}/lib/x").returncode != 0
    assert leftovers(node) == []
    before, downloads = node.shell(STATE), node.downloads()
    again = node.init_action()
    assert again.returncode == 0, again.stderr
    assert (node.shell(STATE), node.downloads()) == (before, downloads)


@pytest.mark.parametrize("way", ["image", "archive"])
def test_it_is_there_again_after_a_reboot_before_what_uses_it(
    containers_can_be_nodes: None, tmp_path: Path, tree: Path, way: str
) -> None:
    # A node of its own: after a restart this container would not be told what the others are told.
    with one_node(tmp_path) as node:
        node.publish_environment(tree)
        if way == "archive":
            node.loop_devices(present=False)
        assert node.init_action().returncode == 0
        node.restart()
        assert len(mounted(node)) == 1
        assert works(node)
        for unit in ("hadoop-yarn-nodemanager", "google-dataproc-agent"):
            drop_in = f"/etc/systemd/system/{unit}.service.d/20-dask-environment.conf"
            assert f"RequiresMountsFor={MOUNTPOINT}" in node.shell(f"cat {drop_in}")


@pytest.mark.parametrize("way", ["image", "archive"])
@pytest.mark.parametrize("library", ["pyarrow.py", "dask/dataframe.py"])
def test_an_environment_without_its_libraries_is_none(node: OneNode, tmp_path: Path, way: str, library: str) -> None:
    node.publish_environment(small_environment(tmp_path / "poor", [name for name in LIBRARIES if name != library]))
    if way == "archive":
        node.loop_devices(present=False)
    for _run in range(2):
        failed = node.init_action()
        assert failed.returncode == 4, failed.stderr
        assert "No module named" in failed.stderr


def test_a_half_built_environment_is_not_taken_for_one(node: OneNode, tree: Path) -> None:
    node.publish_environment(tree)
    node.loop_devices(present=False)
    sha256 = node.shell(f"grep ^archive= {MOUNTPOINT.rpartition('/')[0]}/bundle/environment/environment.conf").split(
        "/"
    )[3]
    # What a process leaves that was killed while it unpacked, and while it downloaded.
    half = node.store / f".{sha256}.new.4194305"
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "python").symlink_to("/usr/bin/python3.11")
    (node.store / ".environment.tar.zst.new.4194305").write_bytes(b"half")
    done = node.init_action()
    assert done.returncode == 0, done.stderr
    assert leftovers(node) == []
    assert works(node)


@pytest.mark.parametrize("way", ["image", "archive"])
def test_wrong_content_is_refused_and_nothing_is_left(node: OneNode, tree: Path, way: str) -> None:
    wrong = "0" * 64
    image = node.publish("environment.sqfs", squashfs_of(tree), wrong if way == "image" else "")
    node.pin(image, node.publish("environment.tar.zst", archive_of(tree), wrong if way == "archive" else ""))
    if way == "archive":
        node.loop_devices(present=False)
    failed = node.init_action()
    assert failed.returncode == 4, failed.stderr
    assert (mounted(node), list(node.store.iterdir())) == ([], [])


def test_an_image_that_is_none_gives_way_to_the_archive(node: OneNode, tree: Path) -> None:
    archive = node.publish("environment.tar.zst", archive_of(tree))
    node.pin(node.publish("environment.sqfs", b"no image"), archive)
    done = node.init_action()
    assert done.returncode == 0, done.stderr
    assert works(node)


def test_an_archive_that_is_none_leaves_nothing(node: OneNode) -> None:
    archive = node.publish("environment.tar.zst", b"no archive")
    node.pin(node.publish("environment.sqfs", b"no image"), archive)
    assert node.init_action().returncode == 8
    assert mounted(node) == []
    assert leftovers(node) in ([], ["environment.tar.zst"])


@pytest.mark.parametrize("faults", [[503, 503], ["cut"], [429]], ids=str)
def test_passing_faults_are_retried(node: OneNode, tree: Path, faults: list[int | str]) -> None:
    node.publish_environment(tree)
    node.google.faults = list(faults)
    done = node.init_action()
    assert done.returncode == 0, done.stderr
    assert len(node.downloads()) == len(faults) + 1
    assert works(node)


@pytest.mark.parametrize(("faults", "code"), [([403], 6), ([404], 5), ([503] * 9, 7)])
def test_lasting_faults_have_codes_of_their_own_and_the_next_run_works(
    node: OneNode, tree: Path, faults: list[int | str], code: int
) -> None:
    node.publish_environment(tree)
    node.google.faults = list(faults)
    assert node.init_action().returncode == code
    assert (mounted(node), list(node.store.iterdir())) == ([], [])
    node.google.faults = []
    assert node.init_action().returncode == 0
    assert works(node)


@pytest.mark.parametrize("way", ["image", "archive"])
def test_a_full_disk_is_named_and_leaves_nothing(node: OneNode, tree: Path, way: str) -> None:
    # Compresses well: what the disk cannot hold is the image, or the tree and not its archive.
    noise = tree / "lib" / "noise"
    noise.write_bytes(bytes(range(256)) * 4096 if way == "archive" else os.urandom(1 << 20))
    node.publish_environment(tree)
    if way == "archive":
        node.loop_devices(present=False)
    node.shell(f"mkdir -p {STORE} && mount -t tmpfs -o size=512k none {STORE}")
    failed = node.init_action()
    assert failed.returncode == 11, failed.stderr
    assert mounted(node) == []
    found = node.shell(f"find {STORE} -type f -name '.*' -o -type d -name '.*'")
    assert found == ""


def test_terminated_while_downloading_and_run_again(node: OneNode, tree: Path) -> None:
    node.publish_environment(tree)
    node.google.before_answer = threading.Event()
    assert interrupt(node, node.downloads).returncode == -signal.SIGTERM
    assert (mounted(node), leftovers(node)) == ([], [])
    node.google.before_answer.set()
    assert node.init_action().returncode == 0
    assert works(node)


def test_terminated_while_unpacking_and_run_again(node: OneNode, tree: Path) -> None:
    for index in range(4000):
        (tree / "lib" / f"file-{index}").write_text("x")
    node.publish_environment(tree)
    node.loop_devices(present=False)
    assert interrupt(node, lambda: list(node.store.glob(".*.new.*/lib"))).returncode == -signal.SIGTERM
    assert mounted(node) == []
    done = node.init_action()
    assert done.returncode == 0, done.stderr
    assert leftovers(node) == []
    assert int(node.shell(f"ls {MOUNTPOINT}/lib | wc -l")) == 4001


def test_another_environment_in_use_is_left_alone(node: OneNode, tree: Path) -> None:
    node.publish_environment(tree)
    assert node.init_action().returncode == 0
    before = node.shell(STATE)
    (tree / "lib" / "more").write_text("more")
    node.publish_environment(tree, "another lock")
    assert node.init_action().returncode == 4
    assert node.shell(STATE) == before
    assert works(node)


def test_a_node_without_a_bundle_or_without_an_environment_in_it_says_so(node: OneNode) -> None:
    failed = node.init_action()
    assert failed.returncode == 5
    assert "node-bundle.sh" in failed.stderr
    node.pin("gs://b/no-hash/environment.sqfs", "gs://b/no-hash/environment.tar.zst")
    assert node.init_action().returncode == 4
    (node.opt / "dataplatform" / "bundle" / "environment" / "environment.conf").unlink()
    assert node.init_action().returncode == 4
    assert node.downloads() == []
