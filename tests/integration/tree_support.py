"""What the tests of gcs_tree share: a bucket seen from outside, and the module's core run in this process."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_names import MANIFEST_NAME
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_sync import DEFINITION

REPOSITORY = Path(__file__).parents[2]
COLLECTIONS = REPOSITORY / "collections"
MODULE = COLLECTIONS / "ansible_collections/dataplatform/compute/plugins/modules/gcs_tree.py"
STORAGE = "https://storage.googleapis.com"
PREFIX = "some/prefix"


@dataclass
class Tree:
    """One bucket and the prefix under test, with the journal of what was asked of it."""

    cloud: Any
    client: GoogleClient
    bucket: str
    faulty: bool = False
    looked_at: int = 0
    warnings: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)

    def sync(self, *, check: bool = False, **parameters: Any) -> dict[str, Any]:
        """Run the task's core in this process, as the action plugin does."""
        arguments = {"bucket": self.bucket, "prefix": PREFIX, **parameters}
        validated = ArgumentSpecValidator(DEFINITION.argument_spec, **DEFINITION.constraints).validate(arguments)
        assert not validated.error_messages
        return DEFINITION.execute(
            validated.validated_parameters,
            Reporter(check_mode=check, diff=True, warn=self.warnings.append, progress=self.progress.append),
        )

    def start_process(self, source: Path, work: Path, **parameters: Any) -> subprocess.Popen:
        """Start the module as a process of its own."""
        arguments = {"bucket": self.bucket, "prefix": PREFIX, "source": str(source), **parameters}
        work.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        environment = {**self.cloud.client_environment(), "PYTHONPATH": str(COLLECTIONS)}
        command = [sys.executable, str(MODULE), str(work)]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def objects(self) -> dict[str, dict[str, Any]]:
        """Return the object resources below the prefix by relative name, without the manifest."""
        query = {"prefix": f"{PREFIX}/"}
        items = self.client.pages(f"{STORAGE}/storage/v1/b/{self.bucket}/o", "items", params=query)
        found = {item["name"].removeprefix(f"{PREFIX}/"): item for item in items}
        self.manifest = found.pop(MANIFEST_NAME, None)
        return found

    def contents(self) -> dict[str, str]:
        """Return what lies below the prefix, as text by relative name."""
        return {name: self.read(name) for name in self.objects()}

    def read(self, name: str) -> str:
        """Return the content of one object."""
        url = f"{STORAGE}/storage/v1/b/{self.bucket}/o/{quote(f'{PREFIX}/{name}', safe='')}"
        return self.client.request("GET", url, params={"alt": "media"}, raw=True).content.decode()

    def put(self, name: str, text: str) -> None:
        """Write one object as somebody else would."""
        query = {"uploadType": "media", "name": f"{PREFIX}/{name}"}
        self.client.request("POST", f"{STORAGE}/upload/storage/v1/b/{self.bucket}/o", params=query, data=text.encode())

    def encrypt_with_own_key(self) -> None:
        """Give the bucket a customer-managed default key."""
        key = "projects/local-project/locations/europe-west1/keyRings/platform/cryptoKeys/storage"
        body = {"encryption": {"defaultKmsKeyName": key}}
        self.client.request("PATCH", f"{STORAGE}/storage/v1/b/{self.bucket}", json=body)

    def delete(self, name: str) -> None:
        """Delete one object as somebody else would."""
        self.client.request("DELETE", f"{STORAGE}/storage/v1/b/{self.bucket}/o/{quote(f'{PREFIX}/{name}', safe='')}")

    def manifest_state(self) -> str | None:
        """Return the state in the manifest's metadata, None where there is no manifest."""
        self.objects()
        return self.manifest["metadata"]["gcs-tree-state"] if self.manifest else None

    def requests(self) -> list[str]:
        """Return the method ids of the requests for this bucket since the last look, in order."""
        return [entry["method_id"] for entry in self.journal()[self.looked_at :]]

    def forget_requests(self) -> None:
        """Count from here."""
        self.looked_at = len(self.journal())

    def journal(self) -> list[dict[str, Any]]:
        """Return every request for this bucket so far, in order."""
        lines = self.cloud.cli("requests", "--json").stdout.splitlines()
        return [entry for entry in map(json.loads, lines) if f"/b/{self.bucket}/" in entry["path"]]

    def waited(self) -> bool:
        """Return whether a run in this process had to wait for the lease of another to end."""
        return any("waiting up to" in line for line in self.progress)

    def fault(self, method: str, **options: Any) -> None:
        """Inject a fault, for example ``fault("storage.objects.insert", status=503, count=1)``."""
        flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        self.cloud.cli("fault", "add", "--method", method, *flags)
        self.faulty = True

    def clear_faults(self) -> None:
        """Take all faults away."""
        if self.faulty:
            self.cloud.cli("fault", "clear")
        self.faulty = False


def fresh_tree(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    """Make this process a client of the local cloud, with a new bucket; take all faults away afterwards."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    client = GoogleClient({"auth_kind": "application"})
    bucket = f"tree-{secrets.token_hex(6)}"
    body = {"name": bucket, "location": "europe-west1"}
    client.request("POST", f"{STORAGE}/storage/v1/b", params={"project": "local-project"}, json=body)
    tree = Tree(cloud, client, bucket)
    try:
        yield tree
    finally:
        tree.clear_faults()
        client.close()


def write_files(folder: Path, contents: dict[str, str]) -> Path:
    """Write a tree of files and return its folder."""
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
