# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What JSON schemas of inventory facts are made of; ``x-expected`` says in words what a valid value looks like."""

from __future__ import annotations

from typing import Any


def text(pattern: str, expected: str, **more: Any) -> dict[str, Any]:
    """A text that ``pattern`` finds; ``expected`` is what the finding says otherwise."""
    return {"type": "string", "pattern": pattern, "x-expected": expected, **more}


def mapping(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """A mapping of known keys, and no others."""
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def named(names: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """A mapping of at least one name to entries of one kind."""
    return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": entry}


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What ``schema`` takes, or null."""
    return {**schema, "type": [schema["type"], "null"]}
