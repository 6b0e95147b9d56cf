"""The Dataproc service alone, without a server: real store, operations and job processes, storage in memory."""

from __future__ import annotations

import asyncio
import sys
import time
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
import requests

from localcloud import discovery
from localcloud.clock import Clock
from localcloud.dataproc import create_service
from localcloud.errors import not_found
from localcloud.operations import Operations
from localcloud.podman.commands import podman
from localcloud.settings import Settings
from localcloud.store import Store

REGION = "projects/test-project/regions/europe-west4"


class MemoryStorage:
    """Objects in a dictionary, behind the interface that the Dataproc service uses."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.buckets: set[str] = set()

    def read_object(self, bucket: str, name: str) -> bytes:
        if (bucket, name) not in self.objects:
            raise not_found(f"No such object: {bucket}/{name}")
        return self.objects[bucket, name]

    def write_object(self, bucket: str, name: str, data: bytes, content_type: str = "") -> None:
        self.objects[bucket, name] = data

    def object_exists(self, bucket: str, name: str) -> bool:
        return (bucket, name) in self.objects

    def ensure_bucket(self, bucket: str, project: str, location: str) -> None:
        self.buckets.add(bucket)


class World:
    """The service under test, a clock that can be moved, and faults to inject into operations."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home, project="test-project", engine="process")
        self.settings.jobs_directory.mkdir(exist_ok=True)
        self.settings.environment_file.write_text('{"FROM_ENVIRONMENT_FILE": "yes"}')
        self.storage = MemoryStorage()
        self.offset = timedelta(0)
        self.fault: dict[str, Any] | None = None
        self.fault_method = ""
        self.real_now = lambda: datetime.now(UTC)
        self.restart()

    def restart(self) -> None:
        """Go on as a new server does after the old one was killed: from the database file and nothing else."""
        self.store = Store(self.settings.database_file)
        self.clock = Clock("fast", source=lambda: self.real_now() + self.offset)
        self.operations = Operations(self.store, self.clock, self)
        self.service = create_service(self.settings, self.store, self.clock, self.operations, self.storage)
        self.service.start()

    def at(self, instant: datetime) -> None:
        """Set the clock."""
        self.offset = instant - self.real_now()

    def freeze(self) -> None:
        """Let no time pass any more but what a test adds to the offset, and what it waits for."""
        now = datetime.now(UTC)
        self.real_now = lambda: now

    def for_operation(self, method_id: str) -> dict[str, Any] | None:
        return self.fault if method_id.endswith(self.fault_method) else None

    def call(self, http_method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Send one request through routing and validation, as the application does."""
        api = discovery.load("dataproc", "v1")
        found = api.match(http_method, f"/v1/{path}")
        assert found, f"no such route: {http_method} {path}"
        method, parameters = found
        state = types.SimpleNamespace(query=api.validate_query(method, query))
        checked = api.validate_body(method, body) if method.request_schema else {}
        request = types.SimpleNamespace(state=state)
        return asyncio.run(self.service.handle(request, "tester", method, parameters, checked))

    def until(self, check: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Tick until `check` returns something true, and return it; only drivers take real time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.service.tick()
            found = check()
            if found:
                return found
            if not self._skip_waiting():
                time.sleep(0.02)
        raise AssertionError(f"still not so after {seconds} s")

    def _skip_waiting(self) -> bool:
        """Move the clock to the next end of an operation; return whether there is one to come."""
        due = self.store.connection.execute("SELECT min(finish_at) FROM operations WHERE state = 'RUNNING'").fetchone()[
            0
        ]
        if due is not None:
            # A stored instant may be a rounding before the end.
            end = datetime.fromtimestamp(due, UTC) + timedelta(milliseconds=1)
            self.offset += max(timedelta(0), end - self.clock.now())
        return due is not None

    def finished(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Wait for an operation and return it."""

        def done() -> dict[str, Any] | None:
            current = self.call("GET", operation["name"])
            return current if current.get("done") else None

        return self.until(done)

    def job(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", f"{REGION}/jobs/{job_id}")

    def job_in(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of the states and return it."""

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"]["state"] in states else None

        return self.until(reached)

    def cluster(self, name: str = "shared", **body: Any) -> dict[str, Any]:
        """Create a cluster, wait until it runs and return it."""
        self.finished(self.call("POST", f"{REGION}/clusters", {"clusterName": name, **body}))
        return self.call("GET", f"{REGION}/clusters/{name}")

    def script(self, text: str, name: str = "main.py") -> str:
        """Store a main file and return its URI."""
        self.storage.objects["code", name] = text.encode()
        return f"gs://code/{name}"

    def submit(self, uri: str, *arguments: str, cluster: str = "shared", **job: Any) -> str:
        """Submit a PySpark job and return its id."""
        description = {"mainPythonFileUri": uri, "args": list(arguments), **job.pop("pyspark", {})}
        body = {"job": {"placement": {"clusterName": cluster}, "pysparkJob": description, **job}}
        return self.call("POST", f"{REGION}/jobs:submit", body)["reference"]["jobId"]

    def output(self, job: dict[str, Any]) -> str:
        """Read a job's driver output as gcloud does: object by object, until the empty one that ends the series."""
        bucket, _, prefix = job["driverOutputResourceUri"].removeprefix("gs://").partition("/")
        text = b""
        for index in range(1000):
            part = self.storage.objects[bucket, f"{prefix}.{index:09d}"]
            if not part:
                return text.decode()
            text += part
        raise AssertionError("the series has no end")


class YarnCloud:
    """A running local cloud with real clusters, and what tests ask of it."""

    region_url = "https://dataproc.googleapis.com/v1/projects/local-project/regions/europe-west1"
    # Of every cluster, beside its properties.
    software: ClassVar[dict[str, str]] = {}

    def __init__(self, server: Any) -> None:
        self.server = server
        self.connect()
        self.http.post("https://storage.googleapis.com/storage/v1/b?project=local-project", json={"name": "code"})

    def connect(self) -> None:
        """Reach the server, which may have another port after it was stopped."""
        self.http = self.server.session()

    def put(self, name: str, text: str) -> str:
        """Store a file and return its URI."""
        url = f"https://storage.googleapis.com/upload/storage/v1/b/code/o?uploadType=media&name={name}"
        self.http.post(url, data=text.encode()).raise_for_status()
        return f"gs://code/{name}"

    def finished(self, operation: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """Wait for an operation and return it."""
        assert "name" in operation, operation
        return self.server.operation(f"https://dataproc.googleapis.com/v1/{operation['name']}", self.http, seconds)

    def start_cluster(self, name: str, properties: dict[str, str] | None = None, **config: Any) -> dict[str, Any]:
        """Begin to create a cluster of small nodes; return the operation."""
        small = {
            "yarn:yarn.nodemanager.resource.memory-mb": "4096",
            "yarn:yarn.nodemanager.resource.cpu-vcores": "4",
            # Applications of one container each: all of a queue may be application masters.
            "capacity-scheduler:yarn.scheduler.capacity.maximum-am-resource-percent": "1",
        }
        software = {"properties": small | (properties or {}), **self.software}
        config = {"softwareConfig": software, **config}
        body = {"clusterName": name, "config": config}
        return self.http.post(f"{self.region_url}/clusters", json=body).json()

    def cluster(self, name: str) -> dict[str, Any]:
        return self.http.get(f"{self.region_url}/clusters/{name}").json()

    def resize(self, name: str, graceful: str = "0s", **sizes: int) -> dict[str, Any]:
        """Ask for sizes of instance groups; return the operation."""
        mask = ",".join(f"config.{group}.numInstances" for group in sizes)
        body = {"config": {group: {"numInstances": size} for group, size in sizes.items()}}
        url = f"{self.region_url}/clusters/{name}?updateMask={mask}&gracefulDecommissionTimeout={graceful}"
        return self.http.patch(url, json=body).json()

    def delete(self, name: str) -> dict[str, Any]:
        """Delete a cluster and return the operation, ended."""
        return self.finished(self.http.delete(f"{self.region_url}/clusters/{name}").json())

    def nodes(self, cluster: str) -> dict[str, dict[str, Any]]:
        """Return the nodes of a cluster by name, from the control API."""
        return {node["name"]: node for node in self.server.control("GET", f"/localcloud/nodes/{cluster}")["nodes"]}

    def manager(self, cluster: str) -> str:
        """Return the URL of a cluster's ResourceManager."""
        overview = self.server.control("GET", "/localcloud/overview")
        return next(item["resource_manager"] for item in overview["clusters"] if item["name"] == cluster)

    def ask_yarn(self, method: str, cluster: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask a ResourceManager's web services, as user ada."""
        url = f"{self.manager(cluster)}/ws/v1/cluster/{path}?user.name=ada"
        answer = requests.request(method, url, json=body, headers={"Accept": "application/json"}, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def occupy(self, cluster: str, memory_mb: int, tags: str = "") -> str:
        """Start an application of one container that sleeps; return its id."""
        identifier = self.ask_yarn("POST", cluster, "apps/new-application")["application-id"]
        application = {
            "application-id": identifier,
            "application-name": "sleep",
            "am-container-spec": {"commands": {"command": "exec sleep 600"}},
            "application-type": "SLEEP",
            "resource": {"memory": memory_mb, "vCores": 1},
            "max-app-attempts": 1,
            "application-tags": {"tag": tags.split(",")} if tags else None,
        }
        self.ask_yarn("POST", cluster, "apps", application)
        return identifier

    def application(self, cluster: str, identifier: str) -> dict[str, Any]:
        return self.ask_yarn("GET", cluster, f"apps/{identifier}")["app"]

    def end(self, cluster: str, *identifiers: str) -> None:
        """Kill applications."""
        for identifier in identifiers:
            self.ask_yarn("PUT", cluster, f"apps/{identifier}/state", {"state": "KILLED"})

    def submit(self, cluster: str, uri: str, *arguments: str, **description: Any) -> dict[str, Any]:
        """Submit a PySpark job and return it."""
        job = {
            "placement": {"clusterName": cluster},
            "pysparkJob": {"mainPythonFileUri": uri, "args": list(arguments), **description},
        }
        return self.http.post(f"{self.region_url}/jobs:submit", json={"job": job}).json()

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.http.get(f"{self.region_url}/jobs/{job['reference']['jobId']}").json()

    def ended(self, job: dict[str, Any], seconds: float = 240) -> dict[str, Any]:
        """Wait until a job has ended and return it."""
        return self.until(lambda: (found := self.job(job)).get("done") and found, seconds)

    def output(self, job: dict[str, Any]) -> str:
        """Return the (first part of the) output of a job."""
        bucket, _, name = job["driverOutputResourceUri"].removeprefix("gs://").partition("/")
        path = quote(f"{name}.000000000", safe="")
        return self.http.get(f"https://storage.googleapis.com/storage/v1/b/{bucket}/o/{path}?alt=media").text

    @staticmethod
    def until(check: Callable[[], Any], seconds: float = 90) -> Any:
        """Wait until `check` returns something true and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = check()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"still not so after {seconds} s")


class PodmanCloud(YarnCloud):
    """A cloud of nodes in containers, and what is on them."""

    software: ClassVar[dict[str, str]] = {"imageVersion": "2.3.10-debian12"}

    def run(self, node: str, *command: str) -> str:
        """Return what a command prints on a node."""
        (container,) = self.containers(node)
        return podman("exec", container, *command)

    def containers(self, *nodes: str) -> list[str]:
        """Return the containers of this cloud, dead or alive; or only those that are certain nodes."""
        home = self.server.home / "clusters"
        labels = [f"localcloud.clusters={home}", *(f"localcloud.node={node}" for node in nodes)]
        filters = [f"--filter=label={label}" for label in labels]
        return podman("ps", "--all", "--format={{.Names}}", *filters).split()

    def read(self, uri: str) -> str:
        """Return an object's text."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        url = f"https://storage.googleapis.com/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media"
        return self.http.get(url).text


@pytest.fixture(scope="session")
def cloud(podman_server: Any) -> PodmanCloud:
    """The local cloud with nodes in containers."""
    return PodmanCloud(podman_server)


@pytest.fixture(scope="session")
def yarn(yarn_server: Any) -> YarnCloud:
    """The local cloud with real clusters."""
    return YarnCloud(yarn_server)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A service on an empty state; its drivers run with the Python of the tests and are ended with the test."""
    monkeypatch.setenv("LOCALCLOUD_CLUSTER_PYTHON", sys.executable)
    made = World(tmp_path)
    yield made
    asyncio.run(made.service.stop())
