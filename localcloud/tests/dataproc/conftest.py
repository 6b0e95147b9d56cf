"""The Dataproc service alone, without a server: real store, operations and job processes, storage in memory."""

from __future__ import annotations

import asyncio
import sys
import time
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud import discovery
from localcloud.clock import Clock
from localcloud.dataproc import create_service
from localcloud.errors import not_found
from localcloud.operations import Operations
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
        self.settings = Settings(home, project="test-project")
        self.settings.jobs_directory.mkdir(exist_ok=True)
        self.settings.environment_file.write_text('{"FROM_ENVIRONMENT_FILE": "yes"}')
        self.storage = MemoryStorage()
        self.offset = timedelta(0)
        self.fault: dict[str, Any] | None = None
        self.fault_method = ""
        self.restart()

    def restart(self) -> None:
        """Go on as a new server does after the old one was killed: from the database file and nothing else."""
        self.store = Store(self.settings.database_file)
        clock = Clock("fast", source=lambda: datetime.now(UTC) + self.offset)
        self.operations = Operations(self.store, clock, self)
        self.service = create_service(self.settings, self.store, clock, self.operations, self.storage)
        self.service.start()

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
            self.offset += max(timedelta(0), datetime.fromtimestamp(due, UTC) - (datetime.now(UTC) + self.offset))
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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A service on an empty state; its drivers run with the Python of the tests and are ended with the test."""
    monkeypatch.setenv("LOCALCLOUD_CLUSTER_PYTHON", sys.executable)
    made = World(tmp_path)
    yield made
    asyncio.run(made.service.stop())
