"""Configuration files of Hadoop and Spark, from the properties of a Dataproc cluster and what this machine demands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from localcloud.hadoop.network import MASTER_PORTS, NODE_PORTS
from localcloud.hadoop.plans import ClusterPlan, NodePlan
from localcloud.hadoop.runtime import LIGHT_JVM, HadoopRuntime
from localcloud.search_paths import PATH, put_in_front

# Where a Dataproc node keeps what is in a cluster's configuration directory here.
NODE_CONF = "/etc/hadoop/conf/"
ALLOCATION_FILE = "fair-scheduler.xml"
# Names a node's directory in the environment of everything that the node runs.
MARKER = "LOCALCLOUD_HADOOP_DIRECTORY"
_YARN = "org.apache.hadoop.yarn.server"
# Containers get these from their NodeManager unless the application sets them; the list is Hadoop's own.
_INHERITED = (
    "JAVA_HOME",
    "HADOOP_COMMON_HOME",
    "HADOOP_HDFS_HOME",
    "HADOOP_CONF_DIR",
    "CLASSPATH_PREPEND_DISTCACHE",
    "HADOOP_YARN_HOME",
    "HADOOP_HOME",
    "PATH",
    "LANG",
    "TZ",
)
# Properties that make sense on a Dataproc node and cannot be kept here: plugins whose jars only Google's image has,
# places that need its gs:// file system, high availability, and listening on all addresses.
_NOT_HERE = (
    "yarn.nodemanager.aux-services",
    "yarn.nodemanager.remote-app-log-dir",
    "yarn.log.server.url",
    "yarn.resourcemanager.ha.",
    "yarn.timeline-service.",
    "spark.plugins.defaultList",
    "spark.eventLog.",
    "spark.history.",
    "spark.shuffle.service.",
    "spark.yarn.historyServer.",
)
_LOG4J = """log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
"""


@dataclass(frozen=True)
class Layout:
    """Where a cluster keeps its files."""

    directory: Path

    @property
    def master(self) -> Path:
        """All that belongs to the master node."""
        return self.directory / "master"

    @property
    def conf(self) -> Path:
        """HADOOP_CONF_DIR of the master."""
        return self.master / "conf"

    @property
    def spark_conf(self) -> Path:
        """SPARK_CONF_DIR of the master."""
        return self.master / "spark-conf"

    @property
    def temporary(self) -> Path:
        """Temporary files of the daemons and of drivers."""
        return self.directory / "tmp"

    @property
    def staging(self) -> Path:
        """Files that drivers hand to their applications."""
        return self.directory / "staging"

    @property
    def file_system(self) -> Path:
        """What stands for HDFS where nodes have file systems of their own."""
        return self.directory / "file-system"

    @property
    def exclude_file(self) -> Path:
        """The nodes that shall leave the cluster, and in how many seconds."""
        return self.directory / "exclude.xml"

    @property
    def nodes(self) -> Path:
        """One directory per node."""
        return self.directory / "nodes"

    def node(self, name: str) -> Path:
        """All that belongs to one node."""
        return self.nodes / name


def render_master(layout: Layout, plan: ClusterPlan, runtime: HadoopRuntime) -> dict[Path, str]:
    """Return the master's configuration files."""
    # Of applications that bring no jars of their own; they read it from the configuration of whoever submits them.
    classes = {"yarn.application.classpath": f"{runtime.jars}/*"}
    return {
        layout.conf / "core-site.xml": _site(_core(layout, plan)),
        layout.conf / "yarn-site.xml": _site(_yarn(layout, plan) | classes),
        layout.conf / "capacity-scheduler.xml": _site(_capacity_scheduler(plan)),
        layout.conf / "log4j.properties": _LOG4J,
        layout.spark_conf / "spark-defaults.conf": _spark_defaults(layout, plan, runtime),
        layout.spark_conf / "spark-env.sh": _spark_environment(plan),
    }


