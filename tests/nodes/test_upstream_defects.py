"""The seven defects of Google's own Dask initialization action (dask/dask.sh), each as what a user would meet.

D1 to D5 are about a node's boot and are asked of one node; D2, D6 and D7 are asked of a job on a cluster of nodes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import REPOSITORY
from tests.nodes.conftest import NODES
from tests.nodes.observed_job import Observed
from tests.nodes.one_node import MOUNTPOINT, OneNode

LOCK = (REPOSITORY / "requirements" / "cluster-environment.txt").read_text()
WORKER_MB, MASTER_MB = 12288, 1024
LOG = "/var/log/dataproc-initialization-script-3.log"


def test_d1_nothing_has_to_be_said_in_metadata(node: OneNode, tree: Path) -> None:
    """Upstream ends with code 1 unless metadata names a runtime, although its documentation has a default."""
    node.google.attributes.clear()
    node.publish_environment(tree)
    done = node.init_action()
    assert done.returncode == 0, done.stderr


def test_d1_what_has_to_be_said_is_asked_for_by_name(node: OneNode) -> None:
    node.google.attributes.clear()
    failed = node.init_action("node-bundle.sh")
    assert failed.returncode == 3
    (line,) = failed.stderr.splitlines()
    assert "node-bundle-uri" in line


def test_d2_jobs_have_the_python_and_dask_of_the_lock(observed: Observed) -> None:
    """Upstream's YARN mode is Python 3.7 with Dask before 2022.2."""
    (locked,) = re.findall(r"^dask==(\S+)", LOCK, flags=re.MULTILINE)
    assert int(locked.partition(".")[0]) >= 2026
    found = [*observed.facts["who"], observed.facts["script"]]
    assert {(tuple(python), dask, prefix) for _uid, python, dask, prefix, _host in found} == {
        ((3, 11), locked, MOUNTPOINT)
    }


@pytest.mark.parametrize("way", ["image", "archive"])
def test_d3_a_second_try_does_not_take_what_a_failed_one_left(node: OneNode, tree: Path, way: str) -> None:
    """Upstream takes a directory that a failed solve left for the environment."""
    node.publish_environment(tree)
    node.loop_devices(present=way == "image")
    for directory in (f"/opt/dataplatform/environments/{'0' * 64}", MOUNTPOINT):
        node.shell(f"mkdir -p {directory}/bin && ln -s /usr/bin/python3.11 {directory}/bin/python")
    for faults, code in (([403], 6), (["cut"] * 5, 7)):
        node.google.faults = list(faults)
        assert node.init_action().returncode == code
    done = node.init_action()
    assert done.returncode == 0, done.stderr
    assert node.run(f"{MOUNTPOINT}/bin/python", "-I", "-c", "import pandas, pyarrow").returncode == 0


def test_d4_the_log_of_a_failure_stays(node: OneNode, tree: Path) -> None:
    """Upstream logs to a file system in memory that it unmounts when it ends."""
    node.publish_environment(tree)
    node.google.faults = [403]
    mounts = node.shell("cut -d' ' -f5 /proc/self/mountinfo")
    # As Dataproc's agent runs it.
    assert node.run("bash", "-c", f"/init-actions/dask-environment.sh >{LOG} 2>&1").returncode == 6
    (line,) = [line for line in node.shell(f"cat {LOG}").splitlines() if "failed" in line]
    assert "NOT_PERMITTED" in line
    assert "environment.sqfs" in line
    assert node.shell(f"stat --file-system --format=%T {LOG}").strip() != "tmpfs"
    assert node.shell("cut -d' ' -f5 /proc/self/mountinfo") == mounts


def test_d5_nothing_of_cuda_is_on_nodes_without_gpus(hosts: dict[str, Any]) -> None:
    """Upstream installs CUDA's libraries on every cluster."""
    listing = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    installed = hosts["nodes-w-0"].run(f"{MOUNTPOINT}/bin/python -I -c '{listing}'").stdout.split()
    locked = re.findall(r"^([A-Za-z0-9._-]+)==", LOCK, flags=re.MULTILINE)
    assert "dask" in installed
    for names in (installed, locked):
        assert [name for name in names if re.search(r"cuda|nvidia|cupy|cudf|rapids|numba", name)] == []


def test_d5_a_version_of_cuda_that_nobody_knows_does_no_harm(node: OneNode, tree: Path) -> None:
    """Upstream ends with an unbound variable when it is neither 11 nor 12."""
    node.publish_environment(tree)
    node.google.attributes["cuda-version"] = "13.1"
    node.variables["CUDA_VERSION"] = "13.1"
    try:
        assert node.init_action().returncode == 0
    finally:
        del node.variables["CUDA_VERSION"], node.google.attributes["cuda-version"]


def test_d6_neither_workers_nor_scripts_are_root(observed: Observed) -> None:
    """Upstream's workers are services of root."""
    assert len(observed.facts["who"]) == 2
    assert {uid for uid, *_rest in [*observed.facts["who"], observed.facts["script"]]} == {2001}


def test_d6_who_has_no_certificate_of_the_run_is_not_served(observed: Observed) -> None:
    """Upstream's scheduler runs what anybody on the network sends."""
    assert observed.facts["address"].startswith("tls://")
    assert all(worker.startswith("tls://") for worker in observed.facts["workers"])
    assert observed.facts["stranger"] == "refused"


def test_d6_the_first_line_of_a_script_computes(observed: Observed) -> None:
    """Upstream waits for nothing: its clients try until a service is there."""
    assert observed.facts["first"] == 3


def test_d6_a_worker_that_is_given_back_hands_its_data_over(observed: Observed) -> None:
    """Upstream's workers are killed with what they hold."""
    assert observed.facts["holders"] == 2
    assert observed.after == sum(range(40))
    assert observed.times_computed == [1] * 40


def test_d7_yarn_sees_every_worker(observed: Observed) -> None:
    """Upstream's workers are beside YARN: no queue, limit or autoscaler knows them."""
    application = observed.application_with_two_workers
    assert (application["user"], application["queue"]) == ("ada", "root.normal.ada")
    assert application["allocatedMB"] == 2 * WORKER_MB + MASTER_MB
    assert {host for *_rest, host in observed.facts["who"]} <= set(NODES[1:])
    # What is not needed is YARN's again.
    assert observed.allocated_with_one_worker == WORKER_MB + MASTER_MB
