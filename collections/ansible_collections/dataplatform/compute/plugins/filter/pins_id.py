# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pins_id
short_description: The name of pins
version_added: 0.1.0
description:
  - A short name for pins. Equal pins have equal names, in every environment.
options:
  _input:
    description: The pins that there are, as in the fact C(platform_pins).
    type: dict
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
id: "{{ platform_pins | dataplatform.compute.pins_id }}"
"""

RETURN = r"""
_value:
  description: Twelve hexadecimal digits.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import pins as core
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain


def pins_id(pins: Mapping[str, Any]) -> str:
    """Call the pure function of the same name."""
    return core.pins_id(plain(pins))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"pins_id": pins_id}
