"""Clusters of real YARN daemons: their nodes come, go and get lost; a restart finds them; nothing outlives them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

NODE_MB = 4096


def processes_of(home: Path) -> list[int]:
    """Return the processes whose environment or command line names a cluster below `home`."""
    mark = f"{home}/clusters/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "environ").read_bytes() or mark in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def metadata(address: str, path: str) -> str:
    url = f"http://{address}:8780/computeMetadata/v1/{path}"
    return requests.get(url, headers={"Metadata-Flavor": "Google"}, timeout=10).text


@pytest.fixture(scope="module")
def cluster(yarn: Any) -> Iterator[str]:
    created = yarn.finished(
        yarn.start_cluster(
            "nodes",
            endpointConfig={"enableHttpPortAccess": True},
            gceClusterConfig={"metadata": {"fair-scheduler-uri": "gs://code/fair.xml"}},
        )
    )
    assert "error" not in created
    yield "nodes"
    assert "error" not in yarn.delete("nodes")
    assert processes_of(yarn.server.home) == []


def test_a_cluster_is_a_resource_manager_with_its_workers(yarn: Any, cluster: str) -> None:
    nodes = yarn.until(lambda: yarn.nodes(cluster))
    assert {name: (node["state"], node["memory_mb"]) for name, node in nodes.items()} == {
        "nodes-w-0": ("RUNNING", NODE_MB),
        "nodes-w-1": ("RUNNING", NODE_MB),
    }
    described = yarn.until(lambda: "metrics" in (found := yarn.cluster(cluster)) and found)
    assert described["config"]["workerConfig"]["instanceNames"] == sorted(nodes)
    assert described["metrics"]["yarnMetrics"]["yarn-memory-mb-available"] == str(2 * NODE_MB)
    url = described["config"]["endpointConfig"]["httpPorts"]["YARN ResourceManager"]
    assert requests.get(f"{url}/ws/v1/cluster/info", timeout=10).json()["clusterInfo"]["state"] == "STARTED"
    status = yarn.server.command("status").stdout
    assert f"cluster nodes (europe-west1): RUNNING, ResourceManager {url}" in status


def test_nodes_know_themselves_from_their_metadata_servers(yarn: Any, cluster: str) -> None:
    master = yarn.manager(cluster).removeprefix("http://").partition(":")[0]
    worker = yarn.nodes(cluster)["nodes-w-1"]["address"]
    assert metadata(master, "instance/attributes/dataproc-role") == "Master"
    assert metadata(worker, "instance/attributes/dataproc-role") == "Worker"
    assert metadata(worker, "instance/attributes/dataproc-master") == "nodes-m"
    assert metadata(worker, "instance/attributes/dataproc-worker-count") == "2"
    assert metadata(worker, "instance/attributes/fair-scheduler-uri") == "gs://code/fair.xml"
    assert metadata(worker, "instance/name") == "nodes-w-1"


def test_a_token_of_a_node_opens_the_storage_api(yarn: Any, cluster: str) -> None:
    worker = yarn.nodes(cluster)["nodes-w-0"]["address"]
    url = f"http://{worker}:8780/computeMetadata/v1/instance/service-accounts/default/token"
    token = requests.get(url, headers={"Metadata-Flavor": "Google"}, timeout=10).json()["access_token"]
    session = yarn.server.anonymous_session()
    session.headers["Authorization"] = f"Bearer {token}"
    assert session.get("https://storage.googleapis.com/storage/v1/b/code").status_code == 200


def test_the_server_is_killed_and_finds_its_cluster(yarn: Any, cluster: str) -> None:
    manager = yarn.manager(cluster)
    started = requests.get(f"{manager}/ws/v1/cluster/info", timeout=10).json()["clusterInfo"]["startedOn"]
    yarn.server.kill()
    yarn.server.up()
    yarn.until(lambda: yarn.nodes(cluster))
    assert yarn.manager(cluster) == manager
    assert requests.get(f"{manager}/ws/v1/cluster/info", timeout=10).json()["clusterInfo"]["startedOn"] == started
    worker = yarn.nodes(cluster)["nodes-w-0"]["address"]
    assert metadata(worker, "instance/name") == "nodes-w-0"


def test_a_resize_adds_and_takes_nodes_gracefully(yarn: Any, cluster: str) -> None:
    grown = yarn.finished(yarn.resize(cluster, workerConfig=3, secondaryWorkerConfig=1))
    assert "error" not in grown
    names = yarn.cluster(cluster)["config"]["secondaryWorkerConfig"]["instanceNames"]
    nodes = yarn.until(lambda: len(found := yarn.nodes(cluster)) == 4 and found)
    assert set(nodes) == {"nodes-w-0", "nodes-w-1", "nodes-w-2", *names}
    assert {node["state"] for node in nodes.values()} == {"RUNNING"}
    # Every node has one container, which keeps nodes that are to leave.
    sleepers = [yarn.occupy(cluster, 3072) for _ in nodes]
    yarn.until(lambda: all(node["containers"] == 1 for node in yarn.nodes(cluster).values()))
    shrinking = yarn.resize(cluster, graceful="300s", workerConfig=2, secondaryWorkerConfig=0)
    yarn.until(lambda: yarn.nodes(cluster)["nodes-w-2"]["state"] == "DECOMMISSIONING")
    assert yarn.cluster(cluster)["status"]["state"] == "UPDATING"
    yarn.end(cluster, *sleepers)
    assert "error" not in yarn.finished(shrinking)
    yarn.until(lambda: set(yarn.nodes(cluster)) == {"nodes-w-0", "nodes-w-1"})


def test_a_killed_node_is_gone_until_a_resize_asks_for_it(yarn: Any, cluster: str) -> None:
    assert yarn.server.command("node", "kill", cluster, "nodes-w-1").stdout == "nodes-w-1 is gone\n"
    node = yarn.until(lambda: (found := yarn.nodes(cluster)["nodes-w-1"])["state"] == "KILLED" and found)
    assert not node["alive"]
    unknown = yarn.server.command("node", "kill", cluster, "nodes-w-7", check=False)
    assert "there is no node nodes-w-7" in unknown.stderr
    assert "error" not in yarn.finished(yarn.resize(cluster, workerConfig=2))
    yarn.until(lambda: yarn.nodes(cluster)["nodes-w-1"]["state"] == "RUNNING")


def test_a_preempted_node_is_told_and_then_lost(yarn: Any, cluster: str) -> None:
    address = yarn.nodes(cluster)["nodes-w-0"]["address"]
    said = yarn.server.command("node", "preempt", cluster, "nodes-w-0", "--notice", "600").stdout
    assert said == "nodes-w-0 is lost in 600 s\n"
    assert metadata(address, "instance/preempted") == "TRUE"
    assert yarn.nodes(cluster)["nodes-w-0"]["alive"]
    # The last notice counts, and the node is not lost before its end.
    began = time.monotonic()
    yarn.server.command("node", "preempt", cluster, "nodes-w-0", "--notice", "5")
    yarn.until(lambda: not yarn.nodes(cluster)["nodes-w-0"]["alive"])
    assert time.monotonic() - began > 4.5


def test_down_ends_all_daemons_and_up_starts_them_again(yarn: Any, cluster: str) -> None:
    yarn.server.down()
    assert processes_of(yarn.server.home) == []
    yarn.server.up()
    yarn.connect()
    nodes = yarn.until(lambda: yarn.nodes(cluster))
    assert {name: node["state"] for name, node in nodes.items()} == {"nodes-w-0": "RUNNING", "nodes-w-1": "RUNNING"}


def test_a_cluster_that_cannot_start_is_an_error_with_the_reason(yarn: Any) -> None:
    failed = yarn.finished(yarn.start_cluster("broken", {"yarn:yarn.resourcemanager.scheduler.class": "no.Such"}))
    assert "no.Such" in failed["error"]["message"]
    status = yarn.cluster("broken")["status"]
    assert (status["state"], "no.Such" in status["detail"]) == ("ERROR", True)
    assert "error" not in yarn.delete("broken")


def test_init_actions_run_before_the_resource_manager(yarn: Any) -> None:
    elsewhere = yarn.put("elsewhere.sh", "#!/bin/sh\ntouch /tmp/never\nexit 9\n")
    confined = yarn.put(
        "confined.sh",
        "#!/bin/sh\n# init-action-scope: hadoop-conf-dir\n"
        'echo "on $(uname)"\nsetsid sleep 600 &\ntest -s "$HADOOP_CONF_DIR/yarn-site.xml" || exit 0\nexit 4\n',
    )
    actions = [{"executableFile": elsewhere}, {"executableFile": confined}]
    failed = yarn.finished(yarn.start_cluster("actions", initializationActions=actions))
    message = failed["error"]["message"]
    assert message.startswith(f"Initialization action failed. Failed action '{confined}', see output in: gs://")
    bucket, _, name = message.rpartition("gs://")[2].partition("/")
    assert name.endswith("/actions-m/dataproc-initialization-script-1_output")
    found = yarn.http.get(
        f"https://storage.googleapis.com/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}?alt=media"
    )
    assert found.text == "on Linux\n"
    home = yarn.server.home / "clusters" / yarn.cluster("actions")["clusterUuid"]
    assert "error" not in yarn.delete("actions")
    assert not home.exists()
    assert not [pid for pid in processes_of(yarn.server.home) if str(home).encode() in environment_of(pid)]


def environment_of(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return b""
