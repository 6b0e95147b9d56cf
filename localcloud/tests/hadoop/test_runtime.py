"""Finding Java and jars, giving out networks, rendering configuration: all without a daemon."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from localcloud.hadoop import (
    ClusterPlan,
    HadoopError,
    HadoopMissing,
    HadoopRuntime,
    NodePlan,
    YarnCluster,
    allocate_network,
    configuration,
)
from localcloud.hadoop.leaving import LeavingNodes
from localcloud.hadoop.network import MASTER_PORTS
from localcloud.hadoop.runtime import class_archive

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    for name in ("JAVA_HOME", "LOCALCLOUD_HADOOP_JARS", "LOCALCLOUD_SPARK_HOME"):
        monkeypatch.delenv(name, raising=False)
    return cache


def java_home(directory: Path, version: str) -> Path:
    """Make something that says it is a Java."""
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "java").write_text("#!/bin/sh\n")
    (directory / "bin" / "java").chmod(0o755)
    (directory / "release").write_text(f'JAVA_VERSION="{version}"\n')
    return directory


def test_missing_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HadoopMissing, match=r"no java on PATH.*apt-get install openjdk-17-jre-headless"):
        HadoopRuntime.find()


@pytest.mark.parametrize("version", ["1.8.0_392", "25.0.1"])
def test_unsuitable_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "java", version)))
    with pytest.raises(HadoopMissing, match=f"is Java {version}; Hadoop 3.3 needs Java 11 to 21"):
        HadoopRuntime.find()


def test_java_home_without_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(HadoopMissing, match=f"JAVA_HOME is {tmp_path}, which has no bin/java"):
        HadoopRuntime.find()


def test_missing_jars_name_the_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "java", "17.0.15")))
    with pytest.raises(HadoopMissing, match=r"run scripts/hadoop.sh"):
        HadoopRuntime.find()
    monkeypatch.setenv("LOCALCLOUD_HADOOP_JARS", str(tmp_path / "none"))
    with pytest.raises(HadoopMissing, match=f"LOCALCLOUD_HADOOP_JARS is {tmp_path}/none"):
        HadoopRuntime.find()


def test_class_archives_are_used_only_with_the_java_they_were_made_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_cache: Path
) -> None:
    jars, spark = (own_cache / "dataplatform-compute" / name for name in ("hadoop", "spark"))
    jars.mkdir(parents=True)
    (spark / "jars").mkdir(parents=True)
    for name in ("resourcemanager", "nodemanager"):
        (jars / f"hadoop-yarn-server-{name}-3.3.6.jar").touch()
    (jars / "hadoop-yarn-client-3.3.6.jar").touch()
    made_with, other = java_home(tmp_path / "java", "17.0.15"), java_home(tmp_path / "other", "17.0.16")
    archive, of_spark = class_archive(made_with, jars), class_archive(made_with, spark)
    archive.touch()
    monkeypatch.setenv("JAVA_HOME", str(made_with))
    assert f"-XX:SharedArchiveFile={archive}" in HadoopRuntime.find().command("Main", tmp_path)
    assert HadoopRuntime.find().spark_options == ()
    of_spark.touch()
    assert HadoopRuntime.find().spark_options == (f"-XX:SharedArchiveFile={of_spark}",)
    monkeypatch.setenv("JAVA_HOME", str(other))
    assert (HadoopRuntime.find().options, HadoopRuntime.find().spark_options) == ((), ())


def test_clusters_get_networks_of_their_own_and_keep_them(tmp_path: Path) -> None:
    first = allocate_network(tmp_path / "first")
    second = allocate_network(tmp_path / "second")
    assert first != second
    assert allocate_network(tmp_path / "first") == first


def test_network_with_a_port_in_use_is_left_out(tmp_path: Path) -> None:
    wanted = allocate_network(tmp_path / "cluster")
    shutil.rmtree(tmp_path / "cluster")
    with socket.socket() as other:
        other.bind((wanted.master, MASTER_PORTS["web"]))
        other.listen()
        assert allocate_network(tmp_path / "cluster") != wanted


def test_network_of_a_deleted_cluster_is_free_again(tmp_path: Path) -> None:
    first = allocate_network(tmp_path / "cluster")
    shutil.rmtree(tmp_path / "cluster")
    assert allocate_network(tmp_path / "cluster") == first


def test_network_has_no_address_for_too_many_workers(tmp_path: Path) -> None:
    network = allocate_network(tmp_path / "cluster")
    assert network.worker(252) == f"{network.prefix}.254"
    with pytest.raises(HadoopError, match="worker number 253"):
        network.worker(253)


SPARK_RUNTIME = HadoopRuntime(Path("/java"), Path("/jars"), Path("/spark"))


def rendered(
    tmp_path: Path, properties: dict[str, str], runtime: HadoopRuntime = SPARK_RUNTIME, **in_front: str
) -> dict[str, str]:
    """Return the files of the master and of one node, by their place in the cluster's directory."""
    plan = ClusterPlan("c", "127.99.0.1", properties, {"HTTPS_PROXY": "http://127.0.0.1:1"}, in_front=in_front)
    layout = configuration.Layout(tmp_path)
    found = configuration.render_master(layout, plan, runtime)
    found |= configuration.render_node(layout, plan, NodePlan("w", "127.99.0.2", 1024, 3, {"GCE_METADATA_HOST": "h"}))
    return {str(path.relative_to(tmp_path)): content for path, content in found.items()}


