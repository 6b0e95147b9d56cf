# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: fair_scheduler
short_description: Queues as the FairScheduler's allocation file
version_added: 0.1.0
description:
  - Renders C(fair-scheduler.xml) of Hadoop 3.3 from queues, people and sizes. Teams become the users in them.
  - Refuses what YARN could not serve, such as a worker and an application master that do not fit a node, with every
    mistake at once.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: Queues by priority, as in the fact C(platform_queues).
    type: dict
    required: true
  users:
    description: The fact C(platform_users).
    type: dict
    required: true
  teams:
    description: The fact C(platform_teams).
    type: dict
    required: true
  sizes:
    description: The fact C(platform_sizes).
    type: dict
    required: true
  preemption_threshold:
    description: Below this part of its fair share a queue is starved and takes containers from others.
    type: float
    default: 0.8
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
- name: Show the allocation file
  ansible.builtin.debug:
    msg: "{{ platform_queues | dataplatform.compute.fair_scheduler(
      users=platform_users, teams=platform_teams, sizes=platform_sizes) }}"
"""

RETURN = r"""
_value:
  description: The file's text.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.fair_scheduler import allocation_file


def fair_scheduler(*arguments: Any, **options: Any) -> str:
    """Call the pure function; its errors become Ansible's."""
    try:
        return allocation_file(*arguments, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"fair_scheduler": fair_scheduler}
