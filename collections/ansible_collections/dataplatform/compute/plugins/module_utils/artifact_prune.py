# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delete Dask environments and node bundles that nothing names any more: mark, then sweep.

Marked is every hash that pins, kept pins, clusters, workflow templates, kept and live releases of DAGs name, and what
marked node bundles name in turn. Jobs and initialization actions are small, and stay. Whatever was uploaded lately
stays, too: somebody may be about to name it. Objects are deleted one by one; a run that is cut short is finished by the
next, and an environment without one of its files is never named.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

BUNDLE = "node-bundle.tar"
ENVIRONMENTS = frozenset({"environment.sqfs", "environment.tar.zst"})

_HASH = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_OBJECTS = "https://storage.googleapis.com/storage/v1/b"
_DATAPROC = "https://dataproc.googleapis.com/v1/projects"
_FIELDS = "nextPageToken,items(name,size,generation,timeCreated)"


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it; ``size`` in bytes."""

    name: str
    size: int
    generation: str
    created: datetime


@dataclass(frozen=True)
class Artifact:
    """All objects of one hash: an environment in one of its forms, or a node bundle."""

    digest: str
    objects: tuple[StoredObject, ...]

    @property
    def names(self) -> set[str]:
        """The names of its files."""
        return {one.name.partition("/")[2] for one in self.objects}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.objects)

    def described(self) -> str:
        """One line for people."""
        kind = "node bundle" if BUNDLE in self.names else "Dask environment"
        return f"{kind} {self.digest[:12]} ({self.size / 1e6:,.1f} MB)"


def prunable(objects: Iterable[StoredObject], before: datetime) -> dict[str, Artifact]:
    """Return environments and node bundles by hash whose every object was made before a moment."""
    groups: dict[str, list[StoredObject]] = defaultdict(list)
    for one in objects:
        digest, slash, _rest = one.name.partition("/")
        if slash and re.fullmatch(r"[0-9a-f]{64}", digest):
            groups[digest].append(one)
    artifacts = (Artifact(digest, tuple(group)) for digest, group in groups.items())
    return {
        artifact.digest: artifact
        for artifact in artifacts
        if artifact.names & {BUNDLE, *ENVIRONMENTS} and all(one.created < before for one in artifact.objects)
    }


def hashes_in(data: bytes) -> set[str]:
    """Return every SHA-256 that a text holds."""
    return {found.decode() for found in _HASH.findall(data)}


def hashes_in_archive(data: bytes) -> set[str]:
    """Return every SHA-256 that the files of a zip archive hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return set().union(*(hashes_in(archive.read(name)) for name in archive.namelist()))


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Delete what nothing names; in check mode say what that is."""
    if params["older_than_days"] < 0:
        problem = f"older_than_days is {params['older_than_days']:g}; expected 0 or more"
        raise ValidationError([problem], "the options of artifact_prune")
    bucket = _Bucket(client, params["bucket"])
    before = datetime.now(UTC) - timedelta(days=params["older_than_days"])
    objects = list(bucket.list())
    found = prunable(objects, before)
    # What was withdrawn is kept only where the previous pins have it, too.
    record = {key: value for key, value in (params["record"] or {}).items() if key != "withdrawn"}
    named = hashes_in(json.dumps([params["pins"], record, params["keep"]]).encode())
    # Most runs find nothing old: then nobody else has to be asked.
    if set(found) - named:
        named |= _named_elsewhere(client, bucket, objects)
        named |= _named_by_bundles(bucket, objects, named)
    doomed = [artifact for digest, artifact in sorted(found.items()) if digest not in named]
    if not reporter.check_mode:
        for artifact in doomed:
            reporter.progress(f"deleting {artifact.described()}")
            for one in artifact.objects:
                bucket.delete(one)
    return {
        "changed": bool(doomed),
        "pruned": [artifact.described() for artifact in doomed],
        "freed_bytes": sum(artifact.size for artifact in doomed),
    }


def _named_elsewhere(client: GoogleClient, bucket: _Bucket, objects: Iterable[StoredObject]) -> set[str]:
    """What clusters, workflow templates and releases of DAGs name."""
    named: set[str] = set()
    for collection, key in (("clusters", "clusters"), ("workflowTemplates", "templates")):
        url = f"{_DATAPROC}/{client.project}/regions/{client.region}/{collection}"
        for item in client.pages(url, key):
            named |= hashes_in(json.dumps(item).encode())
    for one in objects:
        if one.name.startswith("dag-releases/") and one.name.endswith(".zip"):
            content = bucket.read(one.name)
            # A release that was pruned in the meantime names nothing.
            named |= hashes_in_archive(content) if content is not None else set()
    return named


def _named_by_bundles(bucket: _Bucket, objects: Iterable[StoredObject], named: set[str]) -> set[str]:
    """What the node bundles name that are named themselves: their Dask environment."""
    found: set[str] = set()
    for one in objects:
        digest, _slash, name = one.name.partition("/")
        if name == BUNDLE and digest in named:
            found |= hashes_in(bucket.read(one.name) or b"")
    return found


class _Bucket:
    """The few calls that pruning makes."""

    def __init__(self, client: GoogleClient, name: str) -> None:
        self._client = client
        self._url = f"{_OBJECTS}/{quote(name, safe='')}/o"

    def list(self) -> Iterator[StoredObject]:
        for item in self._client.pages(self._url, "items", params={"fields": _FIELDS}):
            created = datetime.fromisoformat(item["timeCreated"])
            yield StoredObject(item["name"], int(item["size"]), str(item["generation"]), created)

    def read(self, name: str) -> bytes | None:
        try:
            return self._client.request("GET", self._of(name), params={"alt": "media"}, raw=True).content
        except NotFoundError:
            return None

    def delete(self, one: StoredObject) -> None:
        """Delete exactly what was listed; an object that is gone already is fine."""
        try:
            self._client.request("DELETE", self._of(one.name), params={"ifGenerationMatch": one.generation})
        except NotFoundError:
            return

    def _of(self, name: str) -> str:
        return f"{self._url}/{quote(name, safe='')}"


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "bucket": {"type": "str", "required": True},
            "pins": {"type": "dict", "required": True},
            "record": {"type": "dict"},
            "keep": {"type": "list", "elements": "str", "default": []},
            "older_than_days": {"type": "float", "default": 7.0},
        }
    ),
    run=run,
)
