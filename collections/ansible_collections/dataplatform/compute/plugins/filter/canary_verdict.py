# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: canary_verdict
short_description: What speaks against promoting the versions a canary ran on
version_added: 0.1.0
description:
  - Compares what a canary learned with what the canary of the last good versions had learned.
  - Found are answers that differ or are missing, jobs that did not run, and time or memory over a bound.
  - A job that computes something else by now is not compared. That, and changed versions, are told by
    P(dataplatform.compute.canary_remarks#filter).
options:
  _input:
    description: RV(dataplatform.compute.dataproc_canary#module:canary) of the versions in question.
    type: dict
    required: true
  baseline:
    description: The same of the last good versions; null while there are none, and then nothing is found.
    type: dict
  bounds:
    description:
      - How many times as much as the last good canary a job may take, by V(seconds) and V(memory), each at least 1.
      - A bound that is left out is not looked at.
    type: dict
    default: {}
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
- name: Refuse versions that do not do what the last good ones did
  ansible.builtin.assert:
    that: findings | length == 0
    fail_msg: "{{ findings | join('; ') }}"
  vars:
    findings: "{{ run.canary | dataplatform.compute.canary_verdict(
      baseline=platform_pin_record.canary, bounds={'seconds': 1.5, 'memory': 1.3}) }}"
"""

RETURN = r"""
_value:
  description: One finding a line; empty when nothing speaks against them.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_verdict import verdict
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def canary_verdict(
    canary: Mapping[str, Any],
    baseline: Mapping[str, Any] | None = None,
    bounds: Mapping[str, float] | None = None,
) -> list[str]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return verdict(baseline, canary, bounds or {})
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"canary_verdict": canary_verdict}
