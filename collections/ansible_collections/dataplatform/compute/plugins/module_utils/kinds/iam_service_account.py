# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Service accounts, by their addresses. Google gives them no labels, so that nothing marks one as ours."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas.iam import TYPES
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Path, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema

ROOT = "https://iam.googleapis.com/v1"
PAGE_SIZE = 100
_DOMAIN = ".iam.gserviceaccount.com"


def _collection(scope: Scope) -> str:
    return f"{ROOT}/projects/{quote(scope.project, safe=':')}/serviceAccounts"


def _url(scope: Scope, identifier: str) -> str:
    return f"{_collection(scope)}/{quote(identifier, safe='@')}"


def _create(scope: Scope, identifier: str, body: dict[str, Any]) -> Call:
    account = {field: value for field, value in body.items() if field != "email"}
    return Call("POST", _collection(scope), json={"accountId": identifier.partition("@")[0], "serviceAccount": account})


def _update(scope: Scope, identifier: str, body: dict[str, Any], _live: dict[str, Any], changed: list[Path]) -> Call:
    fields = sorted({str(path[0]) for path in changed})
    account = {field: body[field] for field in fields if field in body}
    return Call("PATCH", _url(scope, identifier), json={"serviceAccount": account, "updateMask": ",".join(fields)})


def _wrong_scope(scope: Scope, identifier: str) -> str:
    """Google derives an account's address from the project it is made in."""
    # example.com:project, whose accounts are in project.example.com.
    project = ".".join(reversed(scope.project.split(":")))
    expected = f"{identifier.partition('@')[0]}@{project}{_DOMAIN}"
    return "" if identifier == expected else f"email is '{identifier}'; expected {expected} in project {scope.project}"


KIND = Kind(
    name="iam_service_account",
    schema=Schema(TYPES, "ServiceAccount"),
    id_field="email",
    id_pattern=re.compile(rf"^[a-z][a-z0-9-]{{4,28}}[a-z0-9]@[a-z0-9.-]+{re.escape(_DOMAIN)}$"),
    id_expectation=f"NAME@PROJECT{_DOMAIN}, the name 6 to 30 of a-z, 0-9 and '-', beginning with a letter",
    list_key="accounts",
    list_call=lambda scope: Call("GET", _collection(scope), {"pageSize": PAGE_SIZE}),
    get_call=lambda scope, identifier: Call("GET", _url(scope, identifier)),
    create_call=_create,
    update_call=_update,
    delete_call=lambda scope, identifier, _live: Call("DELETE", _url(scope, identifier)),
    updates="put",
    regional=False,
    labelled=False,
    updatable=frozenset({"description", "displayName"}),
    wrong_scope=_wrong_scope,
)
