"""The Hadoop and Spark properties that Dataproc derives from the sizes of a cluster's machines.

The figures reproduce recorded clusters exactly (4 and 2 virtual CPUs); other sizes follow the same formulas.
"""

from __future__ import annotations

import math
import re

_MEMORY_PER_CPU_MIB = {"standard": 4096, "highmem": 8192, "highcpu": 1024}
# Machine families whose `standard` shape has other memory per virtual CPU.
_STANDARD_MEMORY_MIB = {"n1": 3840, "c4": 3584}
_MACHINE_TYPE = re.compile(r"(?P<family>[a-z0-9]+)-(?P<shape>standard|highmem|highcpu)-(?P<cpus>\d+)")
_CUSTOM_MACHINE_TYPE = re.compile(r"(?:[a-z0-9]+-)?custom-(?P<cpus>\d+)-(?P<memory>\d+)(?:-ext)?")


def machine_size(machine_type: str) -> tuple[int, int]:
    """Return (virtual CPUs, memory in MiB) of a machine type by its short name; an unknown one is 4 CPUs, 16 GiB."""
    custom = _CUSTOM_MACHINE_TYPE.fullmatch(machine_type)
    if custom:
        return int(custom["cpus"]), int(custom["memory"])
    found = _MACHINE_TYPE.fullmatch(machine_type)
    if not found:
        return 4, 16384
    cpus = int(found["cpus"])
    per_cpu = _MEMORY_PER_CPU_MIB[found["shape"]]
    if found["shape"] == "standard":
        per_cpu = _STANDARD_MEMORY_MIB.get(found["family"], per_cpu)
    return cpus, cpus * per_cpu


def yarn_memory(memory: int) -> int:
    """Return how many MiB of a worker's `memory` (MiB) YARN offers."""
    return max(512, round(0.84722 * memory - 336.7))


def _executor_memory(container: int) -> int:
    """Return the heap (MiB) that fits a Spark executor's container with its overhead: a tenth, at least 384 MiB."""
    heap = math.ceil(container / 1.1)
    return heap if container - heap >= 384 else container - 384


