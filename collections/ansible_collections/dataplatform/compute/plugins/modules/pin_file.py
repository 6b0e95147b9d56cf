#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pin_file
short_description: Read and write the file in which an environment's pinned versions stand
version_added: 0.1.0
description:
  - Writes the facts C(platform_pins) and C(platform_pin_record) to the C(pins.yml) of an inventory, in which they are
    committed. The same facts are the same bytes.
  - Reads the file of another environment as well, whose promoted pins come here next.
  - Refuses content that an inventory's cross-check would refuse, and never overwrites a file that is not sound or holds
    other variables, because somebody has to look at that. The message has file, line, value and what was expected.
  - The file is replaced whole or not at all, whatever ends the run meanwhile. It keeps its mode and owner; its comments
    are written anew when something else changes.
extends_documentation_fragment:
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Shows what would be written. Only reads.
  diff_mode:
    details: The whole file before and after.
options:
  path:
    description: The file. It is made where there is none.
    type: path
    required: true
  state:
    description:
      - V(present) writes what is given; O(pins), O(record) or both are needed.
      - V(read) only reads. A file that does not exist is an error then.
    type: str
    choices: [present, read]
    default: present
  pins:
    description:
      - The pins, or some of them. One that is not named stays as the file has it. V(null) is a value here.
    type: dict
  record:
    description:
      - How these pins came here, the whole record. Without it, or with V(null), the record in the file stays.
    type: dict
  expected_id:
    description:
      - The id that the pins in the file have to have. With others the task fails, because somebody changed them since
        they were looked at.
    type: str
requirements:
  - jsonschema
seealso:
  - module: dataplatform.compute.inventory_check
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Pin another Dask environment, and nothing else
  dataplatform.compute.pin_file:
    path: "{{ inventory_dir }}/group_vars/all/pins.yml"
    pins:
      environment:
        lock_sha256: "{{ lock }}"
        squashfs_sha256: "{{ image }}"
        archive_sha256: "{{ archive }}"

- name: Read what was promoted in dev
  dataplatform.compute.pin_file:
    path: inventories/dev/group_vars/all/pins.yml
    state: read
  register: dev
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: inventories/dev/group_vars/all/pins.yml
pins:
  description: All pins, as the file has them now, or would have them.
  returned: success
  type: dict
  sample: {dataproc_image: 2.3.10-debian12, environment: null, init_actions: null, node_bundle: null}
record:
  description: The record, as the file has it now, or would have it; null where there is none.
  returned: success
  type: dict
  sample: null
id:
  description: The id of the pins, which equal pins have in every environment.
  returned: success
  type: str
  sample: 3b44101ffef9
record_matches:
  description:
    - Whether the record tells of these very pins. It does not after a change by hand, and where no patch run brought
      them.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.pin_file import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
