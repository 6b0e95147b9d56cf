"""The ResourceManager client against answers recorded from Hadoop 3.3.6, and against servers that fail."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from dask_on_yarn.hadoop_configuration import HadoopConfiguration, HadoopConfigurationError
from dask_on_yarn.resource_manager import NotFoundError, ResourceManager, ResourceManagerError, urls_from

from .fake_server import FakeServer, serve

APP = {
    "id": "application_1795471200000_0002",
    "user": "ada",
    "name": "flights-etl",
    "queue": "root.normal.ada",
    "state": "RUNNING",
    "finalStatus": "UNDEFINED",
    "trackingUrl": "http://127.0.0.1:8088/proxy/application_1795471200000_0002/",
    "diagnostics": "\n",
    "applicationType": "SPARK",
    "applicationTags": "dask-run-1,dataproc_job_flights-1",
    "startedTime": 1795471260123,
    "finishedTime": 0,
    "amHostHttpAddress": "127.24.0.2:8042",
    "allocatedMB": 25600,
    "allocatedVCores": 9,
    "runningContainers": 3,
    "memorySeconds": 512000,
    "vcoreSeconds": 180,
}
PENDING = APP | {
    "id": "application_1795471200000_0001",
    "state": "ACCEPTED",
    "allocatedMB": -1,
    "allocatedVCores": -1,
    "runningContainers": -1,
    "applicationTags": "",
}
NODE = {
    "id": "127.24.0.2:45454",
    "nodeHostName": "127.24.0.2",
    "state": "DECOMMISSIONING",
    "numContainers": 2,
    "usedMemoryMB": 13312,
    "availMemoryMB": 0,
    "usedVirtualCores": 5,
    "availableVirtualCores": 0,
}


def answer(path: str) -> tuple[int, str]:
    route = path.split("?", 1)[0].removeprefix("/ws/v1/cluster/")
    if route == "apps":
        return 200, json.dumps({"apps": None} if "user=nobody" in path else {"apps": {"app": [APP, PENDING]}})
    if route == "nodes":
        return 200, json.dumps({"nodes": {} if "LOST" in path else {"node": [NODE]}})
    if route == f"apps/{APP['id']}":
        return 200, json.dumps({"app": APP})
    if route == "metrics":
        return 200, json.dumps({"clusterMetrics": {"allocatedMB": 25600}})
    message = {"RemoteException": {"message": "app with id: application_1_0009 not found"}}
    return 404, json.dumps(message)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(answer) as running:
        yield running


def test_application(server: FakeServer) -> None:
    application = ResourceManager([server.url]).application(APP["id"])
    assert (application.user, application.queue, application.state) == ("ada", "root.normal.ada", "RUNNING")
    assert (application.allocated_mb, application.allocated_vcores, application.running_containers) == (25600, 9, 3)
    assert (application.memory_mb_seconds, application.vcore_seconds) == (512000, 180)
    assert application.tags == {"dask-run-1", "dataproc_job_flights-1"}
    assert application.started == 1795471260.123
    assert application.master_host == "127.24.0.2"
    assert application.diagnostics == ""
    assert not application.is_finished


def test_applications_are_filtered_and_sorted(server: FakeServer) -> None:
    manager = ResourceManager([server.url], user="root")
    found = manager.applications(user="ada", states=("RUNNING", "ACCEPTED"), tag="dask-run-1")
    assert [application.id[-1] for application in found] == ["1", "2"]
    assert (found[0].allocated_mb, found[0].running_containers, found[0].tags) == (0, 0, frozenset())
    assert server.requests[-1].endswith("user=ada&states=RUNNING%2CACCEPTED&applicationTags=dask-run-1&user.name=root")
    assert manager.applications(user="nobody") == []


def test_nodes_and_metrics(server: FakeServer) -> None:
    manager = ResourceManager([server.url])
    node = manager.nodes(states=("DECOMMISSIONING",))[0]
    assert (node.host, node.state, node.containers, node.used_mb) == ("127.24.0.2", "DECOMMISSIONING", 2, 13312)
    assert manager.nodes(states=("LOST",)) == []
    assert manager.metrics() == {"allocatedMB": 25600}


def test_the_caller_is_named_because_yarn_hides_figures_from_strangers(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    ResourceManager([server.url]).metrics()
    monkeypatch.setenv("HADOOP_USER_NAME", "ada")
    ResourceManager([server.url]).metrics()
    assert [path.rpartition("?")[2] for path in server.requests] == ["user.name=root", "user.name=ada"]


def test_unknown_application_is_not_retried(server: FakeServer) -> None:
    with pytest.raises(NotFoundError, match="application_1_0009 not found"):
        ResourceManager([server.url]).application("application_1_0009")
    assert len(server.requests) == 1


def test_a_proxy_in_the_environment_is_ignored(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ResourceManager([server.url], attempts=1).metrics()


def test_errors_are_retried_a_bounded_number_of_times() -> None:
    answers = [(500, "busy"), (200, "This is standby RM."), (200, json.dumps({"clusterMetrics": {}}))]
    with serve(lambda _: answers.pop(0)) as flaky:
        assert ResourceManager([flaky.url], pause=0.01).metrics() == {}
    with serve(lambda _: (503, "down")) as dead, pytest.raises(ResourceManagerError) as failure:
        ResourceManager([dead.url], attempts=2, pause=0.01, user="ada").metrics()
    assert len(dead.requests) == 2
    assert (
        str(failure.value)
        == f"GET /ws/v1/cluster/metrics?user.name=ada: no answer in 2 tries; last: {dead.url}: HTTP 503 down"
    )


def test_the_active_one_of_a_pair_is_found_and_remembered(server: FakeServer) -> None:
    with serve(lambda _: (200, "This is standby RM. The redirect url is: ...")) as standby:
        manager = ResourceManager([standby.url, server.url], pause=0.01)
        assert manager.metrics()
        assert manager.metrics()
        assert len(standby.requests) == 1
        assert manager.url == server.url


def test_addresses_from_yarn_site() -> None:
    host = "yarn.resourcemanager.hostname"
    assert urls_from(HadoopConfiguration({})) == ["http://127.0.0.1:8088"]
    assert urls_from(HadoopConfiguration({host: "rm"})) == ["http://rm:8088"]
    address = {host: "rm", "yarn.resourcemanager.webapp.address": "${yarn.resourcemanager.hostname}:8188"}
    assert urls_from(HadoopConfiguration(address)) == ["http://rm:8188"]
    assert urls_from(HadoopConfiguration({host: "rm", "yarn.http.policy": "HTTPS_ONLY"})) == ["https://rm:8090"]
    pair = {
        "yarn.resourcemanager.ha.enabled": "true",
        "yarn.resourcemanager.ha.rm-ids": "rm1, rm2",
        "yarn.resourcemanager.hostname.rm1": "m-0",
        "yarn.resourcemanager.webapp.address.rm2": "m-1:9099",
    }
    assert urls_from(HadoopConfiguration(pair)) == ["http://m-0:8088", "http://m-1:9099"]
    assert urls_from(HadoopConfiguration(pair | {"yarn.resourcemanager.ha.enabled": "false"})) == [
        "http://127.0.0.1:8088"
    ]


def test_configuration_values() -> None:
    configuration = HadoopConfiguration({"a": "${b}/x", "b": "${env.ROOT}", "n": "many"}, {"ROOT": "/data"})
    assert configuration.get("a") == "/data/x"
    assert configuration.get("missing", "${b}") == "/data"
    assert configuration.get_bool("missing", True)
    with pytest.raises(HadoopConfigurationError, match="n is 'many', expected a whole number"):
        configuration.get_int("n", 1)
