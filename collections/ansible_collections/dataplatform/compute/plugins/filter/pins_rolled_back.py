# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pins_rolled_back
short_description: Pins with earlier ones in their place
version_added: 0.1.0
description:
  - What becomes of an environment's pins and their record when it goes back to earlier ones. Nothing is written.
  - After a rollback another one without O(to) changes nothing.
options:
  _input:
    description: The pins that there are, as in the fact C(platform_pins).
    type: dict
    required: true
  record:
    description: Their record, as in the fact C(platform_pin_record); null where there is none.
    type: dict
    required: true
  to:
    description: The id of the pins to go back to; without it the last good ones.
    type: str
  at:
    description: The present moment, such as C(2026-11-29T05:00:00Z).
    type: str
    required: true
  reason:
    description: Why the present pins are left.
    type: str
    default: rolled back
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
rollback: "{{ platform_pins | dataplatform.compute.pins_rolled_back(
  record=platform_pin_record, at=now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ')) }}"
"""

RETURN = r"""
_value:
  description: What becomes of them.
  type: dict
  contains:
    pins:
      description: The pins.
      type: dict
    record:
      description: Their record.
      type: dict
    changed:
      description: Whether they are others than before.
      type: bool
    message:
      description: What became of them, in words.
      type: str
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import pins as core
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain


def pins_rolled_back(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return asdict(core.rollback(*plain(list(arguments)), **plain(options)))
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"pins_rolled_back": pins_rolled_back}
