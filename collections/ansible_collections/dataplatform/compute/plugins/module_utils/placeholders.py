# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``${data_bucket}`` and its like in the arguments of workloads: facts that differ between environments.

Not Jinja, because a platform has hundreds of arguments, every task would compile all of them, and JSON or shell in an
argument must come through unchanged: only ``${known_name}`` is replaced, everything else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\$\{([a-z_]+)\}")

# Placeholder -> the fact, or fact and key of it, whose value takes its place.
PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "artifacts_bucket": ("platform_buckets", "artifacts"),
    "data_bucket": ("platform_buckets", "data"),
    "staging_bucket": ("platform_buckets", "staging"),
    "temp_bucket": ("platform_buckets", "temp"),
    "project": ("gcp_project",),
    "region": ("gcp_region",),
    "environment": ("platform_environment",),
}


def names_in(text: str) -> list[str]:
    """The names of all placeholders in a text, known or not."""
    return _PLACEHOLDER.findall(text)


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Replace every placeholder that ``values`` has; any other stays as it is."""
    return _PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), text)
