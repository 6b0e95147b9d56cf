# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_configs
short_description: Cluster templates as Dataproc cluster configurations, one per placement
version_added: 0.1.0
description:
  - Cluster templates as Dataproc cluster configurations, one per placement.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: Cluster templates by name, as in the fact C(platform_cluster_templates).
    type: dict
    required: true
  standard:
    description: What every cluster has in common.
    type: dict
    required: true
  sizes:
    description: The fact C(platform_sizes).
    type: dict
    required: true
  parent:
    description: Where the autoscaling policies are, C(projects/P/regions/R).
    type: str
    required: true
  init_actions:
    description:
      - Scripts under init-actions/ that every node runs, in this order.
      - Each has a C(script) and may have a C(timeout) such as C(300s); one with C(enabled) false is left out.
    type: list
    elements: dict
  artifact_uris:
    description: Addresses of the artefacts by name.
    type: dict
    required: false
  metadata:
    description: Metadata of the nodes of single templates, by template, beside those of O(standard).
    type: dict
    required: false
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
config: "{{ platform_cluster_templates | dataplatform.compute.cluster_configs(
  standard=standard, sizes=platform_sizes, parent=parent) }}"
"""

RETURN = r"""
_value:
  description: C(ClusterConfig) by template and placement.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import rendering
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def cluster_configs(*arguments: Any, **options: Any) -> Any:
    """Call the pure function of the same name; its errors become Ansible's."""
    try:
        return rendering.cluster_configs(*arguments, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"cluster_configs": cluster_configs}
