"""A cluster of a real ResourceManager and real NodeManagers."""

from __future__ import annotations

import os
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest

from localcloud.hadoop import HadoopError, HadoopRuntime, YarnCluster
from localcloud.hadoop.configuration import MARKER
from localcloud.hadoop.daemons import leftovers
from localcloud.hadoop.network import NODE_PORTS
from localcloud.hadoop.runtime import class_archive

from .conftest import ALLOCATIONS, Running, held_containers, running_cluster, wait_until


def environment_of(process: int) -> dict[str, str]:
    """Return the variables a process was started with; none when it has ended."""
    try:
        content = Path(f"/proc/{process}/environ").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(entry.split("=", 1) for entry in content.split("\0") if "=" in entry)


def containers_of(running: Running, name: str) -> list[int]:
    """Return the processes of a node that run inside containers."""
    return [
        process
        for process in leftovers(running.directory / "nodes" / name)
        if "CONTAINER_ID" in environment_of(process)
    ]


def classes_are_mapped(running: Running, archive: Path) -> bool:
    """Whether all three containers have a JVM, and each maps the archive."""
    containers = [process for node in running.nodes for process in containers_of(running, node.name)]
    try:
        jvms = [process for process in containers if Path(f"/proc/{process}/exe").readlink().name == "java"]
        return len(jvms) == 3 and all(str(archive) in Path(f"/proc/{process}/maps").read_text() for process in jvms)
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_nodes_have_the_sizes_of_their_plan(running: Running) -> None:
    for node in running.cluster.nodes():
        assert (node.state, node.memory_mb, node.vcores, node.alive) == ("RUNNING", 13312, 5, True)
    metrics = running.cluster.metrics()
    assert (metrics["totalMB"], metrics["totalVirtualCores"], metrics["activeNodes"]) == (2 * 13312, 10, 2)


def test_scheduler_reads_the_file_beside_its_configuration(running: Running) -> None:
    configuration = (running.cluster.conf_directory / "yarn-site.xml").read_text()
    assert f"<value>{running.cluster.conf_directory}/fair-scheduler.xml</value>" in configuration
    log = running.cluster.resource_manager_log.read_text()
    assert f"Loading allocation file file:{running.cluster.conf_directory}/fair-scheduler.xml" in log


def test_object_made_later_finds_the_cluster(running: Running, runtime: HadoopRuntime) -> None:
    found = YarnCluster(running.directory, runtime)
    assert found.running()
    assert [node.name for node in found.nodes()] == ["shared-w-0", "shared-w-1"]


def test_jars_of_spark_hold_nothing_of_the_configuration_that_they_precede(
    running: Running, runtime: HadoopRuntime
) -> None:
    assert runtime.spark_home, "Spark is not installed"
    node = running.directory / "nodes" / "shared-w-0" / "conf"
    # What a cluster's initialization actions or jobs may add, and what is there.
    names = {"log4j2.properties", "hive-site.xml", "hdfs-site.xml", "mapred-site.xml", "metrics.properties"}
    for directory in (running.cluster.conf_directory, running.cluster.spark_conf_directory, node):
        names |= {path.name for path in directory.iterdir()}
    jars = sorted((runtime.spark_home / "jars").glob("*.jar"))
    assert jars
    for jar in jars:
        with zipfile.ZipFile(jar) as content:
            assert not names & set(content.namelist()), jar


