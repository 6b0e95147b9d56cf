#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_report
short_description: Say what is not as the inventory says
version_added: 0.1.0
description:
  - Takes what the platform's roles registered in check mode, and says what of it they would change, as one table for
    people and as data for programs.
  - Asks nobody and changes nothing; the same results always give the same report.
  - What looks like a secret is not shown.
  - Shows the table itself where it runs inside Ansible's own process, which it does with the connection C(local).
options:
  results:
    description:
      - Results by the names under which roles register them, such as C(storage_buckets_result). Those that are empty,
        were skipped or failed say nothing.
    type: dict
    required: true
  environment:
    description:
      - Name of the environment, for the headline.
    type: str
    required: true
  clusters:
    description:
      - What M(dataplatform.compute.cluster_pins_info) returned. Clusters on other pins are shown, and are no drift.
    type: dict
    default: {}
  unseen:
    description:
      - What could not be looked at, each with C(what) and C(error).
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
  diff_mode:
    description: The differences are in the result.
    support: none
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Look at the buckets
  ansible.builtin.include_role:
    name: storage_buckets
  check_mode: true

- name: Show what drifted
  dataplatform.compute.drift_report:
    environment: dev
    results:
      storage_buckets_result: "{{ storage_buckets_result }}"
  register: drift
"""

RETURN = r"""
report:
  description: The report as data.
  returned: success
  type: dict
  contains:
    environment:
      description: The environment.
      type: str
      sample: dev
    drifted:
      description: Whether anything is not as the inventory says.
      type: bool
      sample: true
    drift:
      description:
        - What is not, each with C(kind), C(name), C(state) and C(fields). The state is V(differs), V(missing) or
          V(not listed any more). Of what differs, each field has C(field), C(wanted) and C(live), null for not there.
      type: list
      elements: dict
      sample:
        - kind: bucket
          name: example-data
          state: differs
          fields: [{field: labels.cost-center, wanted: cc-1000, live: cc-2000}]
    clusters:
      description: Clusters that were made with other pins than new ones get.
      type: list
      elements: dict
      sample: []
    looked_at:
      description: The kinds that were looked at.
      type: list
      elements: str
      sample: [bucket, queues]
    unseen:
      description: What could not be looked at, each with C(what) and C(error).
      type: list
      elements: dict
      sample: []
text:
  description: The same in lines for people.
  returned: success
  type: list
  elements: str
  sample: ["No drift in dev: bucket, queues"]
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.drift_report import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
