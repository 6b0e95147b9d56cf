"""An Airflow environment of the local cloud: a real scheduler with its DAG processor, and a real triggerer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud import PROJECT, REGION, LocalCloud

API = "https://composer.googleapis.com/v1"
PARENT = f"projects/{PROJECT}/locations/{REGION}"


@dataclass(frozen=True)
class Environment:
    """A running environment."""

    cloud: LocalCloud
    session: Any
    name: str
    bucket: str

    def run(self, *words: str, seconds: float = 60) -> tuple[int, str]:
        """Run a command of Airflow's command line; return its exit code and output."""
        command, *rest = words
        body = {"command": command, "subcommand": rest[0] if rest else "", "parameters": rest[1:]}
        started = self._post(f"{self.name}:executeAirflowCommand", body)
        lines: list[str] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self._post(f"{self.name}:pollAirflowCommand", {**started, "nextLineNumber": len(lines) + 1})
            lines += [line.get("content", "") for line in answer.get("output", [])]
            if answer.get("outputEnd"):
                return answer["exitInfo"].get("exitCode", 0), "\n".join(lines)
            time.sleep(0.1)
        raise AssertionError(f"the command does not end: {lines}")

    def read(self, *words: str) -> list[dict[str, Any]]:
        """Return the rows that a command prints as JSON; none when it fails."""
        code, output = self.run(*words, "--output=json")
        start = output.find("[{")
        return json.loads(output[start:].splitlines()[0]) if code == 0 and start >= 0 else []

    def upload(self, name: str, content: bytes | str) -> None:
        """Put an object into the environment's bucket."""
        from google.cloud.storage import Client

        Client(project=PROJECT).bucket(self.bucket).blob(name).upload_from_string(content)

    def trigger(self, dag_id: str, run_id: str = "r1") -> None:
        """Start a run."""
        code, output = self.run("dags", "trigger", dag_id, "--run-id", run_id)
        assert code == 0, output

    def states(self, dag_id: str, run_id: str = "r1") -> dict[str, str]:
        """Return the states of a run's tasks, without the cluster's name."""
        rows = self.read("tasks", "states-for-dag-run", dag_id, run_id)
        return {row["task_id"].removeprefix("cluster."): row["state"] for row in rows}

    def state(self, dag_id: str, run_id: str = "r1") -> str:
        """Return a run's state."""
        return {row["run_id"]: row["state"] for row in self.read("dags", "list-runs", "-d", dag_id)}.get(run_id, "")

    def mark_failed(self, dag_id: str, run_id: str = "r1") -> None:
        """Mark a run as failed, as the button of Airflow's web page does."""
        program = (
            "import sys\n"
            "from airflow.api.common.mark_tasks import set_dag_run_state_to_failed\n"
            "from airflow.models.dagbag import DagBag\n"
            "dag = DagBag(read_dags_from_db=True).get_dag(sys.argv[1])\n"
            "set_dag_run_state_to_failed(dag=dag, run_id=sys.argv[2], commit=True)\n"
        )
        own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, dag_id, run_id],
            env={**own, "AIRFLOW_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @property
    def home(self) -> Path:
        """Where this environment's Airflow lives."""
        [configuration] = self.cloud.home.glob("**/airflow.cfg")
        return configuration.parent

    def log(self, dag_id: str, task: str, run_id: str = "r1") -> str:
        """Return the logs of all tries of a task, as the bucket has them."""
        from google.cloud.storage import Client

        prefix = f"logs/dag_id={dag_id}/run_id={run_id}/task_id=cluster.{task}/"
        blobs = Client(project=PROJECT).list_blobs(self.bucket, prefix=prefix)
        return "\n".join(blob.download_as_bytes().decode() for blob in blobs)

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.session.post(f"{API}/{path}", json=body, timeout=60)
        assert answer.ok, answer.text
        return answer.json()


def create_environment(cloud: LocalCloud) -> Environment:
    """Create an environment and wait until it is there."""
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = AuthorizedSession(credentials)
    name = f"{PARENT}/environments/tests"
    # DAGs that have to run at once say so themselves: an environment need not be one that starts all of them.
    overrides = {"core-dags_are_paused_at_creation": "True"}
    body = {"name": name, "config": {"softwareConfig": {"airflowConfigOverrides": overrides}}}
    answer = session.post(f"{API}/{PARENT}/environments", json=body, timeout=60)
    assert answer.ok, answer.text
    operation = cloud.until(lambda: _ended(session, answer.json()["name"]), 180)
    assert "error" not in operation, operation
    resource = session.get(f"{API}/{name}", timeout=60).json()
    return Environment(cloud, session, name, resource["storageConfig"]["bucket"])


def _ended(session: Any, operation: str) -> dict[str, Any] | None:
    answer = session.get(f"{API}/{operation}", timeout=60).json()
    return answer if answer.get("done") else None
