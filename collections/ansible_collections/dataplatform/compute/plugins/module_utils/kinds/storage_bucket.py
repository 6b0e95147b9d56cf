# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Cloud Storage buckets."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas.storage import TYPES
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Path, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema

ROOT = "https://storage.googleapis.com/storage/v1/b"
PAGE_SIZE = 1000

_FIXED = frozenset({"location", "customPlacementConfig", "hierarchicalNamespace", "objectRetention", "name"})


def _url(identifier: str) -> str:
    return f"{ROOT}/{quote(identifier, safe='')}"


def _update(_scope: Scope, identifier: str, patch: dict[str, Any], live: dict[str, Any], _changed: list[Path]) -> Call:
    return Call("PATCH", _url(identifier), _unchanged_since(live), patch)


def _delete(_scope: Scope, identifier: str, live: dict[str, Any]) -> Call:
    return Call("DELETE", _url(identifier), _unchanged_since(live))


def _unchanged_since(live: dict[str, Any]) -> dict[str, Any]:
    """Return the precondition that makes a lost race an error."""
    return {"ifMetagenerationMatch": live["metageneration"]} if live.get("metageneration") else {}


def _checks(bucket: dict[str, Any]) -> list[str]:
    problems = []
    name = str(bucket.get("name", ""))
    if name.startswith("goog") or "google" in name or ".." in name:
        problems.append(f"name is '{name}'; expected one that does not begin with 'goog' or contain 'google' or '..'")
    problems += [
        f"{field} is not managed; expected iamConfiguration.uniformBucketLevelAccess and IAM bindings"
        for field in ("acl", "defaultObjectAcl")
        if field in bucket
    ]
    return problems


KIND = Kind(
    name="storage_bucket",
    schema=Schema(TYPES, "Bucket"),
    id_field="name",
    id_pattern=re.compile(r"^[a-z0-9](?:[a-z0-9_-]{1,61}|[a-z0-9._-]{1,220})[a-z0-9]$"),
    id_expectation="3 to 63 lower-case letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    list_key="items",
    list_call=lambda scope: Call("GET", ROOT, {"project": scope.project, "maxResults": PAGE_SIZE}),
    get_call=lambda _scope, identifier: Call("GET", _url(identifier)),
    create_call=lambda scope, _identifier, body: Call("POST", ROOT, {"project": scope.project}, body),
    update_call=_update,
    delete_call=_delete,
    updates="merge",
    regional=False,
    strict_paths=frozenset({"cors", "labels", "lifecycle"}),
    unordered=frozenset({"lifecycle.rule", "customPlacementConfig.dataLocations"}),
    case_insensitive=frozenset({"location", "customPlacementConfig.dataLocations", "storageClass", "rpo"}),
    updatable=frozenset(field for field in TYPES["Bucket"] if field not in _FIXED),
    checks=_checks,
)
