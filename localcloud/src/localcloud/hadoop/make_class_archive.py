"""Make daemons, drivers and executors start faster: `python -m localcloud.hadoop.make_class_archive`.

Most of a JVM's start is reading and checking classes. It maps them ready for use from a class-data archive. Two are
made here once per machine, Hadoop's and Spark's, each from the classes that a cluster really loads. Does nothing when
they are there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from localcloud.hadoop.cluster import YarnCluster
from localcloud.hadoop.errors import HadoopError
from localcloud.hadoop.network import allocate_network
from localcloud.hadoop.plans import ClusterPlan, NodePlan
from localcloud.hadoop.runtime import HadoopRuntime, class_archive
from localcloud.settings import default_cluster_python

_APPLICATION_SECONDS = 300
_DUMP_SECONDS = 300
_NODE = "node"
_FAIR_SCHEDULER = "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fair.FairScheduler"
_APPLICATION = """from pyspark import SparkContext
context = SparkContext()
assert context.parallelize(range(2), 2).map(lambda number: number + 1).collect() == [1, 2]
context.stop()
"""
# As the runs of Dask on YARN have it; what is not in the archive is only loaded more slowly.
_APPLICATION_SETTINGS = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.ui.enabled": "false",
    # Three containers of YARN's least size fit the node.
    "spark.executor.memory": "512m",
    "spark.yarn.am.memory": "512m",
}


def make_class_archives(runtime: HadoopRuntime) -> None:
    """Make the archives of `runtime` that are not there. Raises HadoopError when that fails."""
    hadoop = class_archive(runtime.java_home, runtime.jars)
    _make(hadoop, runtime.class_path, runtime, _use_daemons)
    if runtime.spark_home and default_cluster_python().exists():
        # The JVM itself finds the jars, here as in applications.
        spark = class_archive(runtime.java_home, runtime.spark_home)
        _make(spark, f"{runtime.spark_home}/jars/*", runtime, _use_spark)


def _make(
    archive: Path,
    class_path: str,
    runtime: HadoopRuntime,
    use: Callable[[Path, HadoopRuntime, tuple[str, ...]], None],
) -> None:
    """Make `archive` of the classes that JVMs load when `use` runs them with the options it is given."""
    if archive.exists():
        return
    with tempfile.TemporaryDirectory(prefix="java-classes-") as name:
        directory = Path(name)
        use(directory, runtime, (f"-XX:DumpLoadedClassList={directory}/%p.classes",))
        classes = directory / "all.classes"
        classes.write_text("".join(f"{line}\n" for line in _loaded(directory)), encoding="utf-8")
        # Under its own name only when it is whole; JVMs may start at any time.
        building = archive.with_name(f".{archive.name}.{os.getpid()}")
        dump = ("-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={building}")
        command = runtime.java(*dump, "-cp", class_path)
        result = subprocess.run(command, capture_output=True, text=True, timeout=_DUMP_SECONDS, check=False)
        if result.returncode:
            building.unlink(missing_ok=True)
            raise HadoopError(f"the JVM made no class archive: {result.stderr[-2000:]}")
        building.replace(archive)


def _use_daemons(directory: Path, runtime: HadoopRuntime, options: tuple[str, ...]) -> None:
    """Start a cluster with `options` for its daemons, and let its node leave."""
    properties = {"yarn:yarn.resourcemanager.scheduler.class": _FAIR_SCHEDULER}
    allocations = directory / "fair-scheduler.xml"
    allocations.write_text("<allocations/>", encoding="utf-8")
    recording = dataclasses.replace(runtime, options=options)
    with _cluster(directory, recording, properties, allocations) as cluster:
        cluster.decommission([_NODE], 1)


def _use_spark(directory: Path, runtime: HadoopRuntime, options: tuple[str, ...]) -> None:
    """Run an application with `options` for its driver, application master and executors."""
    recording = dataclasses.replace(runtime, spark_options=options)
    script = directory / "application.py"
    script.write_text(_APPLICATION, encoding="utf-8")
    command = [f"{runtime.spark_home}/bin/spark-submit"]
    for name, value in _APPLICATION_SETTINGS.items():
        command += ["--conf", f"{name}={value}"]
    with _cluster(directory, recording, {}) as cluster:
        environment = {"PATH": os.environ["PATH"], "PYSPARK_PYTHON": str(default_cluster_python())}
        try:
            result = subprocess.run(
                [*command, str(script)],
                env=environment | cluster.driver_environment(),
                capture_output=True,
                text=True,
                timeout=_APPLICATION_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HadoopError(f"the Spark application did not end within {_APPLICATION_SECONDS} s") from None
    if result.returncode:
        raise HadoopError(f"the Spark application failed: {result.stderr[-2000:]}")


@contextlib.contextmanager
def _cluster(
    directory: Path, runtime: HadoopRuntime, properties: dict[str, str], allocations: Path | None = None
) -> Iterator[YarnCluster]:
    home = directory / "cluster"
    network = allocate_network(home)
    cluster = YarnCluster(home, runtime)
    cluster.prepare(ClusterPlan("classes", network.master, properties, allocation_file=allocations))
    try:
        cluster.start([NodePlan(_NODE, network.worker(0), 4096, 4)])
        yield cluster
    finally:
        cluster.stop()


def _loaded(directory: Path) -> list[str]:
    """Return the lines of all lists, each once; the last line of a list may be torn, for its JVM was killed."""
    lines: dict[str, None] = {}
    for path in sorted(directory.glob("*.classes")):
        lines |= dict.fromkeys(path.read_text(encoding="utf-8", errors="replace").splitlines()[:-1])
    return list(lines)


def main() -> None:
    """Make the archives of this machine; exit with a message when that fails."""
    try:
        make_class_archives(HadoopRuntime.find())
    except HadoopError as error:
        sys.exit(f"make_class_archive: {error}")


if __name__ == "__main__":
    main()
