#!/usr/bin/env python3
"""Write the collection's resource schemas from the discovery documents in google-api-python-client.

The modules need to know field names, types, enums and what only Google writes; they must not need the discovery
documents (90 MB) at run time. Run it after an upgrade of google-api-python-client:
.venv/bin/python scripts/refresh_schemas.py (with --check it only says, by exit status 1, that something would change).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import googleapiclient

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
COLLECTION = Path(__file__).parents[1] / "collections/ansible_collections/dataplatform/compute"
TARGET = COLLECTION / "plugins/module_utils/_schemas"
ROOTS = {
    "dataproc.v1": ["AutoscalingPolicy", "WorkflowTemplate", "Cluster"],
    "iam.v1": ["ServiceAccount"],
    "secretmanager.v1": ["Secret"],
    "storage.v1": ["Bucket"],
}

# What the documents do not say. Cloud Storage marks nothing as written by Google only; for Dataproc, fields that the
# request's address or the client gives although the text calls them required or lets the user state them; for secrets
# and accounts what the modules use as a precondition, and the names by which users write them.
OUTPUT_ONLY = {
    "Bucket": "etag generation hardDeleteTime id kind locationType metageneration owner projectNumber satisfiesPZI "
    "satisfiesPZS selfLink softDeleteTime timeCreated updated",
    "Bucket.autoclass": "terminalStorageClassUpdateTime toggleTime",
    "Bucket.iamConfiguration.bucketPolicyOnly": "lockedTime",
    "Bucket.iamConfiguration.uniformBucketLevelAccess": "lockedTime",
    "Bucket.objectRetention": "mode",
    "Bucket.retentionPolicy": "effectiveTime isLocked",
    "Bucket.softDeletePolicy": "effectiveTime",
    "BucketAccessControl": "bucket domain email entityId etag id kind projectTeam selfLink",
    "ObjectAccessControl": "bucket domain email entityId etag generation id kind object projectTeam selfLink",
    "Cluster": "projectId",
    "Secret": "etag",
    "ServiceAccount": "etag name",
    "WorkflowTemplate": "version",
}
REQUIRED = {"WorkflowTemplate": "id", "Bucket": "name", "Secret": "name replication", "ServiceAccount": "email"}

HEADER = '''\
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Written by scripts/refresh_schemas.py from {document} (revision {revision}, google-api-python-client {client})."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, dict[str, dict[str, Any]]] = {types}
'''


class Trimmer:
    """Collect the types reachable from some roots, reduced to what checking and comparing need."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self.types: dict[str, dict[str, dict[str, Any]]] = {}

    def add(self, name: str, definition: dict[str, Any] | None = None) -> None:
        """Add a named type and everything it refers to."""
        if name in self.types:
            return
        fields = self.types[name] = {}
        for field, schema in sorted((definition or self._schemas[name])["properties"].items()):
            fields[field] = self._field(name, field, schema)

    def _field(self, owner: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        field = self._value(f"{owner}.{name}", schema)
        text = schema.get("description", "")
        if name in REQUIRED.get(owner, "").split():
            field["required"] = True
        elif schema.get("readOnly") or text.startswith("Output only.") or name in OUTPUT_ONLY.get(owner, "").split():
            field["output_only"] = True
        elif text.startswith("Required."):
            field["required"] = True
        return field

    def _value(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            self.add(schema["$ref"])
            return {"type": "object", "ref": schema["$ref"]}
        if "properties" in schema:
            self.add(name, schema)
            return {"type": "object", "ref": name}
        if "additionalProperties" in schema:
            return {"type": "map", "values": self._value(name, schema["additionalProperties"])}
        if schema["type"] == "array":
            return {"type": "array", "items": self._value(name, schema["items"])}
        return {key: schema[key] for key in ("type", "format", "enum", "pattern") if key in schema}


def render(document: str, roots: list[str]) -> str:
    """Return the text of one generated file."""
    source = json.loads((DOCUMENTS / f"{document}.json").read_text())
    trimmer = Trimmer(source["schemas"])
    for root in roots:
        trimmer.add(root)
    types = repr(dict(sorted(trimmer.types.items())))
    client = version("google-api-python-client")
    text = HEADER.format(document=document, revision=source["revision"], client=client, types=types)
    command = [sys.executable, "-m", "ruff", "format", "--line-length", "120", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Write the files, or only compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when a file is out of date")
    check = parser.parse_args().check
    outdated = 0
    for document, roots in ROOTS.items():
        path = TARGET / f"{document.split('.')[0]}.py"
        text = render(document, roots)
        if path.is_file() and path.read_text() == text:
            print(f"{path.name}: up to date")
            continue
        outdated += 1
        print(f"{path.name}: {'out of date' if check else 'written'}")
        if not check:
            path.write_text(text)
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
