# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fact about Dataproc's images: how long their tracks live, when that was read, and where."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_parts import (
    mapping,
    named,
    or_null,
    text,
)

_DAY = text(r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$", "expected a date in quotes, such as '2026-11-23'")
_LAST_DAY = or_null(text(r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$", "expected a date in quotes, such as '2026-12-31', or null"))
_TRACK = text(r"^[0-9]+\.[0-9]+$", "expected a track in quotes, such as '2.3'")
_DAYS = {"type": "integer", "minimum": 1, "maximum": 3650, "x-expected": "expected days, 1 to 3650"}

IMAGE_FACTS: dict[str, dict[str, Any]] = {
    "platform_dataproc_images": mapping(
        {
            "as_of": _DAY,
            "source": {"type": "string", "minLength": 1, "x-expected": "expected a text that is not empty"},
            "warn_days": _DAYS,
            "custom_image_days": _DAYS,
            "tracks": named(_TRACK, mapping({"supported_until": _LAST_DAY, "creatable_until": _LAST_DAY})),
        }
    ),
}
