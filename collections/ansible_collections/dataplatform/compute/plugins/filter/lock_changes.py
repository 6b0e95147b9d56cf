# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: lock_changes
short_description: What two locks of Python packages differ in
version_added: 0.1.0
description:
  - What two locks of Python packages differ in, as C(uv pip compile) and C(pip-compile) write them.
options:
  _input:
    description: The text of the lock that there is.
    type: str
    required: true
  after:
    description: The text of the other one.
    type: str
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
raised: "{{ lookup('ansible.builtin.file', 'lock.txt') | dataplatform.compute.lock_changes(after=new_lock) }}"
"""

RETURN = r"""
_value:
  description: One line for each package that has other versions, such as C(pandas 3.0.5 -> 3.1.0).
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import lock_changes as core


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"lock_changes": core.lock_changes}
