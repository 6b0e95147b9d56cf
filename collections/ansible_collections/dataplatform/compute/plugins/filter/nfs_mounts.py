# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: nfs_mounts
short_description: Shared file systems as files of the node bundle
version_added: 0.1.0
description:
  - Shared file systems as the files that C(init-actions/nfs-mounts.sh) reads on every node.
  - Refuses mounts that a node could not have, or that would lose data, with every mistake at once.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: The fact C(platform_nfs), or null where there is none; then there are no files.
    type: dict
    required: true
  accounts:
    description: The fact C(platform_accounts), the numbers that accounts have on every node.
    type: dict
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
files: "{{ platform_nfs | dataplatform.compute.nfs_mounts(accounts=platform_accounts) }}"
"""

RETURN = r"""
_value:
  description: Texts by path in the node bundle.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.nfs_mounts import bundle_files


def nfs_mounts(value: Any, **options: Any) -> dict[str, str]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return bundle_files(value["server"], value["mounts"], **options) if value else {}
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"nfs_mounts": nfs_mounts}
