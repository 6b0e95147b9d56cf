"""What the tests of gcp_resources share: one example of each kind, and the module's core run in this process."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.resources import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

from tests.integration.google import DATAPROC, PROJECT, REGION, STORAGE, Google

COLLECTIONS = Path(__file__).parents[2] / "collections"
MODULE = COLLECTIONS / "ansible_collections/dataplatform/compute/plugins/modules/gcp_resources.py"
POLICIES, TEMPLATES = "dataproc_autoscaling_policy", "dataproc_workflow_template"
CLUSTERS, BUCKETS, SECRETS = "dataproc_cluster", "storage_bucket", "secret_manager_secret"
WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_SERVICES = {POLICIES: "autoscalingPolicies", TEMPLATES: "workflowTemplates", CLUSTERS: "clusters"}


def policy(name: str = "standard", workers: int = 4) -> dict[str, Any]:
    """A policy that states only what must be stated."""
    yarn = {"scaleUpFactor": 0.5, "scaleDownFactor": 1, "gracefulDecommissionTimeout": "60s"}
    return {"id": name, "workerConfig": {"maxInstances": workers}, "basicAlgorithm": {"yarnConfig": yarn}}


def template(name: str = "nightly", day: str = "monday") -> dict[str, Any]:
    """A template with one step on a managed cluster."""
    job = {"mainPythonFileUri": "gs://code/etl.py", "args": ["--day", day]}
    return {
        "id": name,
        "placement": {"managedCluster": {"clusterName": "work", "config": {"workerConfig": {"numInstances": 2}}}},
        "jobs": [{"stepId": "run", "pysparkJob": job}],
    }


def cluster(name: str = "etl", workers: int = 2) -> dict[str, Any]:
    """A cluster with a machine type and a number of workers."""
    return {
        "clusterName": name,
        "config": {
            "masterConfig": {"numInstances": 1, "machineTypeUri": "n2-standard-4"},
            "workerConfig": {"numInstances": workers, "machineTypeUri": "n2-standard-4"},
            "softwareConfig": {"imageVersion": "2.3-debian12"},
        },
    }


def bucket(name: str = "data-of-tests", age: int = 7) -> dict[str, Any]:
    """A bucket with a lifecycle rule."""
    return {
        "name": name,
        "location": "europe-west1",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
        "softDeletePolicy": {"retentionDurationSeconds": 604800},
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": age}}]},
    }


def secret(name: str = "keytab", topic: str = "first") -> dict[str, Any]:
    """A secret in one region that says when it changes."""
    return {
        "name": name,
        "replication": {"userManaged": {"replicas": [{"location": REGION}]}},
        "topics": [{"name": f"projects/{PROJECT}/topics/{topic}"}],
    }


MAKERS = {POLICIES: policy, TEMPLATES: template, CLUSTERS: cluster, BUCKETS: bucket, SECRETS: secret}
CHANGED = {POLICIES: 9, TEMPLATES: "friday", CLUSTERS: 5, BUCKETS: 30, SECRETS: "second"}
_SECRETS = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets"


@dataclass
class Resources:
    """One empty cloud, seen through gcp_resources and past it."""

    cloud: Any
    google: Google

    def apply(self, kind: str, resources: list[Any], *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run the task's core in this process, as the action plugin does."""
        where = {"project": PROJECT, "region": REGION}
        arguments = {**where, "kind": kind, "resources": copy.deepcopy(resources), **options}
        validated = ArgumentSpecValidator(DEFINITION.argument_spec, **DEFINITION.constraints).validate(arguments)
        assert not validated.error_messages
        return DEFINITION.execute(validated.validated_parameters, Reporter(check_mode=check))

    def actions(self, kind: str, resources: list[Any], **options: Any) -> list[str]:
        """Apply, expect success, and return the action for each resource."""
        result = self.apply(kind, resources, **options)
        assert not result.get("failed"), result["msg"]
        return [one["action"] for one in result["results"]]

    def start_process(self, work: Path, **arguments: Any) -> subprocess.Popen:
        """Start the module as a process of its own."""
        work.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"project": PROJECT, "region": REGION, **arguments}}))
        environment = {**self.cloud.client_environment(), "PYTHONPATH": str(COLLECTIONS)}
        return subprocess.Popen(
            [sys.executable, str(MODULE), str(work)], env=environment, stdout=subprocess.PIPE, text=True
        )

    @contextlib.contextmanager
    def before_the_first_write(self, act: Callable[[], Any]) -> Iterator[None]:
        """Do something past the module after all it has read, when its first change is about to be sent."""
        request, done = GoogleClient.request, []

        def act_and_request(client: GoogleClient, method: str, url: str, **options: Any) -> Any:
            if method in WRITES and not done:
                done.append(url)
                act()
            return request(client, method, url, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GoogleClient, "request", act_and_request)
            yield
        assert done, "nothing was to be changed"

    def fault(self, method: str, **options: Any) -> None:
        """Make calls of a method fail."""
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.cloud.cli("fault", "add", "--method", method, *arguments)

    def heal(self) -> None:
        """Remove every fault."""
        self.cloud.cli("fault", "clear")

    def live(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return what exists, by id."""
        if kind == BUCKETS:
            answer = self.google.call("GET", f"{STORAGE}/storage/v1/b", params={"project": PROJECT}).json()
            return {one["name"]: one for one in answer.get("items", [])}
        if kind == SECRETS:
            answer = self.google.call("GET", _SECRETS).json()
            return {one["name"].rpartition("/")[2]: one for one in answer.get("secrets", [])}
        answer = self.google.get(_SERVICES[kind])
        items = next((value for value in answer.values() if isinstance(value, list)), [])
        return {one.get("id") or one["clusterName"]: one for one in items}

    def create_outside(self, kind: str, body: dict[str, Any]) -> None:
        """Create something past the module, as a colleague would."""
        if kind == BUCKETS:
            self.google.call("POST", f"{STORAGE}/storage/v1/b", params={"project": PROJECT}, json=body)
        elif kind == SECRETS:
            stated = {field: value for field, value in body.items() if field != "name"}
            self.google.call("POST", _SECRETS, params={"secretId": body["name"]}, json=stated)
        else:
            self.google.post(_SERVICES[kind], {**body, **({"projectId": PROJECT} if kind == CLUSTERS else {})})

    def delete_outside(self, kind: str, name: str) -> None:
        """Delete something past the module."""
        roots = {BUCKETS: f"{STORAGE}/storage/v1/b", SECRETS: _SECRETS}
        root = roots.get(kind) or f"{DATAPROC}/{_SERVICES[kind]}"
        self.google.call("DELETE", f"{root}/{name}")

    def calls(self) -> list[tuple[str, str]]:
        """Return (verb, method id) of each API call since the journal was last cleared, without token requests."""
        journal = (json.loads(line) for line in self.cloud.cli("requests", "--json").stdout.splitlines())
        found = [(one["method"], one["method_id"]) for one in journal]
        return [(verb, method) for verb, method in found if not method.startswith("oauth2.")]

    def writes(self) -> list[tuple[str, str]]:
        """Return the calls that change something."""
        return [(verb, method) for verb, method in self.calls() if verb in WRITES]


def fresh_resources(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    """Make this process a client of an empty cloud."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    resources = Resources(cloud, Google(cloud.environment))
    yield resources
    resources.heal()
