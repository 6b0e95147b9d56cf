# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What changes in Airflow's variables, connections and pools. Pure.

What is ours is written down in a variable of Airflow itself (``dataplatform_managed``): only what it names is purged,
and what somebody made by hand stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.composer_names import MARKER_VARIABLE
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import (
    sides_without_secrets,
)

VARIABLES, CONNECTIONS, POOLS = "variables", "connections", "pools"
KINDS = (VARIABLES, CONNECTIONS, POOLS)
DEFAULT_POOL = "default_pool"
CREATE, UPDATE, DELETE = "create", "update", "delete"
_CONNECTION_FIELDS = ("conn_type", "host", "schema", "login", "port", "description")

Objects = dict[str, dict[str, Any]]
"""Values by kind and name; a kind that is not there is not looked at."""


@dataclass(frozen=True)
class Change:
    """One object that changes; ``before`` or ``after`` is None where there is none."""

    kind: str
    name: str
    action: str
    before: Any
    after: Any
    adopted: bool = False
    """It existed and was not ours."""

    def to_result(self) -> dict[str, Any]:
        """Return the entry of ``results``, without the values."""
        return {"kind": self.kind, "name": self.name, "action": self.action, "adopted": self.adopted}


@dataclass(frozen=True)
class MetadataPlan:
    """Changes in order, and what is ours: as written down now, while the changes are made, and after them."""

    changes: list[Change] = field(default_factory=list)
    owned_before: dict[str, list[str]] = field(default_factory=dict)
    owned_during: dict[str, list[str]] = field(default_factory=dict)
    owned_after: dict[str, list[str]] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.changes) or self.owned_before != self.owned_after

    def of(self, kind: str, *actions: str) -> list[Change]:
        """Return the changes of a kind with one of the actions."""
        return [change for change in self.changes if change.kind == kind and change.action in actions]


def plan_metadata(desired: Objects, live: Objects, *, purge: bool = True) -> MetadataPlan:
    """Return what to do. ``live`` holds the variables, and of the others at least the kinds that are desired."""
    owned = owned_names(live.get(VARIABLES, {}).get(MARKER_VARIABLE))
    changes: list[Change] = []
    after = {kind: list(names) for kind, names in owned.items()}
    for kind in KINDS:
        if kind not in desired:
            continue
        present, wanted = live.get(kind, {}), desired[kind]
        for name, value in sorted(wanted.items()):
            found = present.get(name)
            if name not in present:
                changes.append(Change(kind, name, CREATE, None, value))
            elif not same(kind, value, found):
                changes.append(Change(kind, name, UPDATE, found, value, adopted=name not in owned[kind]))
        gone = [name for name in owned[kind] if name not in wanted]
        if purge:
            # Airflow refuses to delete its own pool.
            doomed = [name for name in gone if name in present and (kind, name) != (POOLS, DEFAULT_POOL)]
            changes += [Change(kind, name, DELETE, present[name], None) for name in doomed]
        after[kind] = sorted({*wanted, *([] if purge else gone)})
    during = {kind: sorted({*owned[kind], *after[kind]}) for kind in KINDS}
    return MetadataPlan(changes, owned, during, after)


def owned_names(marker: Any) -> dict[str, list[str]]:
    """Return the names by kind that the marker holds; whatever else somebody wrote into it counts as nothing."""
    noted = marker if isinstance(marker, dict) else {}
    return {
        kind: sorted({name for name in noted.get(kind) or [] if isinstance(name, str)})
        if isinstance(noted.get(kind) or [], list)
        else []
        for kind in KINDS
    }


def same(kind: str, wanted: Any, live: Any) -> bool:
    """Return whether two values of a kind mean the same."""
    if kind == VARIABLES:
        return _same_json(stored(wanted), live)
    if kind == POOLS:
        return all(live.get(key) == value for key, value in wanted.items())
    return connection_of(wanted) == connection_of(live)


def stored(value: Any) -> Any:
    """Return what ``variables export`` shows of a variable that was imported: a text that is JSON is shown decoded."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def connection_of(value: dict[str, Any]) -> dict[str, Any]:
    """Return a connection in one form: no empty fields, ``extra`` decoded, and whether there is a password."""
    result = {key: value[key] for key in _CONNECTION_FIELDS if value.get(key) not in (None, "")}
    extra = stored(value.get("extra") or {})
    if extra:
        result["extra"] = extra
    if value.get("password"):
        result["password"] = True
    return result


def connection_file(value: dict[str, Any]) -> dict[str, Any]:
    """Return a connection as ``connections import`` takes it."""
    fields = connection_of(value)
    return {**fields, "extra": json.dumps(fields["extra"], sort_keys=True)} if "extra" in fields else fields


def needs_deletion_first(change: Change) -> bool:
    """Return whether an import alone would not do: Airflow keeps a password that the imported connection lacks."""
    return change.kind == CONNECTIONS and change.action == UPDATE and bool(change.before.get("password"))


def diff(plan: MetadataPlan) -> list[dict[str, Any]]:
    """Return both sides of every change for ``--diff``; what looks like a secret, and every password, is hidden."""
    result = []
    for change in plan.changes:
        before, after = _sides(change)
        header = f"Airflow {change.kind[:-1]} {change.name}"
        state = "absent" if change.before is None else "by hand" if change.adopted else "live"
        result.append(
            {
                "before_header": f"{header} ({state})",
                "after_header": f"{header} ({change.action})",
                "before": before,
                "after": after,
            }
        )
    if plan.owned_before != plan.owned_after:
        header = f"Airflow variable {MARKER_VARIABLE} (what is managed here)"
        result.append(
            {
                "before_header": header,
                "after_header": header,
                "before": plan.owned_before,
                "after": plan.owned_after,
            }
        )
    return result


def _sides(change: Change) -> tuple[Any, Any]:
    """Return both sides of a change without secrets, empty where there is nothing."""
    if change.kind == POOLS:
        return change.before or {}, change.after or {}
    if change.kind == VARIABLES:
        shown = sides_without_secrets(stored(change.before), stored(change.after), change.name)
        before, after = ({} if value is None else {"value": value} for value in shown)
        return before, after
    fields = (connection_of(change.before or {}), connection_of(change.after or {}))
    before, after = (
        {**side, "password": "(set)"} if "password" in side else side for side in sides_without_secrets(*fields)
    )
    return before, after


def _same_json(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
