# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: release_summary
short_description: A release or rollback of DAGs as a few lines for a person
version_added: 0.1.0
description:
  - Says what is live of each team, which DAGs are gone, what the gate found and, for a rollback, the kept releases.
options:
  _input:
    description: What M(dataplatform.compute.dag_release) or M(dataplatform.compute.dag_rollback) returned.
    type: dict
    required: true
  check_mode:
    description: Whether it was only looked at.
    type: bool
    default: false
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
- name: Say what is live
  ansible.builtin.debug:
    msg: "{{ released | dataplatform.compute.release_summary(ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: The summary.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.release_summary import release_summary


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"release_summary": release_summary}
