"""A Dataproc cluster of a local cloud with a real ResourceManager, for tests that submit jobs and see what is left."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests

from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import DATAPROC, STORAGE, Google, wait_for

DATA_BUCKET = "local-project-data"
ARTIFACTS_BUCKET = "local-project-artifacts"
STAGING_BUCKET = "local-project-dataproc-staging"
TERMINAL = {"DONE", "ERROR", "CANCELLED"}
# Processes that belong to the cloud and its nodes, not to a job, by a word of their command line.
_DAEMONS = (
    "localcloud.daemon",
    "localcloud.supervisor",
    "localcloud.dataproc.supervisor",
    "localcloud/bin",
    "resourcemanager.ResourceManager",
    "nodemanager.NodeManager",
    "yarn_queues.py",
)


@dataclass
class Cluster:
    """One running cluster and the cloud it is in."""

    cloud: LocalCloud
    google: Google
    name: str
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        """Ask the ResourceManager without a proxy."""
        self._session.trust_env = False

    @property
    def body(self) -> dict[str, Any]:
        """The cluster as the API answers it."""
        return self.google.get(f"clusters/{self.name}")

    def yarn(self, path: str) -> dict[str, Any]:
        """One answer of the ResourceManager's REST API, such as ``metrics`` or ``apps?states=RUNNING``."""
        ports = self.body["config"]["endpointConfig"]["httpPorts"]
        (url,) = [url for name, url in ports.items() if "ResourceManager" in name]
        # Who is neither the owner nor an administrator is shown applications without their figures.
        address = f"{url.rstrip('/')}/ws/v1/cluster/{path}"
        response = self._session.get(address, params={"user.name": "yarn"}, timeout=20)
        response.raise_for_status()
        return response.json()

    def applications(self, **filters: str) -> list[dict[str, Any]]:
        """Applications the ResourceManager knows, filtered as its REST API does."""
        query = "&".join(f"{name}={quote(value)}" for name, value in filters.items())
        return ((self.yarn(f"apps?{query}").get("apps")) or {}).get("app", [])

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes as the ResourceManager sees them."""
        return (self.yarn("nodes").get("nodes") or {}).get("node", [])

    def submit(
        self,
        script: str,
        *arguments: str,
        owner: str = "ada",
        priority: str = "normal",
        labels: dict[str, str] | None = None,
        properties: dict[str, str] | None = None,
        **options: str | int,
    ) -> Job:
        """Submit a script's text (or a file of jobs/) with the project's driver, as its workflow templates do.

        ``properties`` are Spark's. ``options`` are the driver's, with underscores; sizes and limits default to those of
        the inventory.
        """
        workload = f"test-{uuid.uuid4().hex[:8]}"
        if script.endswith(".py"):
            script = (Path(__file__).parents[3] / "jobs" / script).read_text(encoding="utf-8")
        template = self.google.get("workflowTemplates/flights-etl")
        job = template["jobs"][0]["pysparkJob"]
        rendered = job["args"][: job["args"].index("--")]
        values = dict(zip(rendered[::2], rendered[1::2], strict=True))
        values |= {
            "--script": self.google.upload(DATA_BUCKET, f"scripts/{workload}.py", script),
            "--owner": owner,
            "--workload": workload,
            "--priority": priority,
            "--run-directory": f"gs://{STAGING_BUCKET}/runs/{workload}",
        }
        values |= {f"--{name.replace('_', '-')}": str(value) for name, value in options.items()}
        body = {
            "placement": {"clusterName": self.name},
            "reference": {"jobId": workload},
            "labels": {"owner": owner, **(labels or {})},
            "pysparkJob": {
                **job,
                "args": [*(part for pair in values.items() for part in pair), "--", *arguments],
                "properties": {**job["properties"], **(properties or {}), "spark.yarn.queue": f"root.{priority}"},
            },
        }
        self.google.post("jobs:submit", {"job": body})
        return Job(self, workload)

    def job_processes(self) -> list[str]:
        """Command lines of all processes of the cloud's jobs and containers: nothing when no job runs.

        A process belongs to this cloud when its state directory is in its command line, directory or environment.
        """
        home, found = str(self.cloud.home), []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                known = " ".join(words)
                if process.pid == os.getpid() or any(daemon in known for daemon in _DAEMONS):
                    continue
                if home in known or home in process.cwd() or home in process.environ().get("HADOOP_CONF_DIR", ""):
                    found.append(known[:300])
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def assert_nothing_is_left(self, seconds: float = 60) -> None:
        """No application is alive, no container allocated, and no process of a job exists."""

        def everything_gone() -> bool:
            metrics = self.yarn("metrics")["clusterMetrics"]
            running = metrics["appsRunning"] + metrics["appsPending"] + metrics["containersAllocated"]
            return running == 0 and metrics["allocatedMB"] == 0 and not self.job_processes()

        try:
            wait_for(everything_gone, "nothing left of the jobs", seconds)
        except AssertionError:
            apps = self.applications(states="NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING")
            pytest.fail(f"left: {json.dumps(self.yarn('metrics'))}\n{apps}\n" + "\n".join(self.job_processes()))


@dataclass(frozen=True)
class Job:
    """One submitted job."""

    cluster: Cluster
    identity: str

    @property
    def body(self) -> dict[str, Any]:
        """The job as the API answers it."""
        return self.cluster.google.get(f"jobs/{self.identity}")

    @property
    def state(self) -> str:
        """The job's state."""
        return self.body["status"]["state"]

    @property
    def output(self) -> str:
        """What the driver has written so far."""
        google, uri = self.cluster.google, self.body.get("driverOutputResourceUri", "")
        if not uri:
            return ""
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        items = google.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o", params={"prefix": prefix}).json()
        names = sorted(item["name"] for item in items.get("items", []))
        return "".join(
            google.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media").text
            for name in names
        )

    def cancel(self) -> None:
        """Cancel it through the API."""
        self.cluster.google.call("POST", f"{DATAPROC}/jobs/{self.identity}:cancel", json={})

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = 300) -> Any:
        """Wait for a condition; a job that ends before it is met is an error that shows its output."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := condition():
                return answer
            if self.state in TERMINAL and not condition():
                pytest.fail(f"{what}: the job ended before\n{self.describe()}")
            time.sleep(0.3)
        pytest.fail(f"{what}: not within {seconds:g} s\n{self.describe()}")

    def wait_for_output(self, text: str, seconds: float = 300) -> None:
        """Wait until the driver has said this."""
        self.wait_for(lambda: text in self.output, f"{text!r} in the output", seconds)

    def finished(self, seconds: float = 300) -> str:
        """Wait for the end; the state it ended in."""
        try:
            return wait_for(lambda: self.state if self.state in TERMINAL else "", "the end of the job", seconds)
        except AssertionError:
            pytest.fail(f"the job did not end within {seconds:g} s\n{self.describe()}")

    def succeeds(self, seconds: float = 300) -> str:
        """Wait for success; the driver's output."""
        if self.finished(seconds) != "DONE":
            pytest.fail(self.describe())
        return self.output

    def fails(self, exit_code: int, seconds: float = 300) -> str:
        """Wait for a failure with this exit code in the run record; the driver's output."""
        if self.finished(seconds) != "ERROR" or self.record().get("result", {}).get("exit_code") != exit_code:
            pytest.fail(f"expected exit code {exit_code}\n{self.record()}\n{self.describe()}")
        return self.output

    def refused(self, seconds: float = 300) -> str:
        """Wait for a failure before anything was started: no application, no record; the driver's output."""
        if self.finished(seconds) != "ERROR" or self.application() or self.record():
            pytest.fail(f"expected a refusal\n{self.record()}\n{self.describe()}")
        return self.output

    def record(self) -> dict[str, Any]:
        """The run record; empty when there is none."""
        return self.record_of(self.identity)

    def record_of(self, workload: str) -> dict[str, Any]:
        """The run record below a workload's directory; empty when there is none."""
        name = f"runs/{workload}/{self.identity}/run.json"
        url = f"{STORAGE}/storage/v1/b/{STAGING_BUCKET}/o/{quote(name, safe='')}?alt=media"
        response = self.cluster.google.call("GET", url, allow=(404,))
        return response.json() if response.ok else {}

    def application(self) -> dict[str, Any]:
        """The job's YARN application; empty while there is none."""
        found = [app for app in self.cluster.applications() if app["name"] == self.identity]
        return found[0] if found else {}

    def processes(self, words: str) -> list[psutil.Process]:
        """Processes of the job's cloud with these words in their command line, its supervisors left out."""
        home, found = str(self.cluster.cloud.home), []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if words in line and (home in line or home in process.cwd()) and "supervisor" not in line:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def kill(self, words: str, which: Callable[[list[str]], bool] = lambda _line: True) -> None:
        """Kill at once every process of `processes(words)` whose command line is one of `which`; there must be one.

        A process about to start another shows its own command line twice for a moment, so one of them may be gone.
        """
        killed = 0
        for process in self.processes(words):
            with suppress(psutil.NoSuchProcess):
                if which(process.cmdline()):
                    process.kill()
                    killed += 1
        assert killed, f"no process of {self.identity} with '{words}' in its command line"

    def worker_processes(self) -> list[psutil.Process]:
        """Dask workers (the processes that compute, not their nannies) on all nodes of the cloud."""
        home = str(self.cluster.cloud.home)
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                # A nanny starts its worker by multiprocessing; both run in the container's directory.
                if "multiprocessing" in line and "resource_tracker" not in line and home in process.cwd():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def describe(self) -> str:
        """Everything a failed test should show."""
        return f"job {self.identity}: {json.dumps(self.body.get('status'))}\n{self.output[-6000:]}"


