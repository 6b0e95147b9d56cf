# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: near_miss
short_description: What a mistyped name was probably meant to be
version_added: 0.1.0
description:
  - The end of a message about an unknown name, either the known name that is most like it, or else the known names.
options:
  _input:
    description: The name that is not known.
    type: str
    required: true
  known:
    description: The names that are.
    type: list
    elements: str
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
- name: Refuse an unknown workload
  ansible.builtin.assert:
    that: workload in platform_workloads
    fail_msg: "there is no workload {{ workload }}; {{ workload | dataplatform.compute.near_miss(platform_workloads) }}"
"""

RETURN = r"""
_value:
  description: Such as C(did you mean 'flights-etl'?).
  type: str
"""

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss


def hint(name: Any, known: Iterable[str]) -> str:
    """The hint for whatever a user typed, which need not be a string."""
    return near_miss(str(name), map(str, known))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"near_miss": hint}
