# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The facts about versions: which are pinned, how they came here, and how newer ones come."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_parts import (
    mapping,
    named,
    or_null,
    text,
)

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_IMAGE = text(r"^2\.3\.[0-9]+-debian12$", "expected a full pin such as 2.3.10-debian12")
_SHA256 = text(r"^[0-9a-f]{64}$", "expected a SHA-256: 64 of 0-9 and a-f, in quotes where it has digits only")
_PINS_ID = text(r"^[0-9a-f]{12}$", "expected the id of pins: 12 of 0-9 and a-f, in quotes")
_COMMIT = text(
    r"^(([0-9a-f]{40}|[0-9a-f]{64})(\+changes)?|unknown)$",
    "expected the hash of a commit, with +changes behind it for a dirty checkout, or unknown",
)
_MOMENT = text(
    r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
    "expected a moment in UTC, in quotes, such as '2026-11-29T05:00:00Z'",
)
_TIME_OF_DAY = text(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "expected hours and minutes in quotes, such as '20:00'")
_ENVIRONMENT = text(r"^[a-z][a-z0-9-]{0,19}$", "expected the name of an environment, or null")
_FILE_NAME = text(r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", "expected the name of a file under init-actions/")
_SENTENCE = {"type": "string", "minLength": 1, "x-expected": "expected a text that is not empty"}
_AMOUNT = {"type": "number", "minimum": 0, "x-expected": "expected a number from 0"}
_BOUND = {"type": "number", "minimum": 1, "maximum": 100, "x-expected": "expected a factor from 1 to 100"}

_PINS = mapping(
    {
        "dataproc_image": _IMAGE,
        "environment": or_null(
            mapping({"lock_sha256": _SHA256, "squashfs_sha256": _SHA256, "archive_sha256": _SHA256})
        ),
        "init_actions": or_null(named(_FILE_NAME, _SHA256)),
        "node_bundle": or_null(_SHA256),
    }
)

_CANARY_JOB = {
    "type": "object",
    "required": ["results", "seconds", "memory_mb"],
    "properties": {"results": {"type": "object"}, "seconds": _AMOUNT, "memory_mb": _AMOUNT},
}
# What else a canary tells about itself is kept as it is.
_CANARY = {
    "type": "object",
    "required": ["at", "cluster", "jobs"],
    "properties": {
        "at": _MOMENT,
        "cluster": _SENTENCE,
        "jobs": {"type": "object", "additionalProperties": _CANARY_JOB},
    },
}
_ORIGIN = {
    "id": _PINS_ID,
    "promoted_at": _MOMENT,
    "commit": _COMMIT,
    "files": {"type": "object", "additionalProperties": _SHA256},
    "canary": _CANARY,
    "rolled_back_from": or_null(_PINS_ID),
}
_PREVIOUS = mapping({"pins": _PINS, "record": or_null(mapping(_ORIGIN))})
_WITHDRAWN = mapping({"id": _PINS_ID, "at": _MOMENT, "reason": _SENTENCE, "pins": _PINS, "instead": _PINS})
_RECORD = mapping(
    {
        **{
            name: or_null(schema) if name in ("id", "promoted_at", "commit", "canary") else schema
            for name, schema in _ORIGIN.items()
        },
        "previous": {"type": "array", "items": _PREVIOUS},
        "withdrawn": {"type": "array", "items": _WITHDRAWN},
    }
)

PIN_FACTS: dict[str, dict[str, Any]] = {
    "platform_pins": _PINS,
    "platform_pin_record": or_null(_RECORD),
}

PATCHING_FACTS: dict[str, dict[str, Any]] = {
    **PIN_FACTS,
    "platform_patching": mapping(
        {
            "after": or_null(_ENVIRONMENT),
            "record_days": {
                "type": "integer",
                "minimum": 1,
                "maximum": 365,
                "x-expected": "expected days, 1 to 365",
            },
            "window": or_null(
                mapping(
                    {
                        "days": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"enum": list(WEEKDAYS)},
                            "uniqueItems": True,
                        },
                        "from": _TIME_OF_DAY,
                        "until": _TIME_OF_DAY,
                    }
                )
            ),
            "bounds": mapping({"seconds": _BOUND, "memory": _BOUND}),
            "keep": {"type": "integer", "minimum": 1, "maximum": 20, "x-expected": "expected a number from 1 to 20"},
            "owner": {"type": "string"},
        }
    ),
}
