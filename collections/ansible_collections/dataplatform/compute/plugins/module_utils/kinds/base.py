# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the engine must know about a kind of resource; a new kind is one more descriptor."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema

Path = tuple[Any, ...]


@dataclass(frozen=True)
class Scope:
    """Where resources live."""

    project: str
    region: str = ""


@dataclass(frozen=True)
class Call:
    """One request, not yet made."""

    method: str
    url: str
    params: dict[str, Any] = field(default_factory=dict)
    json: Any = None


def _no_problems(_resource: dict[str, Any]) -> list[str]:
    return []


def _nothing_ignored(_desired: dict[str, Any], _live: dict[str, Any]) -> frozenset[str]:
    return frozenset()


def _any_scope(_scope: Scope, _identifier: str) -> str:
    return ""


def _no_state(_live: dict[str, Any]) -> str:
    return ""


@dataclass(frozen=True)
class Kind:
    """A kind of resource, as data and a few pure functions.

    Paths in the sets below are dotted, without list positions: ``jobs.pysparkJob.args``.

    ``strict``: what the user states is the whole truth, a live field that is not stated is drift, except
    ``server_defaults``. Otherwise only stated fields are compared, except below ``strict_paths``.
    ``updatable`` holds the paths that can change in place (None: all); ``updates`` names how: ``put`` (whole body),
    ``mask`` (PATCH with updateMask) or ``merge`` (PATCH with the changed fields).
    ``labelled``: whether labels mark what is ours; where they cannot, nothing is purged, and deleted only with
    ``adopt: always``. ``outdated_status`` is what Google answers, beside 409 and 412, to an update of something that
    changed since it was read. ``wrong_scope`` says why an id cannot be in a scope.
    ``ignored`` names what belongs to Google of this desired and live resource.
    """

    name: str
    schema: Schema
    id_field: str
    id_pattern: re.Pattern[str]
    id_expectation: str
    list_key: str
    list_call: Callable[[Scope], Call]
    get_call: Callable[[Scope, str], Call]
    create_call: Callable[[Scope, str, dict[str, Any]], Call]
    update_call: Callable[[Scope, str, dict[str, Any], dict[str, Any], list[Path]], Call]
    delete_call: Callable[[Scope, str, dict[str, Any]], Call]
    updates: str
    regional: bool = True
    strict: bool = False
    strict_paths: frozenset[str] = frozenset()
    server_defaults: frozenset[str] = frozenset()
    unordered: frozenset[str] = frozenset()
    unordered_superset: frozenset[str] = frozenset()
    url_fields: frozenset[str] = frozenset()
    case_insensitive: frozenset[str] = frozenset()
    aliases: dict[str, Callable[[Any, Any], bool]] = field(default_factory=dict)
    updatable: frozenset[str] | None = None
    labelled: bool = True
    outdated_status: str = "ABORTED"
    replaceable: bool = False
    long_running: bool = False
    operations_url: str = ""
    ignored: Callable[[dict[str, Any], dict[str, Any]], frozenset[str]] = _nothing_ignored
    checks: Callable[[dict[str, Any]], list[str]] = _no_problems
    wrong_scope: Callable[[Scope, str], str] = _any_scope
    state: Callable[[dict[str, Any]], str] = _no_state
    state_detail: Callable[[dict[str, Any]], str] = _no_state

    def live_id(self, live: dict[str, Any]) -> str:
        """Return the id of what Google answered."""
        name = live.get("name")
        if isinstance(name, str) and "/" in name:
            return name.rsplit("/", 1)[1]
        return str(live.get(self.id_field, ""))

    def can_update(self, path: Path) -> bool:
        """Return whether a changed path can be changed in place."""
        if self.updatable is None:
            return True
        dotted = dotted_path(path)
        return any(dotted == prefix or dotted.startswith(f"{prefix}.") for prefix in self.updatable)


def dotted_path(path: Path) -> str:
    """Return a path without list positions, as the sets of a Kind write it."""
    return ".".join(str(part) for part in path if not isinstance(part, int))