def test_losing_a_node_takes_its_containers_and_only_those(
    running: Running, runtime: HadoopRuntime, tmp_path: Path
) -> None:
    lost, kept = (node.name for node in running.nodes)
    assert runtime.spark_home
    archive = class_archive(runtime.java_home, runtime.spark_home).resolve(strict=True)
    with held_containers(running, runtime, tmp_path):
        # The ResourceManager counts a container before its processes are there.
        wait_until(lambda: all(containers_of(running, name) for name in (lost, kept)), 60, "processes in containers")
        wait_until(lambda: classes_are_mapped(running, archive), 60, f"{archive} in every JVM")
        inside = next(filter(None, map(environment_of, containers_of(running, lost))))
        assert (inside["FROM_THE_CLIENT"], inside["OF_THE_NODE"], inside["USER"]) == ("yes", "0", "ada")
        other = containers_of(running, kept)
        running.cluster.kill_node(lost)
        assert leftovers(running.directory / "nodes" / lost) == []
        # Not all of them: a container's start scripts come and go.
        assert set(other) & set(containers_of(running, kept))
        # Nobody told the ResourceManager.
        assert (running.status(lost).state, running.status(lost).alive) == ("RUNNING", False)
    came = f"{running.nodes[0].address}:{NODE_PORTS['manager']} Node Transitioned from NEW to RUNNING"
    before = running.cluster.resource_manager_log.read_text().count(came)
    running.cluster.add_nodes(running.nodes[:1])
    # The new node is meant, not the lost one that the ResourceManager was still counting on.
    assert running.cluster.resource_manager_log.read_text().count(came) == before + 1
    assert (running.status(lost).state, running.status(lost).alive) == ("RUNNING", True)
    assert running.cluster.metrics()["activeNodes"] == 2


def test_busy_node_leaves_when_its_time_is_up_and_comes_back(
    running: Running, runtime: HadoopRuntime, tmp_path: Path
) -> None:
    name = running.nodes[1].name
    with held_containers(running, runtime, tmp_path):
        running.cluster.decommission([name], 15)
        assert running.status(name).state == "DECOMMISSIONING"
        assert running.status(name).containers > 0
        wait_until(lambda: running.status(name).state == "DECOMMISSIONED", 60, "the node has left")
    running.cluster.remove_nodes([name])
    assert [node.name for node in running.cluster.nodes()] == [running.nodes[0].name]
    running.cluster.add_nodes(running.nodes[1:])
    assert running.status(name).state == "RUNNING"


def test_idle_node_leaves_at_once(running: Running) -> None:
    name = running.nodes[1].name
    running.cluster.decommission([name], 3600)
    wait_until(lambda: running.status(name).state == "DECOMMISSIONED", 20, "the idle node has left")
    running.cluster.add_nodes(running.nodes[1:])
    assert running.status(name).state == "RUNNING"


def test_second_cluster_works_beside_the_first_and_stops_without_a_trace(
    running: Running, runtime: HadoopRuntime, tmp_path: Path
) -> None:
    with running_cluster(tmp_path / "second", runtime, 1, ALLOCATIONS) as second:
        assert second.network != running.network
        assert [node.state for node in second.cluster.nodes()] == ["RUNNING"]
        processes = leftovers(second.directory)
        supervisors = {
            int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]) for process in processes
        }
        # A container whose node lost both its daemon and its supervisor: nobody is left to end it but the cluster.
        node = second.directory / "nodes" / second.nodes[0].name
        container = subprocess.Popen(["sleep", "600"], env={"PATH": "/usr/bin:/bin", MARKER: str(node)})
        os.kill(supervisors.pop(), signal.SIGKILL)
        second.cluster.stop()
        assert leftovers(second.directory) == []
        assert container.wait(5) == -signal.SIGKILL
        assert not any(Path(f"/proc/{process}").exists() for process in supervisors)
    assert all(node.state == "RUNNING" for node in running.cluster.nodes())


def test_wrong_allocation_file_is_reported_in_the_resource_managers_words(
    runtime: HadoopRuntime, tmp_path: Path
) -> None:
    wrong = ALLOCATIONS.replace("<weight>3</weight>", "<weight>three</weight>")
    with pytest.raises(HadoopError, match=r"the ResourceManager ended at start: .*three"):  # noqa: SIM117
        with running_cluster(tmp_path / "wrong", runtime, 0, wrong):
            pass
    assert leftovers(tmp_path) == []


def test_unknown_node_is_named_with_those_there_are(running: Running) -> None:
    with pytest.raises(HadoopError, match="there is no node shared-w-9; there are: shared-w-0, shared-w-1"):
        running.cluster.kill_node("shared-w-9")