def default_properties(
    cluster_name: str, master_type: str, worker_type: str, workers: int, autoscaled: bool
) -> dict[str, str]:
    """Return the properties that the server sets for a cluster; what a user sets goes over them."""
    _, master_memory = machine_size(master_type)
    cpus, memory = machine_size(worker_type)
    offered = yarn_memory(memory)
    container = offered // cpus
    container_heap = f"-Xmx{container * 8 // 10}m"
    daemon_memory = min(4000, master_memory // 4)
    copy_memory = 1024 if offered >= 8192 else 768
    maps = math.floor(2.65 * cpus * max(workers, 1))
    master = f"{cluster_name}-m"
    executor_cores = max(1, cpus // 2)
    properties = {
        "capacity-scheduler:yarn.scheduler.capacity.resource-calculator": (
            "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator"
        ),
        "capacity-scheduler:yarn.scheduler.capacity.root.default.ordering-policy": "fair",
        "core:fs.gs.block.size": "134217728",
        "core:fs.gs.metadata.cache.enable": "false",
        "core:fs.gs.operation.move.enable": "true",
        "core:hadoop.ssl.enabled.protocols": "TLSv1,TLSv1.1,TLSv1.2",
        "distcp:mapreduce.map.java.opts": f"-Xmx{copy_memory * 3 // 4}m",
        "distcp:mapreduce.map.memory.mb": str(copy_memory),
        "distcp:mapreduce.reduce.java.opts": f"-Xmx{copy_memory * 3 // 4}m",
        "distcp:mapreduce.reduce.memory.mb": str(copy_memory),
        "hadoop-env:HADOOP_DATANODE_OPTS": "-Xmx512m",
        "hdfs:dfs.datanode.address": "0.0.0.0:9866",
        "hdfs:dfs.datanode.http.address": "0.0.0.0:9864",
        "hdfs:dfs.datanode.https.address": "0.0.0.0:9865",
        "hdfs:dfs.datanode.ipc.address": "0.0.0.0:9867",
        "hdfs:dfs.namenode.handler.count": "20" if workers <= 2 else "40",
        "hdfs:dfs.namenode.http-address": "0.0.0.0:9870",
        "hdfs:dfs.namenode.https-address": "0.0.0.0:9871",
        "hdfs:dfs.namenode.lifeline.rpc-address": f"{master}:8050",
        "hdfs:dfs.namenode.secondary.http-address": "0.0.0.0:9868",
        "hdfs:dfs.namenode.secondary.https-address": "0.0.0.0:9869",
        "hdfs:dfs.namenode.service.handler.count": "10" if workers <= 2 else "20",
        "hdfs:dfs.namenode.servicerpc-address": f"{master}:8051",
        "mapred-env:HADOOP_JOB_HISTORYSERVER_HEAPSIZE": str(daemon_memory),
        "mapred:mapreduce.job.maps": str(maps),
        "mapred:mapreduce.job.reduce.slowstart.completedmaps": "0.95",
        "mapred:mapreduce.job.reduces": str(maps // 3),
        "mapred:mapreduce.jobhistory.recovery.store.class": (
            "org.apache.hadoop.mapreduce.v2.hs.HistoryServerLeveldbStateStoreService"
        ),
        "mapred:mapreduce.map.cpu.vcores": "1",
        "mapred:mapreduce.map.java.opts": container_heap,
        "mapred:mapreduce.map.memory.mb": str(container),
        "mapred:mapreduce.reduce.cpu.vcores": "1",
        "mapred:mapreduce.reduce.java.opts": container_heap,
        "mapred:mapreduce.reduce.memory.mb": str(container),
        "mapred:mapreduce.task.io.sort.mb": "256",
        "mapred:yarn.app.mapreduce.am.command-opts": container_heap,
        "mapred:yarn.app.mapreduce.am.resource.cpu-vcores": "1",
        "mapred:yarn.app.mapreduce.am.resource.mb": str(container),
        "spark-env:SPARK_DAEMON_MEMORY": f"{daemon_memory}m",
        "spark:spark.driver.maxResultSize": f"{master_memory // 8}m",
        "spark:spark.driver.memory": f"{master_memory // 4}m",
        "spark:spark.executor.cores": str(executor_cores),
        "spark:spark.executor.instances": "2",
        "spark:spark.executor.memory": f"{_executor_memory(offered * executor_cores // cpus)}m",
        "spark:spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
        "spark:spark.plugins.defaultList": "com.google.cloud.dataproc.DataprocSparkPlugin",
        "spark:spark.scheduler.mode": "FAIR",
        "spark:spark.sql.cbo.enabled": "true",
        "spark:spark.sql.optimizer.runtime.bloomFilter.join.pattern.enabled": "true",
        "spark:spark.ui.port": "0",
        "spark:spark.yarn.am.memory": "640m",
        "yarn-env:YARN_NODEMANAGER_HEAPSIZE": str(memory // 10),
        "yarn-env:YARN_RESOURCEMANAGER_HEAPSIZE": str(daemon_memory),
        "yarn-env:YARN_TIMELINESERVER_HEAPSIZE": str(daemon_memory),
        "yarn:yarn.nodemanager.address": "0.0.0.0:8026",
        "yarn:yarn.nodemanager.resource.cpu-vcores": str(cpus),
        "yarn:yarn.nodemanager.resource.memory-mb": str(offered),
        "yarn:yarn.resourcemanager.decommissioning-nodes-watcher.decommission-if-no-shuffle-data": "true",
        "yarn:yarn.resourcemanager.nodemanager-graceful-decommission-timeout-secs": "86400",
        "yarn:yarn.scheduler.maximum-allocation-mb": str(offered),
        "yarn:yarn.scheduler.minimum-allocation-mb": "1",
    }
    if autoscaled:
        properties |= {
            "mapred:mapreduce.map.maxattempts": "10",
            "mapred:mapreduce.reduce.maxattempts": "10",
            "spark:spark.decommission.enabled": "true",
            "spark:spark.stage.maxConsecutiveAttempts": "10",
            "spark:spark.storage.decommission.enabled": "true",
            "spark:spark.storage.decommission.rddBlocks.enabled": "true",
            "spark:spark.storage.decommission.shuffleBlocks.enabled": "true",
            "spark:spark.task.maxFailures": "10",
            "spark:spark.yarn.am.attemptFailuresValidityInterval": "1h",
            "spark:spark.yarn.executor.failuresValidityInterval": "1h",
            "yarn:yarn.resourcemanager.am.max-attempts": "10",
        }
    return properties
