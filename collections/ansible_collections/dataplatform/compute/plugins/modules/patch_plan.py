#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_plan
short_description: Tell what is pinned, what is current, and what a patching run may do
version_added: 0.1.0
description:
  - Compares the pins of an environment with the newest Dataproc image of their track and with what this checkout gives,
    or with the pins of the environment before it.
  - Says whether there is a candidate, or why there is none.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is changed in either mode.
  diff_mode:
    support: none
options:
  pins:
    description: The pins, as in the fact C(platform_pins).
    type: dict
    required: true
  record:
    description: Their record, as in the fact C(platform_pin_record).
    type: dict
  patching:
    description: The fact C(platform_patching).
    type: dict
    required: true
  upstream:
    description: The environment whose pins come here; not given where the newest versions do.
    type: dict
    suboptions:
      environment:
        description: Its name.
        type: str
        required: true
      pins:
        description: Its pins.
        type: dict
        required: true
      record:
        description: Their record.
        type: dict
  checkout:
    description: What this checkout and inventory give.
    type: dict
    required: true
    suboptions:
      commit:
        description: The commit it is at.
        type: str
        required: true
      init_actions:
        description: Hashes of the initialization actions, by name.
        type: dict
        required: true
      node_bundle:
        description: Hash of the node bundle.
        type: str
        required: true
      files:
        description: Hashes of all files that a canary runs, by name.
        type: dict
        required: true
  lock:
    description: The lock of the Dask environment as its ranges give it today; not given where it is not looked at.
    type: dict
    suboptions:
      sha256:
        description: Its hash.
        type: str
        required: true
      raised:
        description: Which packages are others than in the committed lock.
        type: list
        elements: str
        default: []
      unknown:
        description: Why the package index could not be asked.
        type: str
        default: ""
      refused:
        description: Why no environment is built of what it gave.
        type: str
        default: ""
  lifecycle:
    description: The fact C(platform_dataproc_images).
    type: dict
    required: true
  templates:
    description: The cluster configurations, by template.
    type: dict
    default: {}
  composer:
    description: The fact C(platform_composer).
    type: dict
  composer_packages:
    description: The newest version of each package of O(composer), by its normalized name; left out where nobody knows.
    type: dict
  only:
    description: The parts that may change; without it all of them.
    type: list
    elements: str
    choices: [dataproc_image, environment, init_actions]
  ignore_window:
    description: Whether the maintenance window does not matter.
    type: bool
    default: false
  renew:
    description: Whether the present pins are a candidate where nothing is newer, for a new record.
    type: bool
    default: false
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: See what a patching run would do
  dataplatform.compute.patch_plan:
    project: example-dev
    pins: "{{ platform_pins }}"
    record: "{{ platform_pin_record }}"
    patching: "{{ platform_patching }}"
    checkout: "{{ checkout }}"
    lifecycle: "{{ platform_dataproc_images }}"
  register: plan
"""

RETURN = r"""
decision:
  description: V(nothing) to do, a V(candidate), or V(blocked).
  returned: success
  type: str
  sample: candidate
candidate:
  description: The pins to try, without the node bundle where that has to be made anew.
  returned: success
  type: dict
changes:
  description: What would become another, one line each.
  returned: success
  type: list
  elements: str
  sample: ["Dataproc image 2.3.10-debian12 -> 2.3.11-debian12"]
reasons:
  description: Why the candidate may not be tried now.
  returned: success
  type: list
  elements: str
  sample: ["outside the maintenance window; it opens on Monday 2026-11-30 at 20:00 UTC"]
notes:
  description: What else there is to know.
  returned: success
  type: list
  elements: str
rows:
  description: Everything that is pinned, one entry each, as in the table.
  returned: success
  type: list
  elements: dict
table:
  description: The lines of a table of everything that is pinned.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.patch_planning import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