def test_places_of_this_machine_go_over_properties(tmp_path: Path) -> None:
    files = rendered(
        tmp_path,
        {
            "yarn:yarn.nodemanager.address": "0.0.0.0:8026",
            "yarn:yarn.nodemanager.resource.memory-mb": "13544",
            "yarn:yarn.resourcemanager.bind-host": "0.0.0.0",  # noqa: S104
            "yarn:yarn.nodemanager.aux-services": "spark_shuffle",
            "yarn:yarn.nodemanager.sleep-delay-before-sigkill.ms": "15000",
        },
    )
    site = files["nodes/w/conf/yarn-site.xml"]
    assert "<name>yarn.nodemanager.address</name><value>127.99.0.2:8026</value>" in site
    assert "<name>yarn.nodemanager.resource.memory-mb</name><value>1024</value>" in site
    assert "<name>yarn.nodemanager.sleep-delay-before-sigkill.ms</name><value>15000</value>" in site
    assert "bind-host" not in site
    assert "spark_shuffle" not in site
    inherited = next(line for line in site.splitlines() if "env-whitelist" in line)
    assert all(name in inherited for name in ("JAVA_HOME", "HTTPS_PROXY", "GCE_METADATA_HOST"))


def test_containers_have_in_front_what_their_node_has(tmp_path: Path) -> None:
    site = rendered(tmp_path, {}, PATH="/programs", PYTHONPATH="/libraries")["nodes/w/conf/yarn-site.xml"]
    values = dict(re.findall(r"<name>(.*?)</name><value>(.*?)</value>", site))
    assert "PYTHONPATH" in values["yarn.nodemanager.env-whitelist"].split(",")
    # A whole search path: without the system's directories a container's shell would not start.
    assert values["yarn.nodemanager.force.path"].startswith("/programs:/usr/")
    assert "yarn.nodemanager.force.path" not in rendered(tmp_path, {})["nodes/w/conf/yarn-site.xml"]


def spark_defaults(files: dict[str, str]) -> dict[str, str]:
    """Return what spark-defaults.conf of rendered files says."""
    return dict(line.split(" ", 1) for line in files["master/spark-conf/spark-defaults.conf"].splitlines())


def test_spark_has_the_cluster_and_the_properties(tmp_path: Path) -> None:
    files = rendered(
        tmp_path,
        {
            "spark:spark.dynamicAllocation.enabled": "false",
            "spark:spark.plugins.defaultList": "com.google.cloud.dataproc.DataprocSparkPlugin",
            "spark-env:GREETING": "it's me",
        },
    )
    defaults = spark_defaults(files)
    assert defaults["spark.master"] == "yarn"
    assert defaults["spark.yarn.jars"] == "local:/spark/jars/*"
    assert defaults["spark.driver.host"] == "127.99.0.1"
    assert defaults["spark.dynamicAllocation.enabled"] == "false"
    for role in ("driver.defaultJavaOptions", "executor.defaultJavaOptions", "yarn.am.extraJavaOptions"):
        assert "-XX:TieredStopAtLevel=1" in defaults[f"spark.{role}"].split()
        assert "SharedArchiveFile" not in defaults[f"spark.{role}"]
    assert "spark.plugins.defaultList" not in defaults
    assert files["master/spark-conf/spark-env.sh"] == "export GREETING='it'\"'\"'s me'\n"


def test_every_jvm_of_spark_has_the_class_archive_and_the_class_path_it_is_valid_for(tmp_path: Path) -> None:
    option = "-XX:SharedArchiveFile=/a b/classes.jsa"
    runtime = HadoopRuntime(Path("/java"), Path("/jars"), Path("/spark"), spark_options=(option,))
    own = {"spark:spark.executor.extraJavaOptions": "-Dmine", "spark:spark.executor.extraClassPath": "/mine"}
    defaults = spark_defaults(rendered(tmp_path, own, runtime))
    for role in ("driver.defaultJavaOptions", "executor.defaultJavaOptions", "yarn.am.extraJavaOptions"):
        assert option in shlex.split(defaults[f"spark.{role}"])
    assert defaults["spark.driver.extraClassPath"] == "/spark/jars/*"
    # Without the archive, then, but with what the cluster asks for.
    assert defaults["spark.executor.extraClassPath"] == "/mine"
    assert spark_defaults(rendered(tmp_path, {}))["spark.executor.extraClassPath"] == "/spark/jars/*"


def test_leaving_nodes_are_read_as_written(tmp_path: Path) -> None:
    leaving = LeavingNodes(tmp_path / "exclude.xml")
    leaving.write({"127.99.0.2": 60, "127.99.0.3": 0})
    assert leaving.read() == {"127.99.0.2": 60, "127.99.0.3": 0}


def test_cluster_that_was_never_prepared_says_so(tmp_path: Path) -> None:
    cluster = YarnCluster(tmp_path / "none", HadoopRuntime(Path("/java"), Path("/jars"), None))
    with pytest.raises(HadoopError, match="no prepared cluster; call prepare first"):
        cluster.start()
    cluster.stop()


def test_script_without_java_and_maven_says_what_follows_and_succeeds(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "cut", "dirname", "sha256sum", "mkdir", "mktemp", "ln"):
        (tools / name).symlink_to(shutil.which(name) or name)
    result = subprocess.run(
        [str(tools / "bash"), str(REPOSITORY / "scripts" / "hadoop.sh")],
        env={"PATH": str(tools), "HOME": str(tmp_path), "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "openjdk-17-jre-headless" in result.stdout
    assert "Maven (Debian: maven); jobs will run on local Dask instead of YARN" in result.stdout
