# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: workload_documents
short_description: Workloads as the documents that DAGs are made from
version_added: 0.1.0
description:
  - Workloads as the documents that DAGs are made from, one C(workloads.json) per team.
  - The jobs in it are those of the workflow templates, see P(dataplatform.compute.workflow_templates#filter).
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
    description: The fact C(platform_teams); each has a document.
    type: dict
    required: true
  users:
    description: The fact C(platform_users).
    type: dict
    required: true
  artifact_uris:
    description: Addresses of the artefacts by name.
    type: dict
    required: true
  labels:
    description: Labels of every job and cluster.
    type: dict
    required: true
  launcher:
    description: What the driver of every job is told, as for C(workflow_templates).
    type: dict
    required: true
  platform:
    description:
      - Where DAGs run, with the keys C(environment), C(project), C(region), C(staging_bucket), C(zones) and
        C(schedules), whether they run by their schedules.
    type: dict
    required: true
  placeholders:
    description: Values of C(${name}) in arguments.
    type: dict
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
documents: "{{ platform_workloads | dataplatform.compute.workload_documents(
  clusters=configs, teams=platform_teams, users=platform_users, artifact_uris=artifacts_uris, labels=labels,
  launcher=launcher, platform={'environment': 'dev', 'project': gcp_project, 'region': gcp_region,
                               'staging_bucket': platform_buckets.staging, 'zones': ['europe-west1-b']}) }}"
"""

RETURN = r"""
_value:
  description: JSON text by team.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import workload_documents as documents
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def workload_documents(*arguments: Any, **options: Any) -> Any:
    """Call the pure function of the same name; its errors become Ansible's."""
    try:
        return documents.workload_documents(*arguments, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"workload_documents": workload_documents}
