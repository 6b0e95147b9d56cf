# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: canary_clusters
short_description: The clusters that candidates are tried on
version_added: 0.1.0
description:
  - One cluster configuration for each kind of node that cluster templates have, of a fixed size.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: What C(cluster_configs) returned.
    type: dict
    required: true
  workers:
    description: How many primary workers the clusters have.
    type: int
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
clusters: "{{ cluster_templates_rendered | dataplatform.compute.canary_clusters(workers=3) }}"
"""

RETURN = r"""
_value:
  description: One entry for each kind of node.
  type: list
  elements: dict
  contains:
    template:
      description: The cluster template whose configuration it is.
      type: str
    covers:
      description: The templates whose nodes are alike, this one among them.
      type: list
      elements: str
    config:
      description: The C(ClusterConfig).
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import canary_clusters as core


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"canary_clusters": core.canary_clusters}
