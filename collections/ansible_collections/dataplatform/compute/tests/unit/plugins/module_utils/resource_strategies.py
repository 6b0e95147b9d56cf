# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Random resources, drawn from the very types that the modules check against."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies

_NAMES = strategies.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=8)
_FORMATS = {
    "int64": strategies.integers(1, 10**12).map(str),
    "uint64": strategies.integers(1, 10**12).map(str),
    "google-duration": strategies.integers(1, 10**5).map(lambda seconds: f"{seconds}s"),
    "google-datetime": strategies.just("2026-05-01T10:00:00Z"),
    "date-time": strategies.just("2026-05-01T10:00:00Z"),
}
_TYPES = {
    "integer": strategies.integers(1, 1000),
    "number": strategies.floats(0.01, 100),
    "boolean": strategies.booleans(),
    "any": _NAMES,
}


def values(schema: Any, field: dict[str, Any], depth: int) -> strategies.SearchStrategy:
    """Return a strategy for valid values of a field, at most ``depth`` objects deep."""
    kind = field["type"]
    if kind == "object":
        return resources(schema, field, depth - 1)
    if kind == "map":
        return strategies.dictionaries(_NAMES, values(schema, field["values"], depth), max_size=3)
    if kind == "array":
        return strategies.lists(values(schema, field["items"], depth), max_size=3)
    if "enum" in field:
        return strategies.sampled_from([name for name in field["enum"] if not name.endswith("_UNSPECIFIED")])
    return _FORMATS.get(field.get("format", ""), _TYPES.get(kind, _NAMES))


def resources(schema: Any, field: dict[str, Any], depth: int) -> strategies.SearchStrategy:
    """Return a strategy for objects of a type, with every required field and some of the others."""
    fields = {name: one for name, one in schema.fields(field).items() if not one.get("output_only")}
    if depth <= 0:
        fields = {name: one for name, one in fields.items() if one["type"] not in ("object", "array", "map")}
    required = {name: values(schema, one, depth) for name, one in fields.items() if one.get("required")}
    optional = {name: values(schema, one, depth) for name, one in fields.items() if not one.get("required")}
    return strategies.fixed_dictionaries(required, optional=optional)
