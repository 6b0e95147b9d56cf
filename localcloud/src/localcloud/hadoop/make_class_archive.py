"""Make daemons start a third faster: `python -m localcloud.hadoop.make_class_archive`.

Most of a daemon's start is reading and checking classes. A JVM maps them ready for use from a class-data archive, made
here once per machine from the classes that a cluster really loads. Does nothing when the archive is there.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from localcloud.hadoop.cluster import YarnCluster
from localcloud.hadoop.errors import HadoopError
from localcloud.hadoop.network import allocate_network
from localcloud.hadoop.plans import ClusterPlan, NodePlan
from localcloud.hadoop.runtime import HadoopRuntime, class_archive

_DUMP_SECONDS = 300
_FAIR_SCHEDULER = "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fair.FairScheduler"


def make_class_archive(runtime: HadoopRuntime) -> Path:
    """Return the archive of `runtime`, making it when it is not there. Raises HadoopError when that fails."""
    archive = class_archive(runtime.java_home, runtime.jars)
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory(prefix="hadoop-classes-") as name:
        directory = Path(name)
        _run_a_cluster(directory, runtime)
        classes = directory / "all.classes"
        classes.write_text("".join(f"{line}\n" for line in _loaded(directory)), encoding="utf-8")
        # Under its own name only when it is whole; JVMs may start at any time.
        building = archive.with_name(f".{archive.name}.{os.getpid()}")
        dump = ("-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={building}")
        command = runtime.java(*dump, "-cp", runtime.class_path)
        result = subprocess.run(command, capture_output=True, text=True, timeout=_DUMP_SECONDS, check=False)
        if result.returncode:
            building.unlink(missing_ok=True)
            raise HadoopError(f"the JVM made no class archive: {result.stderr[-2000:]}")
        building.replace(archive)
    return archive


def _run_a_cluster(directory: Path, runtime: HadoopRuntime) -> None:
    """Start a cluster, let its node leave, and write down the classes that its JVMs load."""
    recording = dataclasses.replace(runtime, options=(f"-XX:DumpLoadedClassList={directory}/%p.classes",))
    home = directory / "cluster"
    network = allocate_network(home)
    cluster = YarnCluster(home, recording)
    properties = {"yarn:yarn.resourcemanager.scheduler.class": _FAIR_SCHEDULER}
    allocations = directory / "fair-scheduler.xml"
    allocations.write_text("<allocations/>", encoding="utf-8")
    cluster.prepare(ClusterPlan("classes", network.master, properties, allocation_file=allocations))
    try:
        cluster.start([NodePlan("node", network.worker(0), 1024, 1)])
        cluster.decommission(["node"], 1)
    finally:
        cluster.stop()


def _loaded(directory: Path) -> list[str]:
    """Return the lines of all lists, each once; the last line of a list may be torn, for its JVM was killed."""
    lines: dict[str, None] = {}
    for path in sorted(directory.glob("*.classes")):
        lines |= dict.fromkeys(path.read_text(encoding="utf-8", errors="replace").splitlines()[:-1])
    return list(lines)


def main() -> None:
    """Make the archive of this machine's Hadoop; exit with a message when that fails."""
    try:
        make_class_archive(HadoopRuntime.find())
    except HadoopError as error:
        sys.exit(f"make_class_archive: {error}")


if __name__ == "__main__":
    main()
