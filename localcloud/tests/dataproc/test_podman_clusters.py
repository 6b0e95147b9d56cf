"""Clusters of containers: initialization actions change nodes before Hadoop starts, and nothing outlives a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

# Leaves behind, on the node, what it found: who it is, what ran already, and how far it got outside.
LOOK = """#!/bin/bash
set -euo pipefail
value() { curl -sSf -H 'Metadata-Flavor: Google' "http://metadata.google.internal/computeMetadata/v1/instance/$1"; }
token="$(value service-accounts/default/token | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')"
bucket=https://storage.googleapis.com/storage/v1/b/code
drop_in=/etc/systemd/system/hadoop-yarn-nodemanager.service.d
mkdir -p "${drop_in}"
printf '[Service]\\nEnvironment=FROM_INIT_ACTION=yes\\n' > "${drop_in}/test.conf"
cat > /var/lib/first.json <<JSON
{
  "name": "$(value name)",
  "role": "$(value attributes/dataproc-role)",
  "user": "$(id -un)",
  "init": "$(cat /proc/1/comm)",
  "hadoop": "$(systemctl list-units --no-legend 'hadoop-yarn-*')",
  "offline": "$(curl -s -m 2 http://192.0.2.1 || echo yes)",
  "storage": "$(curl -s -o /dev/null -w '%{http_code}' -H @- "${bucket}" <<<"Authorization: Bearer ${token}")"
}
JSON
echo first on "$(hostname)"
"""
SECOND = "#!/bin/bash\ntest -s /var/lib/first.json && echo second\n"
JOB = """
import json, os, socket, sys
from pyspark import SparkContext
context = SparkContext()
where = context.parallelize(range(8), 8).map(lambda _: (socket.gethostname(), os.getuid())).distinct().collect()
key = "GOOGLE_APPLICATION_CREDENTIALS" in os.environ
found = {"driver": socket.gethostname(), "key": key, "executors": sorted(where)}
print("RESULT", json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def cluster(cloud: Any) -> Iterator[str]:
    actions = [{"executableFile": cloud.put("first.sh", LOOK)}, {"executableFile": cloud.put("second.sh", SECOND)}]
    created = cloud.finished(cloud.start_cluster("nodes", initializationActions=actions))
    assert "error" not in created, created
    yield "nodes"
    assert "error" not in cloud.delete("nodes")
    assert cloud.containers() == []


@pytest.mark.parametrize("node", ["nodes-m", "nodes-w-0", "nodes-w-1"])
def test_init_actions_ran_on_every_node_before_hadoop(cloud: Any, cluster: str, node: str) -> None:
    found = json.loads(cloud.run(node, "cat", "/var/lib/first.json"))
    assert found == {
        "name": node,
        "role": "Master" if node == "nodes-m" else "Worker",
        "user": "root",
        "init": "systemd",
        "hadoop": "",
        "offline": "yes",
        "storage": "200",
    }
    daemon = "resourcemanager" if node == "nodes-m" else "nodemanager"
    assert cloud.run(node, "systemctl", "is-active", f"hadoop-yarn-{daemon}").strip() == "active"
    log = cloud.run(node, "cat", "/var/log/dataproc-initialization-script-0.log")
    assert log == f"first on {node}\n"


def test_what_actions_set_for_hadoops_units_holds(cloud: Any, cluster: str) -> None:
    environment = cloud.run("nodes-w-0", "systemctl", "show", "--property=Environment", "hadoop-yarn-nodemanager")
    assert "FROM_INIT_ACTION=yes" in environment


def test_drivers_and_containers_run_on_nodes_under_their_accounts(cloud: Any, cluster: str) -> None:
    # One executor fills a node, but for the application master.
    properties = {
        "spark.executor.instances": "2",
        "spark.executor.memory": "2g",
        "spark.executor.cores": "1",
        "spark.yarn.am.memory": "512m",
        "spark.dynamicAllocation.enabled": "false",
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "300s",
    }
    job = cloud.ended(cloud.submit(cluster, cloud.put("where.py", JOB), properties=properties))
    output = cloud.output(job)
    assert job["status"]["state"] == "DONE", output
    (result,) = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    assert json.loads(result) == {
        "driver": "nodes-m",
        "key": False,
        "executors": [["nodes-w-0", 2001], ["nodes-w-1", 2001]],
    }


def test_a_new_node_runs_the_init_actions(cloud: Any, cluster: str) -> None:
    assert "error" not in cloud.finished(cloud.resize(cluster, workerConfig=3))
    assert json.loads(cloud.run("nodes-w-2", "cat", "/var/lib/first.json"))["name"] == "nodes-w-2"
    assert "error" not in cloud.finished(cloud.resize(cluster, workerConfig=2))
    assert cloud.containers("nodes-w-2") == []


def test_a_killed_server_finds_its_nodes_again(cloud: Any, cluster: str) -> None:
    before = cloud.run("nodes-w-0", "cat", "/proc/1/stat").split()[21]
    cloud.server.kill()
    cloud.server.up()
    cloud.connect()
    cloud.until(lambda: cloud.nodes(cluster))
    assert cloud.run("nodes-w-0", "cat", "/proc/1/stat").split()[21] == before
    # The way to the local cloud and to the metadata is there again.
    cloud.run("nodes-w-0", "sh", "-c", 'curl -sSf -H "Metadata-Flavor: Google" http://metadata.google.internal/')
    cloud.run("nodes-w-0", "systemd-run", "--quiet", "--wait", "curl", "-sS", "https://storage.googleapis.com/")


def test_a_failing_action_fails_the_cluster_and_its_log_is_kept(cloud: Any) -> None:
    failing = cloud.put("fails.sh", "#!/bin/bash\necho before the end\nexit 3\n")
    created = cloud.finished(cloud.start_cluster("broken", initializationActions=[{"executableFile": failing}]))
    assert created["error"]["message"].startswith(
        f"Initialization action failed. Failed action '{failing}', see output in: gs://"
    )
    assert cloud.cluster("broken")["status"]["state"] == "ERROR"
    address = created["error"]["message"].rpartition(" ")[2]
    assert cloud.read(address) == "before the end\n"
    assert "error" not in cloud.delete("broken")


def test_a_version_without_a_node_image_fails_the_cluster(cloud: Any) -> None:
    created = cloud.finished(cloud.start_cluster("old", softwareConfig={"imageVersion": "2.2.84-debian12"}))
    assert "2.2.84-debian12" in created["error"]["message"]
    cloud.delete("old")
