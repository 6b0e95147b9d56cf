#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ipa_keytab
short_description: Keytabs of services in FreeIPA, without ending keys that are in use
version_added: 0.1.0
description:
  - Gets the current keys of services, and makes keys only for services that have none, or where a rotation is asked
    for. A new key ends every older one at once.
  - Runs C(ipa-getkeytab), with a ticket that is got for the task and removed after it. No password is ever an argument.
  - The keytabs are in the result, in base64. They are secrets. Set C(no_log), and hand them on, to
    M(dataplatform.compute.secret_versions).
extends_documentation_fragment:
  - dataplatform.compute.ipa
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details:
      - Reads the keys, returns those that would stay, and makes none. A service that does not exist counts as one to be
        made.
  diff_mode:
    support: none
    details: Keys are not shown.
options:
  principals:
    description: The principals, with or without their realm.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(current) gets the current keys, and makes the first ones where there are none. A second run changes nothing.
      - V(rotated) makes new keys. The keytab holds the old ones beside them, for tickets that were made with those.
    type: str
    choices: [current, rotated]
    default: current
  ldap_port:
    description: Where the server's LDAP listens, for StartTLS.
    type: int
    default: 389
requirements:
  - ipa-getkeytab (freeipa-client), kinit (krb5-user)
seealso:
  - module: dataplatform.compute.ipa_service_principals
  - module: dataplatform.compute.secret_versions
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Get the keytabs
  dataplatform.compute.ipa_keytab:
    server: ipa.corp.internal
    realm: CORP.INTERNAL
    user: compute-controller
    password: "{{ vault_ipa_password }}"
    principals:
      - dask/etl.dev.corp.internal
  register: keytabs
  no_log: true

- name: Rotate, with a controller's keytab in place of a password
  dataplatform.compute.ipa_keytab:
    server: ipa.corp.internal
    realm: CORP.INTERNAL
    user: compute-controller
    keytab: /etc/security/keytabs/compute-controller.keytab
    state: rotated
    principals:
      - dask/etl.dev.corp.internal
  register: keytabs
  no_log: true
"""

RETURN = r"""
results:
  description:
    - What was done for each principal, in the order of the option. All current keys are read before new ones are made.
    - After a failure to make keys it holds the keytabs of those that were finished.
  returned: success, and after a failure when keys were made
  type: list
  elements: dict
  contains:
    principal:
      description: The principal with its realm.
      type: str
      sample: dask/etl.dev.corp.internal@CORP.INTERNAL
    action:
      description: V(none) where the current keys were read, V(create) for first keys, V(rotate) for new ones.
      type: str
      sample: none
    key_versions:
      description: Numbers of the keys in the keytab; the highest is the current one. Not there when nothing was read.
      type: list
      elements: int
      sample: [3]
    keytab_base64:
      description: The keytab. Secret. Null in check mode where keys would be made.
      type: str
      sample: BQI=
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_keytab import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