def render_node(layout: Layout, plan: ClusterPlan, node: NodePlan) -> dict[Path, str]:
    """Return a worker node's configuration files."""
    home = layout.node(node.name)
    conf = home / "conf"
    own = {
        "yarn.nodemanager.hostname": node.address,
        "yarn.nodemanager.address": f"{node.address}:{NODE_PORTS['manager']}",
        "yarn.nodemanager.localizer.address": f"{node.address}:{NODE_PORTS['localizer']}",
        "yarn.nodemanager.webapp.address": f"{node.address}:{NODE_PORTS['web']}",
        "yarn.nodemanager.resource.memory-mb": str(node.memory_mb),
        "yarn.nodemanager.resource.cpu-vcores": str(node.vcores),
        "yarn.nodemanager.local-dirs": str(home / "local"),
        "yarn.nodemanager.log-dirs": str(home / "logs"),
        "yarn.nodemanager.env-whitelist": ",".join(inherited_variables(plan, node)),
    }
    if "PATH" in plan.in_front:
        # Of what they could inherit, containers take PATH from the shell that starts them. It must be a whole one: what
        # YARN adds, $PATH, is a name to whoever starts that shell.
        own["yarn.nodemanager.force.path"] = put_in_front({"PATH": PATH}, plan.in_front)["PATH"]
    # A NodeManager starts together with its ResourceManager: it must not sleep a second after each early try.
    patience = {"ipc.client.connect.retry.interval": "100", "ipc.client.connect.max.retries": "600"}
    return {
        conf / "core-site.xml": _site(_core(layout, plan) | patience),
        conf / "yarn-site.xml": _site(_yarn(layout, plan) | own),
        conf / "log4j.properties": _LOG4J,
    }


def hosts_file(address: str, host_name: str) -> str:
    """Return a hosts file for the JVM on `address`, which otherwise calls itself localhost in links it gives out."""
    return f"{address} {address}\n{address} {host_name}\n127.0.0.1 localhost\n"


def node_environment(plan: ClusterPlan, node: NodePlan, base: dict[str, str]) -> dict[str, str]:
    """Return a NodeManager's environment, which its containers inherit."""
    return base | plan.client_environment | node.environment | {"SPARK_LOCAL_IP": node.address}


def inherited_variables(plan: ClusterPlan, node: NodePlan) -> list[str]:
    """Return the names of the variables that containers inherit from their node."""
    listed = properties_of(plan, "yarn").get("yarn.nodemanager.env-whitelist", ",".join(_INHERITED))
    names = [name.strip() for name in listed.split(",") if name.strip()]
    names += [*plan.client_environment, *node.environment, *plan.in_front, "SPARK_LOCAL_IP", MARKER]
    return list(dict.fromkeys(names))


def properties_of(plan: ClusterPlan, prefix: str) -> dict[str, str]:
    """Return the properties for one of Hadoop's or Spark's files, without those that cannot be kept here."""
    start = prefix + ":"
    return {
        key.removeprefix(start): value
        for key, value in plan.properties.items()
        if key.startswith(start)
        and not key.removeprefix(start).startswith(_NOT_HERE)
        and not key.endswith(".bind-host")
    }


def _core(layout: Layout, plan: ClusterPlan) -> dict[str, str]:
    return _mapped(layout, properties_of(plan, "core")) | {
        **_file_system(layout, plan),
        "hadoop.tmp.dir": str(layout.temporary),
        # Nodes have no group database; looking users up in this machine's would make tests pass for the wrong reason.
        "hadoop.security.group.mapping": "org.apache.hadoop.security.NullGroupsMapping",
    }


def _file_system(layout: Layout, plan: ClusterPlan) -> dict[str, str]:
    """Return what stands for HDFS: this machine's files, or, where nodes have their own, one directory that all see."""
    if plan.shares_files:
        return {"fs.defaultFS": "file:///"}
    return {
        "fs.defaultFS": "viewfs://cluster/",
        "fs.viewfs.mounttable.cluster.linkFallback": layout.file_system.as_uri(),
    }


