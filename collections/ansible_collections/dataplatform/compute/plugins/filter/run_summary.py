# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: run_summary
short_description: A run of a workflow or a job as a few lines for a person
version_added: 0.1.0
description:
  - Says how a run ended, how long its parts took, in which queue and for whom it ran, and where its log and output are.
options:
  _input:
    description: What M(dataplatform.compute.dataproc_workflow) or M(dataplatform.compute.dataproc_job) returned.
    type: dict
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
- name: Say how it went
  ansible.builtin.debug:
    msg: "{{ flights | dataplatform.compute.run_summary }}"
"""

RETURN = r"""
_value:
  description: The summary, one fact a line.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.run_summary import job_summary, run_summary


def summarise(result: Mapping[str, Any]) -> str:
    """Tell a workflow's result from a job's."""
    return run_summary(result) if "operation_id" in result else job_summary(result)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"run_summary": summarise}
