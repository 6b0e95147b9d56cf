"""A local cloud as a process beside the tests; this process, with Airflow in it, is its client."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
TOOLS = REPOSITORY / ".venv" / "bin"
REGION = "europe-west1"
PROJECT = "local-project"
BUCKETS = ("staging", "temp", "artifacts", "data")


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud."""

    home: Path

    def cli(self, *arguments: str, check: bool = True) -> str:
        """Run ``localcloud ARGUMENTS`` and return what it said."""
        environment = {
            **os.environ,
            "LOCALCLOUD_HOME": str(self.home),
            "PYTHONPATH": str(REPOSITORY / "localcloud" / "src"),
        }
        done = subprocess.run(
            [str(TOOLS / "localcloud"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"localcloud {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def make_buckets(self) -> None:
        """Make the buckets of the facts."""
        from google.cloud.storage import Client

        client = Client(project=PROJECT)
        for name in BUCKETS:
            client.create_bucket(f"{PROJECT}-{name}", location=REGION)

    def upload(self, bucket: str, name: str, content: str | bytes) -> str:
        """Put an object and return its address."""
        from google.cloud.storage import Client

        Client(project=PROJECT).bucket(f"{PROJECT}-{bucket}").blob(name).upload_from_string(content)
        return f"gs://{PROJECT}-{bucket}/{name}"

    def objects(self, bucket: str, prefix: str) -> dict[str, bytes]:
        """Return the contents of the objects below a prefix, by name."""
        from google.cloud.storage import Client

        blobs = Client(project=PROJECT).list_blobs(f"{PROJECT}-{bucket}", prefix=prefix)
        return {blob.name: blob.download_as_bytes() for blob in blobs}

    def fault(self, method: str, **options: Any) -> None:
        """Let requests or operations of a method go wrong."""
        given = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        self.cli("fault", "add", "--method", method, *given)

    def requests(self) -> list[dict[str, Any]]:
        """Return the journal."""
        return [json.loads(line) for line in self.cli("requests", "--json").splitlines()]

    @property
    def dataproc(self) -> Any:
        """Dataproc as the library sees it."""
        from dataplatform_dask.cloud import dataproc

        return dataproc(PROJECT, REGION, "google_cloud_default")

    def clusters(self, **labels: str) -> list[Any]:
        """Return the clusters that are there, those being deleted too."""
        return self.dataproc.clusters(labels)

    def jobs(self, **labels: str) -> list[Any]:
        """Return the jobs with these labels, ended or not."""
        from dataplatform_dask.cloud import _job_record
        from dataplatform_dask.names import filter_by

        request = {"project_id": PROJECT, "region": REGION, "filter": filter_by(labels)}
        return [_job_record(job) for job in self.dataproc._jobs.list_jobs(request=request)]

    def remove(self, name: str) -> None:
        """Delete a cluster and wait until it is gone."""
        self.dataproc.delete_cluster(name)
        self.until(lambda: self.dataproc.cluster(name) is None)

    def until(self, condition: Any, seconds: float = 180) -> Any:
        """Return what a condition returns once it is true."""
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
            time.sleep(0.2)
        return answer


@contextmanager
def local_cloud(home: Path, engine: str) -> Iterator[LocalCloud]:
    """Run a local cloud on a free port, with this process as its client meanwhile."""
    from dataplatform_dask.cloud import dataproc

    cloud = LocalCloud(home)
    before = dict(os.environ)
    cloud.cli("up", "--port", "0", "--engine", engine)
    try:
        os.environ.update(json.loads((home / "environment.json").read_text()))
        yield cloud
    finally:
        dataproc.cache_clear()
        cloud.cli("down", check=False)
        os.environ.clear()
        os.environ.update(before)
