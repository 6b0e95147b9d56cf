# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: readable_files
short_description: Files of variables that are not YAML, by name and line
version_added: 0.1.0
description:
  - Sets no variables. Stops a run at C(group_vars) and C(host_vars) that are not YAML, for example after a merge that
    left its marks, and names file and line. Ansible itself stops, too, and names neither.
  - Everything else that can be wrong with a file is for M(dataplatform.compute.inventory_check), which runs later.
notes:
  - Has to be enabled before P(ansible.builtin.host_group_vars#vars).
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
# In ansible.cfg:
#   [defaults]
#   vars_plugins_enabled = dataplatform.compute.readable_files, ansible.builtin.host_group_vars
"""

from functools import cache
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.vars import BaseVarsPlugin
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, read_source


class VarsModule(BaseVarsPlugin):
    """See the documentation above."""

    def get_vars(self, loader: DataLoader, path: str, entities: Any) -> dict[str, Any]:
        """Return nothing; AnsibleParserError names every file that is not YAML."""
        super().get_vars(loader, path, entities)
        findings = _unreadable(path)
        if findings:
            raise AnsibleParserError("\n".join(map(str, findings)))
        return {}


@cache
def _unreadable(directory: str) -> tuple[Finding, ...]:
    """Asked for every host and task, and answered once."""
    return read_source(directory).unreadable
