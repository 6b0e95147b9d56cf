# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pins_promoted
short_description: Pins with a candidate in their place
version_added: 0.1.0
description:
  - What becomes of an environment's pins and their record when a candidate is promoted. Nothing is written.
options:
  _input:
    description: The pins that there are, as in the fact C(platform_pins).
    type: dict
    required: true
  record:
    description: Their record, as in the fact C(platform_pin_record); null where there is none.
    type: dict
    required: true
  new_pins:
    description: The candidate.
    type: dict
    required: true
  new_record:
    description: Its C(promoted_at), C(commit), C(files) and C(canary).
    type: dict
    required: true
  keep:
    description: How many previous pins are kept to go back to.
    type: int
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
promotion: "{{ platform_pins | dataplatform.compute.pins_promoted(
  record=platform_pin_record, new_pins=candidate, new_record=record, keep=3) }}"
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


def pins_promoted(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return asdict(core.promote(*plain(list(arguments)), **plain(options)))
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"pins_promoted": pins_promoted}
