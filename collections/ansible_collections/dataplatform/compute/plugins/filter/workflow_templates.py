# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: workflow_templates
short_description: Workloads as Dataproc workflow templates
version_added: 0.1.0
description:
  - Workloads as Dataproc workflow templates.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: Workloads by name, as in the fact C(platform_workloads).
    type: dict
    required: true
  clusters:
    description: What C(cluster_configs) returned.
    type: dict
    required: true
  teams:
    description: The fact C(platform_teams).
    type: dict
    required: true
  artifact_uris:
    description: Addresses of the artefacts by name.
    type: dict
    required: true
  labels:
    description: Labels of every template, job and cluster.
    type: dict
    required: true
  kms_key:
    description: The key that encrypts job arguments.
    type: str
    required: true
  launcher:
    description:
      - What the driver of every job is told, with the keys C(sizes) (the fact C(platform_sizes)), C(prices)
        (C(platform_prices)), C(run_directory) (where run records go) and C(account) (who runs the script, or null).
    type: dict
    required: true
  placeholders:
    description: Values of C(${name}) in arguments.
    type: dict
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
resources: "{{ platform_workloads | dataplatform.compute.workflow_templates(
  clusters=configs, teams=platform_teams, artifact_uris=artifacts_uris, labels=labels, kms_key=platform_kms_key,
  launcher={'sizes': platform_sizes, 'prices': platform_prices, 'run_directory': 'gs://bucket/runs'}) }}"
"""

RETURN = r"""
_value:
  description: C(WorkflowTemplate) bodies.
  type: list
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import rendering
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def workflow_templates(*arguments: Any, **options: Any) -> Any:
    """Call the pure function of the same name; its errors become Ansible's."""
    try:
        return rendering.workflow_templates(*arguments, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"workflow_templates": workflow_templates}
