# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: shared_directories
short_description: The directories that have to be on a file server's share
version_added: 0.1.0
description:
  - What to mount to see the whole share, and the directories in it with numbers of owners and modes.
  - Refuses exports that are not directly in the share, owners without numbers and modes that protect nothing, all at
    once.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: The fact C(platform_nfs), or null where there is none; then there is nothing to prepare.
    type: dict
    required: true
  accounts:
    description: The fact C(platform_accounts), the numbers that accounts have on every node.
    type: dict
    required: true
  read_only:
    description: Whether nothing must be written, as in check mode.
    type: bool
    default: false
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
share: "{{ platform_nfs | dataplatform.compute.shared_directories(accounts=platform_accounts) }}"
"""

RETURN = r"""
_value:
  description: C(source) and C(options) of the mount, and the C(directories) with C(path), C(uid), C(gid) and C(mode).
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import shared_directories as core
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def shared_directories(value: Any, **options: Any) -> dict[str, Any]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return core.shared_directories(value, **options) if value else {}
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"shared_directories": shared_directories}
