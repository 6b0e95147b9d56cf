# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: autoscaling_policies
short_description: Autoscaling policies as Dataproc takes them
version_added: 0.1.0
description:
  - Autoscaling policies as Dataproc takes them.
  - The same input always gives the same output; nothing is asked and nothing is changed.
options:
  _input:
    description: Policies by id, as in the fact C(platform_autoscaling_policies).
    type: dict
    required: true
  labels:
    description: Labels of every policy.
    type: dict
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
resources: "{{ platform_autoscaling_policies | dataplatform.compute.autoscaling_policies(labels=labels) }}"
"""

RETURN = r"""
_value:
  description: C(AutoscalingPolicy) bodies.
  type: list
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils import rendering
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def autoscaling_policies(*arguments: Any, **options: Any) -> Any:
    """Call the pure function of the same name; its errors become Ansible's."""
    try:
        return rendering.autoscaling_policies(*arguments, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"autoscaling_policies": autoscaling_policies}
