#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_principal_info
short_description: Tell whose Google credentials a play uses
version_added: 0.1.0
description:
  - Asks Google whose token the credentials give, and says where the credentials came from.
  - A playbook that compares the answer with the account it expects cannot reach the wrong cloud.
  - Fails with the file or option at fault and the next step when the credentials are missing, unreadable, of the
    wrong type or refused.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is changed in either mode.
  diff_mode:
    support: none
    details: There is nothing to compare.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Ask who we are
  dataplatform.compute.gcp_principal_info:
  register: whoami

- name: Refuse any other account
  ansible.builtin.assert:
    that: whoami.principal == gcp_expected_principal
    fail_msg: "These are the credentials of {{ whoami.principal }} ({{ whoami.source }})."
"""

RETURN = r"""
principal:
  description: The account, as an email address.
  returned: success
  type: str
  sample: deployer@example-project.iam.gserviceaccount.com
project:
  description: The project of the O(project) option, else the one the credentials name; empty when neither does.
  returned: success
  type: str
  sample: example-project
auth_kind:
  description: The O(auth_kind) used.
  returned: success
  type: str
  sample: application
credential_type:
  description: The type of the credentials, as Google's credential files name it.
  returned: success
  type: str
  sample: service_account
source:
  description: Where the credentials came from, a file or the name of an option.
  returned: success
  type: str
  sample: /home/anna/.config/gcloud/application_default_credentials.json
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.principal import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
