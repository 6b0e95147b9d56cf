# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run artifact_fetch inside the Ansible process."""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.artifact_fetch import DEFINITION
from ansible_collections.dataplatform.compute.plugins.plugin_utils.in_process_action import InProcessAction


class ActionModule(InProcessAction):
    """The action of the same name as the module."""

    definition = DEFINITION
