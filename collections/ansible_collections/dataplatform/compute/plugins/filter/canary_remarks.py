# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: canary_remarks
short_description: What changed between two canaries, beside what speaks against the newer
version_added: 0.1.0
description:
  - Says what jobs took, which versions changed, and which jobs could not be compared and why.
  - What speaks against promoting is found by P(dataplatform.compute.canary_verdict#filter).
options:
  _input:
    description: RV(dataplatform.compute.dataproc_canary#module:canary) of the versions in question.
    type: dict
    required: true
  baseline:
    description: The same of the last good versions; null while there are none.
    type: dict
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
- name: Say what is different
  ansible.builtin.debug:
    msg: "{{ run.canary | dataplatform.compute.canary_remarks(baseline=platform_pin_record.canary) }}"
"""

RETURN = r"""
_value:
  description: "One remark a line, such as V(job smoke: dask 2026.8.0 -> 2026.9.1)."
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_verdict import remarks


def canary_remarks(canary: Mapping[str, Any], baseline: Mapping[str, Any] | None = None) -> list[str]:
    """Call the pure function."""
    return remarks(baseline, canary)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"canary_remarks": canary_remarks}
