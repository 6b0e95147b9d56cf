# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: comparable_canary
short_description: The earlier canary that a new one may be held against
version_added: 0.1.0
description:
  - The first of the given canaries that ran on such clusters - of the same templates, with as many workers, on machines
    of the same type. On others the same jobs take another time.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description:
      - Canaries as records of pins have them, the best one first; none among them is passed over.
      - A job tells its machines as C(machine_type); of one that does not nobody knows.
    type: list
    required: true
  clusters:
    description: The clusters of the new canary, from P(dataplatform.compute.canary_clusters#filter).
    type: list
    elements: dict
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
baseline: "{{ [platform_pin_record.canary] | dataplatform.compute.comparable_canary(clusters=clusters) }}"
"""

RETURN = r"""
_value:
  description: The canary; none where there is none that ran on such clusters.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import canary_clusters as core


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"comparable_canary": core.comparable_canary}
