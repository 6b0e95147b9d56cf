#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_versions
short_description: Give secrets of Secret Manager a new version where they hold something else
version_added: 0.1.0
description:
  - Compares each payload with the latest version of its secret, and adds a version only where it differs, so that a
    repeated run adds none.
  - Keytabs are compared by their keys instead of their bytes, because a keytab also holds the time it was written.
  - Lets older versions go once the latest one has existed for some time, such as the life of a Kerberos ticket.
  - Every payload is checked before anything is sent. Payloads appear in no result, message or diff.
options:
  versions:
    description: What secrets shall hold, one entry for each secret.
    type: list
    elements: dict
    required: true
    suboptions:
      secret:
        description: Id of the secret, such as V(keytab-etl-dev). It must exist, except in check mode.
        type: str
        required: true
      payload_base64:
        description:
          - The payload in base64, at most 64 KiB of bytes. It is never logged.
          - It must be there, except in check mode, where null stands for one that only a run makes, and that differs
            from whatever is there.
        type: str
  compare:
    description:
      - What makes two payloads the same.
      - With V(keytab) it is the principals, key version numbers, encryption types and keys of two MIT keytabs. The one
        in the secret may also hold older keys of the same principals, which a rotation leaves there. What is no keytab
        is refused.
    type: str
    choices: [bytes, keytab]
    default: bytes
  disable_previous_after:
    description:
      - Disable the versions before the latest one once that has existed for this many seconds. They can be enabled
        again.
      - Without it they stay as they are.
    type: float
  destroy_previous_after:
    description:
      - Destroy the versions before the latest one, for good, once that has existed for this many seconds. It must not
        be less than O(disable_previous_after).
      - Without it they stay as they are.
    type: float
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Reads the latest versions, as a run does. Secrets that do not exist yet count as empty.
  diff_mode:
    details: Numbers and states of versions, and for keytabs their principals, kvnos and encryption types; no payload.
notes:
  - Readers of C(latest) get the newest version whatever its state. A newest version that was disabled or destroyed is
    therefore never the same as a payload, and a new one is added.
  - A version arrives whole or not at all. An attempt whose answer was lost is looked up before the next one.
  - Secret Manager knows no condition for adding a version. Two runs that add the same payload at the same moment may
    add it twice, which changes nothing for readers.
  - The account needs C(secretmanager.versions.access) and C(secretmanager.versions.add). It needs
    C(secretmanager.versions.get) where the latest version may be disabled or destroyed, and to let older versions go,
    also C(list), C(disable) and C(destroy) on versions.
  - With C(secretmanager.secrets.get) and C(secretmanager.secrets.list), a secret that does not exist is named with the
    one that was probably meant.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Publish the keytabs of the clusters, and disable older ones after the life of a ticket
  dataplatform.compute.secret_versions:
    project: example-project
    compare: keytab
    disable_previous_after: 86400
    versions:
      - secret: keytab-etl-dev
        payload_base64: "{{ etl_keytab.keytab_base64 }}"
  no_log: true

- name: Keep a password
  dataplatform.compute.secret_versions:
    project: example-project
    versions:
      - secret: database-password
        payload_base64: "{{ database_password | b64encode }}"
"""

RETURN = r"""
results:
  description: What happened to each secret, in the order given.
  returned: always, unless the input is wrong
  type: list
  elements: dict
  contains:
    secret:
      description: Id of the secret.
      type: str
      returned: always
      sample: keytab-etl-dev
    action:
      description: V(add) where a version was added, V(none) where the latest one held the payload already.
      type: str
      returned: always
      sample: add
    version:
      description: Number of the version that holds the payload; empty in check mode where one would be added.
      type: str
      returned: always
      sample: "3"
    disabled:
      description: Numbers of the versions that were disabled.
      type: list
      elements: str
      returned: always
      sample: ["2"]
    destroyed:
      description: Numbers of the versions that were destroyed.
      type: list
      elements: str
      returned: always
      sample: ["1"]
    changed:
      description: Whether anything of this secret changed.
      type: bool
      returned: always
      sample: true
    message:
      description: Why a version was added, or that none was needed, or what went wrong.
      type: str
      returned: always
      sample: version 2 holds something else
    failed:
      description: Whether this secret failed.
      type: bool
      returned: when it failed
      sample: true
    error:
      description: The error, with its C(type) and, where Google answered, C(status_code), C(status) and C(message).
      type: dict
      returned: when it failed
      sample: {type: MissingSecretError}
diff:
  description: For each changed secret C(before_header), C(after_header), C(before) and C(after), for C(--diff).
  returned: always, unless the input is wrong
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.secret_versions import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
