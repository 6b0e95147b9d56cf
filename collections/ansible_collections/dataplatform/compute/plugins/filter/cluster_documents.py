# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_documents
short_description: Cluster configurations as the documents DAGs create clusters from
version_added: 0.1.0
description:
  - Cluster configurations as the documents DAGs create clusters from.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: What C(cluster_configs) returned.
    type: dict
    required: true
  labels:
    description: Labels every cluster carries.
    type: dict
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
documents: "{{ configs | dataplatform.compute.cluster_documents(labels=labels) }}"
"""

RETURN = r"""
_value:
  description: JSON texts by file name.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import rendering
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def cluster_documents(*arguments: Any, **options: Any) -> Any:
    """Call the pure function of the same name; its errors become Ansible's."""
    try:
        return rendering.cluster_documents(*arguments, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"cluster_documents": cluster_documents}
