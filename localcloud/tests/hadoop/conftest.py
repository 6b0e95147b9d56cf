"""Real YARN clusters for tests: small, in temporary directories, and certainly ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcloud.hadoop import (
    ClusterPlan,
    HadoopMissing,
    HadoopRuntime,
    Network,
    NodePlan,
    NodeStatus,
    YarnCluster,
    allocate_network,
)
from localcloud.settings import default_cluster_python

FAIR_SCHEDULER = "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fair.FairScheduler"
ALLOCATIONS = """<allocations>
  <queueMaxAMShareDefault>-1.0</queueMaxAMShareDefault>
  <queue name="normal" type="parent"><weight>3</weight></queue>
  <queuePlacementPolicy>
    <rule name="nestedUserQueue" create="true"><rule name="specified" create="false"/></rule>
    <rule name="reject"/>
  </queuePlacementPolicy>
</allocations>
"""
# One container per worker, each on a node of its own: a worker and the application master do not fit beside a worker.
HOLD = """import time
from pyspark import SparkContext
SparkContext().parallelize(range(2), 2).foreach(lambda _: time.sleep(600))
"""


@dataclass
class Running:
    """A cluster with its directory, network and plans."""

    directory: Path
    cluster: YarnCluster
    network: Network
    nodes: list[NodePlan]

    def status(self, name: str) -> NodeStatus:
        """Return one node's status."""
        return next(node for node in self.cluster.nodes() if node.name == name)


def wait_until(met: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something to become true; fail naming it otherwise."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def running_cluster(directory: Path, runtime: HadoopRuntime, nodes: int, allocations: str) -> Iterator[Running]:
    """A cluster named after its directory; ended afterwards whatever happened."""
    network = allocate_network(directory)
    name = directory.name
    properties = {
        "yarn:yarn.resourcemanager.scheduler.class": FAIR_SCHEDULER,
        "yarn:yarn.scheduler.fair.allocation.file": "/etc/hadoop/conf/fair-scheduler.xml",
        "yarn:yarn.scheduler.minimum-allocation-mb": "1",
        "yarn:yarn.scheduler.maximum-allocation-mb": "13312",
    }
    cluster = YarnCluster(directory, runtime)
    cluster.prepare(ClusterPlan(name, network.master, properties, {"FROM_THE_CLIENT": "yes"}))
    # As an init action does, which runs before the daemons.
    (cluster.conf_directory / "fair-scheduler.xml").write_text(allocations)
    plans = [
        NodePlan(f"{name}-w-{index}", network.worker(index), 13312, 5, {"OF_THE_NODE": str(index)})
        for index in range(nodes)
    ]
    try:
        cluster.start(plans)
        yield Running(directory, cluster, network, plans)
    finally:
        cluster.stop()


@contextlib.contextmanager
def held_containers(running: Running, runtime: HadoopRuntime, scratch: Path) -> Iterator[None]:
    """Run an application of user ada with two sleeping workers."""
    script = scratch / "hold.py"
    script.write_text(HOLD)
    assert runtime.spark_home, "Spark is not installed"
    sizes = {"spark.dynamicAllocation.enabled": "false", "spark.executor.memory": "8g", "spark.ui.enabled": "false"}
    command = [str(runtime.spark_home / "bin" / "spark-submit"), "--queue", "root.normal", "--num-executors", "2"]
    command += [part for key, value in sizes.items() for part in ("--conf", f"{key}={value}")]
    python = str(default_cluster_python())
    environment = {"PATH": "/usr/bin:/bin", "HADOOP_USER_NAME": "ada", "PYSPARK_PYTHON": python}
    with (scratch / "driver.log").open("w") as log:
        driver = subprocess.Popen(
            [*command, str(script)],
            env=environment | running.cluster.driver_environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: sum(node.containers for node in running.cluster.nodes()) == 3,
            240,
            f"two workers and an application master; {(scratch / 'driver.log')}",
        )
        yield
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(20)


@pytest.fixture(scope="session")
def runtime() -> HadoopRuntime:
    """What this machine has of Hadoop; without it there is nothing to test."""
    try:
        return HadoopRuntime.find()
    except HadoopMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def running(runtime: HadoopRuntime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A cluster of two nodes for the tests of a module, which leave it with two nodes at work."""
    with running_cluster(tmp_path_factory.mktemp("hadoop") / "shared", runtime, 2, ALLOCATIONS) as started:
        yield started
