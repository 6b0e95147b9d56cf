#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: inventory_check
short_description: Cross-check all facts of an inventory and report every finding at once
version_added: 0.1.0
description:
  - Holds every fact against its schema, then the facts against each other, for example that templates name policies
    that exist, workers fit their nodes, networks do not overlap, and scripts exist.
  - Names file, line and key of each finding, the value, what was expected, and the near miss.
  - Warns of Dataproc images whose support ends within the inventory's C(platform_dataproc_images.warn_days) or has
    ended, and of those of which soon no cluster can be made any more; refuses them once none can.
  - Needs no network and changes nothing.
  - Runs on the controller, inside Ansible's own process.
options:
  inventory_directory:
    description: Directory with C(group_vars) and C(host_vars), whose files findings point to.
    type: path
    required: true
  jobs_directory:
    description: Directory the scripts of workloads are relative to. Scripts are not looked at when it is not given.
    type: path
  facts:
    description:
      - The facts to check.
      - Without it, the play's variables of the documented names are taken.
    type: dict
requirements:
  - jsonschema
author:
  - Data Platform Compute contributors (@dataplatform)
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Cross-check the inventory
  dataplatform.compute.inventory_check:
    inventory_directory: "{{ inventory_dir }}"
    jobs_directory: "{{ playbook_dir }}/../jobs"
"""

RETURN = r"""
msg:
  description: Every finding on a line of its own, in the order of the files they point to.
  returned: failure
  type: str
  sample: >-
    inventories/dev/group_vars/all/network.yml:12: platform_network.subnetworks[1].cidr: '10.10.3.7/24':
    expected a private network such as 10.10.3.0/24; did you mean '10.10.3.0/24'?
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import (
    check_inventory,
    inventory_warnings,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import read_source


def main() -> None:
    """Check the facts given as an option; the action plugin of the same name also finds them in the play."""
    module = AnsibleModule(
        argument_spec={
            "inventory_directory": {"type": "path", "required": True},
            "jobs_directory": {"type": "path"},
            "facts": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        source = read_source(options["inventory_directory"])
        facts = options["facts"] or {}
        findings = check_inventory(facts, source, options["jobs_directory"])
        for warning in inventory_warnings(facts, source):
            module.warn(str(warning))
    except ComputeError as error:
        module.fail_json(msg=str(error))
    if findings:
        module.fail_json(msg="\n".join(map(str, findings)))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