@contextmanager
def converged_cloud(home: Path) -> Iterator[LocalCloud]:
    """A local cloud with real YARN in a directory of its own, after ``site.yml`` of the local inventory."""
    with running_cloud(home, "yarn") as cloud:
        cloud.run("ansible-playbook", "-i", str(REPOSITORY / "inventories" / "local"), "site.yml", *WITHOUT_AIRFLOW)
        yield cloud


@contextmanager
def running_cloud(home: Path, engine: str) -> Iterator[LocalCloud]:
    """A local cloud of an engine in a directory of its own, empty."""
    cloud = LocalCloud(home=home, environment={})
    cloud.cli("up", "--port", "0", "--engine", engine)
    try:
        yield LocalCloud(home=home, environment=json.loads((home / "environment.json").read_text()))
    finally:
        cloud.cli("down", check=False)


def create_cluster(cloud: LocalCloud, name: str, workers: int = 3) -> Cluster:
    """Create a cluster from the rendered template ``etl`` with a fixed number of workers; wait until it runs."""
    google = Google(cloud.environment)
    listing = google.call("GET", f"{STORAGE}/storage/v1/b/{ARTIFACTS_BUCKET}/o").json()["items"]
    newest = max(
        (item for item in listing if item["name"].endswith("/etl-shared.json")), key=lambda item: item["updated"]
    )
    url = f"{STORAGE}/storage/v1/b/{ARTIFACTS_BUCKET}/o/{quote(newest['name'], safe='')}?alt=media"
    document = google.call("GET", url).json()
    config = document["config"]
    del config["autoscalingConfig"]
    config["workerConfig"]["numInstances"] = workers
    # A node that is lost is noticed soon; an application master on a busy machine still has time to start.
    config["softwareConfig"]["properties"] |= {
        "yarn:yarn.nm.liveness-monitor.expiry-interval-ms": "20000",
        "yarn:yarn.am.liveness-monitor.expiry-interval-ms": "60000",
    }
    google.post("clusters", {"clusterName": name, "config": config, "labels": document["labels"]})
    cluster = Cluster(cloud, google, name)
    wait_for(lambda: cluster.body["status"]["state"] != "CREATING", f"cluster {name}", 600)
    status = cluster.body["status"]
    assert status["state"] == "RUNNING", f"{status}\n{_output_named_in(google, status.get('detail', ''))}"
    return cluster


def _output_named_in(google: Google, detail: str) -> str:
    """What the initialization action wrote whose output a status names; empty when it names none."""
    _, named, uri = detail.partition("see output in: gs://")
    bucket, _, name = uri.strip().partition("/")
    url = f"{STORAGE}/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media"
    return google.call("GET", url, allow=(404,)).text if named else ""


def delete_cluster(cluster: Cluster) -> None:
    """Delete a cluster and wait until it is gone."""
    cluster.google.call("DELETE", f"{DATAPROC}/clusters/{cluster.name}", allow=(404,))
    wait_for(lambda: not cluster.body, f"cluster {cluster.name} deleted", 120)
