# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Secrets of Secret Manager, without what they hold: that is added in versions, by secret_versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas.secretmanager import TYPES
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Path, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_payloads import ID_EXPECTATION, ID_PATTERN
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_store import PAGE_SIZE, ROOT

_CHANGEABLE = frozenset(
    {"annotations", "expireTime", "labels", "rotation", "topics", "versionAliases", "versionDestroyTtl"}
)
# What Google takes at creation and never shows again, so that it could not be compared.
_NOT_SHOWN = {"ttl": "expireTime", "tags": "labels"}
_NEXT = "nextRotationTime"


def _collection(scope: Scope) -> str:
    return f"{ROOT}/projects/{quote(scope.project, safe=':')}/secrets"


def _url(scope: Scope, identifier: str) -> str:
    return f"{_collection(scope)}/{quote(identifier, safe='')}"


def _create(scope: Scope, identifier: str, body: dict[str, Any]) -> Call:
    stated = {field: value for field, value in body.items() if field != "name"}
    return Call("POST", _collection(scope), {"secretId": identifier}, stated)


def _update(scope: Scope, identifier: str, body: dict[str, Any], live: dict[str, Any], changed: list[Path]) -> Call:
    # The whole fields: a mask cannot name one label.
    fields = sorted({str(path[0]) for path in changed})
    stated = {field: body[field] for field in fields if field in body}
    if "rotation" in stated and _ignored(body, live):
        # The stated time is past by now, which Google would refuse.
        stated["rotation"] = {**stated["rotation"], _NEXT: live["rotation"][_NEXT]}
    etag = {"etag": live["etag"]} if live.get("etag") else {}
    return Call("PATCH", _url(scope, identifier), {"updateMask": ",".join(fields)}, {**stated, **etag})


def _delete(scope: Scope, identifier: str, live: dict[str, Any]) -> Call:
    return Call("DELETE", _url(scope, identifier), {"etag": live["etag"]} if live.get("etag") else {})


def _ignored(desired: dict[str, Any], live: dict[str, Any]) -> frozenset[str]:
    """The next rotation is Google's once it has been moved by the period: what is stated was only the first one."""
    stated, found = desired.get("rotation") or {}, live.get("rotation") or {}
    if not (stated.get("rotationPeriod") and stated.get(_NEXT) and found.get(_NEXT)):
        return frozenset()
    later = datetime.fromisoformat(found[_NEXT]) > datetime.fromisoformat(stated[_NEXT])
    return frozenset({f"rotation.{_NEXT}"} if later else ())


def _checks(secret: dict[str, Any]) -> list[str]:
    problems = [
        f"{field} is not managed, because Google does not show it; expected {instead}"
        for field, instead in _NOT_SHOWN.items()
        if secret.get(field) is not None
    ]
    replication = secret.get("replication") or {}
    stated = [name for name in ("automatic", "userManaged") if replication.get(name) is not None]
    if len(stated) != 1:
        found = " and ".join(stated) or "nothing"
        problems.append(f"replication has {found}; expected either automatic or userManaged")
    elif stated == ["userManaged"] and not replication["userManaged"].get("replicas"):
        problems.append("replication.userManaged.replicas is empty; expected at least one location")
    return problems


KIND = Kind(
    name="secret_manager_secret",
    schema=Schema(TYPES, "Secret"),
    id_field="name",
    id_pattern=ID_PATTERN,
    id_expectation=ID_EXPECTATION,
    list_key="secrets",
    list_call=lambda scope: Call("GET", _collection(scope), {"pageSize": PAGE_SIZE}),
    get_call=lambda scope, identifier: Call("GET", _url(scope, identifier)),
    create_call=_create,
    update_call=_update,
    delete_call=_delete,
    updates="put",
    regional=False,
    # An empty `automatic` says as much as a list of replicas.
    strict_paths=frozenset({"annotations", "labels", "replication", "versionAliases"}),
    unordered=frozenset({"replication.userManaged.replicas", "topics"}),
    updatable=_CHANGEABLE,
    outdated_status="FAILED_PRECONDITION",
    ignored=_ignored,
    checks=_checks,
)
