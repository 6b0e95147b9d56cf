"""What the tests of secrets and access share: a cloud seen from outside, and cores run in this process."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.compute.plugins.module_utils import secret_versions
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

from tests.integration.google import PROJECT, Google

COLLECTIONS = Path(__file__).parents[2] / "collections"
MODULES = COLLECTIONS / "ansible_collections/dataplatform/compute/plugins/modules"
SECRETS = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets"
ACCOUNTS = f"https://iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"
VERSIONS = "secretmanager.projects.secrets.versions"
ADD_VERSION = "secretmanager.projects.secrets.addVersion"


def encoded(data: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode()


def execute(definition: TaskDefinition, reporter: Reporter, **arguments: Any) -> dict[str, Any]:
    """Run a task's core in this process, as the action plugin does."""
    given = {"project": PROJECT, **copy.deepcopy(arguments)}
    validated = ArgumentSpecValidator(definition.argument_spec, **definition.constraints).validate(given)
    assert not validated.error_messages, validated.error_messages
    return definition.execute(validated.validated_parameters, reporter)


# The secret of tests that need only one.
FIRST = "keytab-etl"


@dataclass
class Secrets:
    """One empty cloud, seen through secret_versions and past it."""

    cloud: Any
    google: Google
    warnings: list[str] = field(default_factory=list)

    def apply(self, payloads: dict[str, bytes], *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run secret_versions for payloads by secret."""
        versions = [{"secret": secret, "payload_base64": encoded(data)} for secret, data in payloads.items()]
        reporter = Reporter(check_mode=check, diff=True, warn=self.warnings.append)
        return execute(secret_versions.DEFINITION, reporter, versions=versions, **options)

    def outcome(self, data: bytes, secret: str = FIRST, **options: Any) -> dict[str, Any]:
        """Apply one payload, expect success, and return its result."""
        result = self.apply({secret: data}, **options)
        assert not result.get("failed"), result["msg"]
        return result["results"][0]

    def start_process(self, work: Path, payloads: dict[str, bytes], **options: Any) -> subprocess.Popen:
        """Start the module as a process of its own."""
        versions = [{"secret": secret, "payload_base64": encoded(data)} for secret, data in payloads.items()]
        work.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"project": PROJECT, "versions": versions, **options}}))
        environment = {**self.cloud.client_environment(), "PYTHONPATH": str(COLLECTIONS)}
        command = [sys.executable, str(MODULES / "secret_versions.py"), str(work)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def create(self, *names: str) -> None:
        """Create secrets without versions."""
        for name in names:
            self.google.call("POST", SECRETS, params={"secretId": name}, json={"replication": {"automatic": {}}})

    def states(self, secret: str = FIRST) -> dict[str, str]:
        """The states of all versions by number."""
        answer = self.google.call("GET", f"{SECRETS}/{secret}/versions").json()
        return {one["name"].rpartition("/")[2]: one["state"] for one in reversed(answer.get("versions", []))}

    def payload(self, secret: str = FIRST, version: str = "latest") -> bytes:
        """What a version holds."""
        answer = self.google.call("GET", f"{SECRETS}/{secret}/versions/{version}:access").json()
        return base64.b64decode(answer["payload"]["data"])

    def set_state(self, verb: str, version: str, secret: str = FIRST) -> None:
        """Disable, enable or destroy a version past the module."""
        self.google.call("POST", f"{SECRETS}/{secret}/versions/{version}:{verb}", json={})

    def fault(self, method: str, **options: Any) -> None:
        """Make calls of a method fail."""
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.cloud.cli("fault", "add", "--method", method, *arguments)

    def heal(self) -> None:
        """Remove every fault."""
        self.cloud.cli("fault", "clear")

    def calls(self) -> list[str]:
        """Return the method ids asked since the journal was last cleared, without token requests."""
        return [one["method_id"] for one in self.cloud.requests() if not one["method_id"].startswith("oauth2.")]


def fresh_secrets(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    """Make this process a client of an empty cloud."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    secrets = Secrets(cloud, Google(cloud.environment))
    yield secrets
    secrets.heal()
