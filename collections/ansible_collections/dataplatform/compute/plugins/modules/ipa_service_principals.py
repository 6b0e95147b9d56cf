#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ipa_service_principals
short_description: Service principals in FreeIPA, and who may have their keytabs
version_added: 0.1.0
description:
  - Creates services in FreeIPA, sets who may read and who may make their keys, or deletes them.
  - Takes whole lists. Looks at each service first, and sends only what differs.
  - Makes no keys; that is what M(dataplatform.compute.ipa_keytab) does.
extends_documentation_fragment:
  - dataplatform.compute.ipa
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Looks and plans as in a run, and changes nothing.
  diff_mode:
    details: What each service that changes has before and after, as far as this module manages it.
options:
  principals:
    description: The services.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The principal, with or without its realm, such as V(dask/etl.dev.corp.internal).
        type: str
        required: true
      allow_retrieve_keytab:
        description:
          - Who may read the current keys. Nobody may who is not listed, not even administrators.
          - A list that is given is the whole truth; one that is not given is left as it is.
        type: dict
        suboptions:
          users:
            description: Names of users.
            type: list
            elements: str
          groups:
            description: Names of groups of users.
            type: list
            elements: str
          hosts:
            description: Names of hosts.
            type: list
            elements: str
          hostgroups:
            description: Names of groups of hosts.
            type: list
            elements: str
      allow_create_keytab:
        description:
          - Who may make new keys, which ends the current ones; administrators may.
          - A list that is given is the whole truth; one that is not given is left as it is.
        type: dict
        suboptions:
          users:
            description: Names of users.
            type: list
            elements: str
          groups:
            description: Names of groups of users.
            type: list
            elements: str
          hosts:
            description: Names of hosts.
            type: list
            elements: str
          hostgroups:
            description: Names of groups of hosts.
            type: list
            elements: str
  state:
    description: Whether the services exist.
    type: str
    choices: [present, absent]
    default: present
  skip_host_check:
    description: Create a service whose host has no entry in FreeIPA, as those of short-lived clusters.
    type: bool
    default: true
  force:
    description: Create a service whose host has no address in DNS.
    type: bool
    default: true
seealso:
  - module: dataplatform.compute.ipa_keytab
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: One service principal per cluster template
  dataplatform.compute.ipa_service_principals:
    server: ipa.corp.internal
    realm: CORP.INTERNAL
    user: compute-controller
    password: "{{ vault_ipa_password }}"
    principals:
      - name: dask/etl.dev.corp.internal
        allow_retrieve_keytab:
          users: [compute-controller]
        allow_create_keytab:
          users: [compute-controller]

- name: Remove one that nobody needs
  dataplatform.compute.ipa_service_principals:
    server: ipa.corp.internal
    realm: CORP.INTERNAL
    keytab: /etc/security/keytabs/compute-controller.keytab
    user: compute-controller
    state: absent
    principals:
      - name: dask/old.dev.corp.internal
"""

RETURN = r"""
results:
  description:
    - What happens to each service, in the order of the option.
    - After a failure it holds those that were finished, and the one that failed if it was changed in part.
  returned: always, when the server was reached
  type: list
  elements: dict
  contains:
    principal:
      description: The principal with its realm.
      type: str
      sample: dask/etl.dev.corp.internal@CORP.INTERNAL
    action:
      description: What happens to it.
      type: str
      sample: create
    has_keytab:
      description: Whether the service had keys when it was looked at.
      type: bool
      sample: false
    diff:
      description: The service C(before) and C(after), as far as it is managed; empty when nothing was to be done.
      type: dict
      sample: {before: {}, after: {principal: dask/etl.dev.corp.internal@CORP.INTERNAL}}
summary:
  description: The run in one line.
  returned: always, when the server was reached
  type: str
  sample: 1 create, 2 none
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_service_principals import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
