"""What tests of Composer share: one environment with a real Airflow, cores run in this process, calls past them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import airflow_metadata, composer_environment
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

from tests.integration.google import PROJECT, REGION, STORAGE, Google
from tests.integration.secrets_support import COLLECTIONS, MODULES, execute

ENVIRONMENT = "etl"
COMPOSER = f"https://composer.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}/environments"
IMAGE = "composer-2.17.9-airflow-2.11.1"
PATCH = "composer.projects.locations.environments.patch"
_DEFINITIONS = {
    "composer_environment": composer_environment.DEFINITION,
    "airflow_metadata": airflow_metadata.DEFINITION,
}


@dataclass
class Composer:
    """One environment of a local cloud."""

    cloud: Any
    google: Google
    warnings: list[str] = field(default_factory=list)

    def settings(self, *, check: bool = False, **stated: Any) -> dict[str, Any]:
        """Run composer_environment."""
        return self._run(composer_environment.DEFINITION, check, stated)

    def metadata(self, *, check: bool = False, **stated: Any) -> dict[str, Any]:
        """Run airflow_metadata."""
        return self._run(airflow_metadata.DEFINITION, check, stated)

    def _run(self, definition: TaskDefinition, check: bool, stated: dict[str, Any]) -> dict[str, Any]:
        self.warnings.clear()
        reporter = Reporter(check_mode=check, diff=True, warn=self.warnings.append)
        return execute(definition, reporter, **{"environment": ENVIRONMENT, "region": REGION, **stated})

    def start(self, work: Path, module: str, **stated: Any) -> subprocess.Popen[str]:
        """Start a module as a process of its own."""
        arguments = {"project": PROJECT, "region": REGION, "environment": ENVIRONMENT, **stated}
        work.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        environment = {**self.cloud.client_environment(), "PYTHONPATH": str(COLLECTIONS)}
        command = [sys.executable, str(MODULES / f"{module}.py"), str(work)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def live(self) -> dict[str, Any]:
        """The environment as it is."""
        return self.google.call("GET", f"{COMPOSER}/{ENVIRONMENT}").json()

    def patch(self, mask: str, body: dict[str, Any]) -> None:
        """Begin an update past the module."""
        self.google.call("PATCH", f"{COMPOSER}/{ENVIRONMENT}", params={"updateMask": mask}, json=body)

    def begin_an_update(self) -> None:
        """Begin an update past the module that takes seconds: Airflow starts again with another variable."""
        self.patch(
            "config.softwareConfig.envVariables",
            {"config": {"softwareConfig": {"envVariables": {"BUSY": str(time.time_ns())}}}},
        )

    def wait_until_running(self) -> None:
        """Wait for an update that was begun."""
        deadline = time.monotonic() + 120
        while self.live()["state"] != "RUNNING":
            assert time.monotonic() < deadline, "the environment is still being updated"
            time.sleep(0.1)

    def airflow(self, *command: str) -> str:
        """Run a command of Airflow with Google's own command line."""
        run = ["gcloud", "composer", "environments", "run", ENVIRONMENT, "--location", REGION]
        completed = self.cloud.run(*run, *command[:2], *(["--", *command[2:]] if command[2:] else []))
        return completed.stdout + completed.stderr

    def import_files(self) -> list[str]:
        """The objects in the bucket that carry values to Airflow."""
        bucket = self.live()["storageConfig"]["bucket"]
        query = {"prefix": "data/dataplatform-import/"}
        answer = self.google.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o", params=query).json()
        return [item["name"] for item in answer.get("items", [])]

    def masks(self) -> list[str]:
        """The update masks asked for since the journal was last cleared, in order."""
        found = [request for request in self.cloud.requests() if request["method_id"] == PATCH]
        return [parse_qs(request["query"])["updateMask"][0] for request in found]


@pytest.fixture(scope="module")
def composer(localcloud: Any) -> Iterator[Composer]:
    """One environment for the tests of a file, in an otherwise empty cloud."""
    localcloud.cli("reset", "--yes")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in localcloud.environment.items():
            patch.setenv(name, value)
        made = Composer(localcloud, Google(localcloud.environment))
        result = made.settings(create={"environmentSize": "ENVIRONMENT_SIZE_SMALL"}, image_version=IMAGE)
        assert result.get("action") == "create", result
        yield made
        localcloud.cli("reset", "--yes")
