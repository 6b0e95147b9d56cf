#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_members
short_description: Who has which role on secrets, service accounts and projects
version_added: 0.1.0
description:
  - Grants roles to members, or takes them away, and leaves every other binding of the policy as it is.
  - Reads the policy of each resource once, and writes it only where it differs, under its etag. When somebody else
    changes the policy at the same moment, it is read and planned anew.
options:
  grants:
    description: Who shall have which role on which resource; one entry for each resource and role.
    type: list
    elements: dict
    required: true
    suboptions:
      resource:
        description:
          - V(projects/PROJECT), V(projects/PROJECT/secrets/SECRET) or V(projects/PROJECT/serviceAccounts/EMAIL).
          - It must exist, except in check mode.
        type: str
        required: true
      role:
        description: A role, such as V(roles/secretmanager.secretAccessor), or one of the project's own.
        type: str
        required: true
      members:
        description:
          - Who, as V(serviceAccount:EMAIL), V(user:EMAIL), V(group:EMAIL), V(domain:DOMAIN), V(principal://...) or
            V(principalSet://...). C(allUsers) and C(allAuthenticatedUsers) are refused.
          - May be empty where O(grants[].exclusive) is true; nobody has the role then.
        type: list
        elements: str
        required: true
      exclusive:
        description:
          - Nobody else keeps this role on this resource, whatever the condition he had it under. Roles that are
            inherited from the project are not looked at.
        type: bool
        default: false
  state:
    description: Whether the members have the roles.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Reads the policies, as a run does. Resources that do not exist yet count as having none.
  diff_mode:
    details: Who has the stated roles; other bindings are not shown.
notes:
  - Grants have no condition. A binding with a condition is somebody else's, and stays, unless O(grants[].exclusive).
  - When some policies fail, the others are finished first. The task then fails, says what was done and what was not,
    and a repeated run continues.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Only the clusters' nodes read a keytab
  dataplatform.compute.iam_members:
    project: example-project
    grants:
      - resource: projects/example-project/secrets/keytab-etl-dev
        role: roles/secretmanager.secretAccessor
        members:
          - serviceAccount:dataproc-node@example-project.iam.gserviceaccount.com
        exclusive: true

- name: Let a deployer make clusters that run as the nodes' account
  dataplatform.compute.iam_members:
    project: example-project
    grants:
      - resource: projects/example-project/serviceAccounts/dataproc-node@example-project.iam.gserviceaccount.com
        role: roles/iam.serviceAccountUser
        members:
          - serviceAccount:platform-deployer@example-project.iam.gserviceaccount.com

- name: Take a role away
  dataplatform.compute.iam_members:
    project: example-project
    state: absent
    grants:
      - resource: projects/example-project
        role: roles/editor
        members:
          - serviceAccount:dataproc-node@example-project.iam.gserviceaccount.com
"""

RETURN = r"""
results:
  description: What happened to the policy of each resource, in the order given.
  returned: always, unless the input is wrong
  type: list
  elements: dict
  contains:
    resource:
      description: The resource.
      type: str
      returned: always
      sample: projects/example-project/secrets/keytab-etl-dev
    action:
      description: V(update) where the policy was written, V(none) where it was as wanted or where it failed.
      type: str
      returned: always
      sample: update
    added:
      description: The C(role) and C(member) of each grant that is new.
      type: list
      elements: dict
      returned: always
      sample: []
    removed:
      description: The C(role) and C(member) of each grant that was taken away.
      type: list
      elements: dict
      returned: always
      sample: []
    changed:
      description: Whether the policy was changed.
      type: bool
      returned: always
      sample: true
    message:
      description: What went wrong.
      type: str
      returned: when it failed
      sample: ""
    failed:
      description: Whether this resource failed.
      type: bool
      returned: when it failed
      sample: true
    error:
      description: The error, with its C(type) and, where Google answered, C(status_code), C(status) and C(message).
      type: dict
      returned: when it failed
      sample: {type: NotFoundError}
diff:
  description: For each changed policy C(before_header), C(after_header), C(before) and C(after), for C(--diff).
  returned: always, unless the input is wrong
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.iam_members import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