def _yarn(layout: Layout, plan: ClusterPlan) -> dict[str, str]:
    address = plan.resource_manager_address
    settled = {
        "yarn.resourcemanager.hostname": address,
        "yarn.resourcemanager.address": f"{address}:{MASTER_PORTS['client']}",
        "yarn.resourcemanager.scheduler.address": f"{address}:{MASTER_PORTS['scheduler']}",
        "yarn.resourcemanager.resource-tracker.address": f"{address}:{MASTER_PORTS['resource-tracker']}",
        "yarn.resourcemanager.admin.address": f"{address}:{MASTER_PORTS['admin']}",
        "yarn.resourcemanager.webapp.address": f"{address}:{MASTER_PORTS['web']}",
        "yarn.resourcemanager.nodes.exclude-path": str(layout.exclude_file),
        "yarn.nodemanager.container-executor.class": f"{_YARN}.nodemanager.DefaultContainerExecutor",
        # A laptop's disk is often more than 90 percent full, which would make every node unhealthy.
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99",
        "yarn.log-aggregation-enable": "false",
    }
    if plan.allocation_file:
        settled["yarn.scheduler.fair.allocation.file"] = str(layout.conf / ALLOCATION_FILE)
    defaults = {
        # Java reserves far more virtual memory than it uses.
        "yarn.nodemanager.vmem-check-enabled": "false",
        # How often time limits of leaving nodes are looked at; YARN's 20 s would make short ones long.
        "yarn.resourcemanager.decommissioning-nodes-watcher.poll-interval-secs": "1",
    }
    return defaults | _mapped(layout, properties_of(plan, "yarn")) | settled


def _capacity_scheduler(plan: ClusterPlan) -> dict[str, str]:
    """Return the queues of a cluster that does not choose the FairScheduler: Dataproc's one queue."""
    scheduler = "yarn.scheduler.capacity"
    queues = {f"{scheduler}.root.queues": "default", f"{scheduler}.root.default.capacity": "100"}
    return queues | properties_of(plan, "capacity-scheduler")


def _mapped(layout: Layout, properties: dict[str, str]) -> dict[str, str]:
    """Return the properties with files of a node's configuration directory looked for in this cluster's."""
    return {
        key: f"{layout.conf}/{value.removeprefix(NODE_CONF)}" if value.startswith(NODE_CONF) else value
        for key, value in properties.items()
    }


def _spark_defaults(layout: Layout, plan: ClusterPlan, runtime: HadoopRuntime) -> str:
    address = plan.resource_manager_address
    # As on a Dataproc node, but for the shuffle service, which its image adds to the NodeManagers.
    defaults = {
        "spark.master": "yarn",
        "spark.submit.deployMode": "client",
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "1",
        "spark.dynamicAllocation.maxExecutors": "10000",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    }
    # A cluster's own options for the driver and executors, spark.*.extraJavaOptions, come on top of these.
    for name in ("driver.defaultJavaOptions", "executor.defaultJavaOptions", "yarn.am.extraJavaOptions"):
        defaults[f"spark.{name}"] = shlex.join((*LIGHT_JVM, *runtime.spark_options))
    if runtime.spark_home:
        # A class-data archive is valid only for a class path that begins like the one it was made with, and Spark puts
        # directories in front of its jars. No jar holds a file of the names in them. The driver's is the application
        # master's, too.
        for name in ("driver", "executor"):
            defaults[f"spark.{name}.extraClassPath"] = f"{runtime.spark_home}/jars/*"
    settled = {
        "spark.eventLog.enabled": "false",
        "spark.driver.host": address,
        "spark.driver.bindAddress": address,
        "spark.local.dir": str(layout.temporary),
        "spark.yarn.stagingDir": layout.staging.as_uri(),
    }
    if runtime.spark_home:
        settled["spark.yarn.jars"] = f"local:{runtime.spark_home}/jars/*"
    properties = defaults | _mapped(layout, properties_of(plan, "spark")) | settled
    return "".join(f"{key} {value}\n" for key, value in sorted(properties.items()))


def _spark_environment(plan: ClusterPlan) -> str:
    properties = properties_of(plan, "spark-env")
    return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in sorted(properties.items()))


def _site(properties: dict[str, str]) -> str:
    lines = [
        f"  <property><name>{escape(key)}</name><value>{escape(value)}</value></property>"
        for key, value in sorted(properties.items())
    ]
    return "\n".join(['<?xml version="1.0"?>', "<configuration>", *lines, "</configuration>", ""])
