# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find what differs between what the user wants and what Google has. Pure.

Never a difference: a field the user does not state (unless the kind is strict), what only Google writes, an absent
field against an empty one, a short name against the URL it stands for, the order of a list that has none.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Kind, Path, dotted_path
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import show_path
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import sides_without_secrets


class _Absent:
    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()

_ANY = {"type": "any"}


@dataclass(frozen=True)
class FieldChange:
    """One field that differs; ABSENT stands for not there."""

    path: Path
    before: Any
    after: Any

    def __str__(self) -> str:
        name = next((part for part in reversed(self.path) if isinstance(part, str)), "")
        before, after = (None if side is ABSENT else side for side in (self.before, self.after))
        before, after = sides_without_secrets(before, after, name)
        return f"{show_path(self.path)}: {_short(before)} -> {_short(after)}"


@dataclass(frozen=True)
class Comparison:
    """The differences, and both sides as a user should see them in a diff."""

    changes: list[FieldChange]
    before: dict[str, Any]
    after: dict[str, Any]


def compare(kind: Kind, desired: dict[str, Any], live: dict[str, Any]) -> Comparison:
    """Compare two sides that ``schema.py`` brought into one form.

    ``before`` shows the live values of stated fields (in the user's spelling where both mean the same), ``after`` what
    the user states.
    """
    walk = _Walk(kind, kind.ignored(desired, live))
    before = walk.value(kind.schema.root, desired, live, (), kind.strict)
    return Comparison(walk.changes, before, without_nulls(desired))


def without_nulls(value: Any) -> Any:
    """Return a copy without the fields that are explicitly null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def is_empty(value: Any) -> bool:
    """Return whether Google may leave the value out of an answer: null, zero, false, empty, or made of such."""
    if isinstance(value, dict):
        return all(is_empty(item) for item in value.values())
    if isinstance(value, str):
        return value in ("", "0", "0s") or value.endswith("_UNSPECIFIED")
    return not value


class _Walk:
    """One comparison; collects the changes and returns the live side as the user should see it."""

    def __init__(self, kind: Kind, ignored: frozenset[str]) -> None:
        self._kind = kind
        self._ignored = ignored
        self.changes: list[FieldChange] = []

    def value(self, field: dict[str, Any], desired: Any, live: Any, path: Path, strict: bool) -> Any:
        dotted = dotted_path(path)
        if desired is None:
            return ABSENT if dotted in self._ignored else self._unset(live, path)
        strict = strict or dotted in self._kind.strict_paths
        if isinstance(desired, dict) and isinstance(live, dict):
            return self._mapping(field, desired, live, path, strict)
        if isinstance(desired, list) and isinstance(live, list):
            return self._list(field, desired, live, path, strict)
        if dotted in self._ignored or self._equal(desired, live, path, strict):
            return desired
        return self._differs(path, ABSENT if live is None else live, desired)

    def _equal(self, desired: Any, live: Any, path: Path, strict: bool) -> bool:
        """Compare values that are not both mappings or both lists."""
        if desired == live:
            return True
        if live is ABSENT or live is None:
            return is_empty(desired)
        if isinstance(desired, (dict, list)):
            return False
        # An empty text asks Google to choose, as the zone of a cluster.
        left_to_google = isinstance(desired, str) and not strict and (not desired or desired.endswith("_UNSPECIFIED"))
        return left_to_google or self._same_meaning(desired, live, path, dotted_path(path))

    def _unset(self, live: Any, path: Path) -> Any:
        if live is ABSENT or is_empty(live):
            return ABSENT
        return self._differs(path, live, ABSENT)

    def _differs(self, path: Path, before: Any, after: Any) -> Any:
        self.changes.append(FieldChange(path, before, after))
        return before

    def _mapping(
        self, field: dict[str, Any], desired: dict[str, Any], live: dict[str, Any], path: Path, strict: bool
    ) -> dict[str, Any]:
        is_map = field["type"] == "map"
        fields = {} if is_map or "ref" not in field else self._kind.schema.fields(field)
        seen = {}
        for name, item in desired.items():
            child = field["values"] if is_map else fields.get(name, _ANY)
            if is_map and name not in live:
                # A key with an empty value is not the same as no key.
                self._differs((*path, name), ABSENT, item)
                continue
            shown = self.value(child, item, live.get(name, ABSENT), (*path, name), strict)
            if shown is not ABSENT:
                seen[name] = shown
        if strict:
            for name, item in live.items():
                if name in desired or dotted_path((*path, name)) in self._kind.server_defaults:
                    continue
                if is_map or not is_empty(item):
                    seen[name] = self._differs((*path, name), item, ABSENT)
        return seen

    def _list(self, field: dict[str, Any], desired: list[Any], live: list[Any], path: Path, strict: bool) -> list[Any]:
        dotted = dotted_path(path)
        if dotted in self._kind.unordered_superset and not self._missing(desired, live, path):
            return desired
        if dotted in self._kind.unordered and Counter(map(_canonical, desired)) == Counter(map(_canonical, live)):
            return desired
        if len(desired) != len(live):
            return self._differs(path, live, desired)
        child = field.get("items", _ANY)
        return [self.value(child, item, live[index], (*path, index), strict) for index, item in enumerate(desired)]

    def _missing(self, desired: list[Any], live: list[Any], path: Path) -> list[Any]:
        dotted = dotted_path(path)
        return [
            item
            for item in desired
            if not any(item == other or self._same_meaning(item, other, path, dotted) for other in live)
        ]

    def _same_meaning(self, desired: Any, live: Any, path: Path, dotted: str) -> bool:
        name = next((part for part in reversed(path) if not isinstance(part, int)), "")
        if name in self._kind.url_fields and same_url(desired, live):
            return True
        if dotted in self._kind.case_insensitive and str(desired).lower() == str(live).lower():
            return True
        alias = self._kind.aliases.get(dotted)
        return bool(alias and alias(desired, live))


def same_url(one: Any, other: Any) -> bool:
    """Return whether a short name, a partial and a full URL mean the same resource.

    Equal are ``n2-standard-4`` and ``https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/n2-standard-4``;
    regions and locations are the same place in Dataproc's names.
    """
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    short, long = sorted((_bare(one), _bare(other)), key=len)
    return bool(short) and (short == long or long.endswith(f"/{short}"))


def _bare(url: str) -> str:
    without_host = re.sub(r"^https?://[^/]+/((compute|v1|v1beta2|beta|auth)/)*(v1/)?", "", url)
    return without_host.replace("/locations/", "/regions/")


def _canonical(value: Any) -> str:
    """Return a text that is equal for values that mean the same, whatever the order of keys and empty fields."""
    return json.dumps(_pruned(value), sort_keys=True)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if not is_empty(item)}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


def _short(value: Any) -> str:
    if value is None:
        return "(absent)"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}..."
