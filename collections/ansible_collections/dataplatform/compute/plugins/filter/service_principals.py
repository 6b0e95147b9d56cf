# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: service_principals
short_description: The service principal of each cluster template, and what nodes are told of it
version_added: 0.1.0
description:
  - Names the principal and the secret of each cluster template, and renders what nodes need to use them.
  - The same input always gives the same output; nothing is asked, nothing is changed, and nothing in it is secret.
options:
  _input:
    description: The realm, as in the fact C(platform_kerberos); null for none.
    type: dict
    required: true
  templates:
    description: Names of the cluster templates.
    type: list
    elements: str
    required: true
  environment:
    description: The environment's name.
    type: str
    required: true
  project:
    description: The project that the secrets are in.
    type: str
    required: true
  account:
    description: The account on nodes that owns the ticket.
    type: str
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
principals: "{{ platform_kerberos | dataplatform.compute.service_principals(
  templates=platform_cluster_templates, environment='dev', project='example-project', account='yarn') }}"
"""

RETURN = r"""
_value:
  description:
    - By template, C(principals) has C(template), C(principal), C(secret) and C(secret_name), and with C(service),
      C(resource) and C(grant) the beginnings of what M(dataplatform.compute.ipa_service_principals),
      M(dataplatform.compute.gcp_resources) and M(dataplatform.compute.iam_members) take.
    - By template, C(metadata) is what nodes find in theirs. C(bundle_files) has texts by path in the node bundle.
    - All are empty without a realm.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.service_principals import (
    service_principals as render,
)


def service_principals(value: Any, **options: Any) -> dict[str, dict[str, Any]]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return render(value, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"service_principals": service_principals}
