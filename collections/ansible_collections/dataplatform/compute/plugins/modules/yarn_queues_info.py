#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: yarn_queues_info
short_description: Tell how published queues differ from wanted ones, and which clusters take a change
version_added: 0.1.0
description:
  - Compares a published allocation file of the FairScheduler with a wanted one, line by line.
  - Lists the clusters of the environment, and says of each whether and when it takes what is published.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is changed in either mode.
  diff_mode:
    support: none
    details: The changed lines are in the result.
options:
  uri:
    description:
      - The address masters fetch the file from, which is what their metadata C(fair-scheduler-uri) says.
    type: str
    required: true
  content:
    description:
      - The wanted text, as the filter P(dataplatform.compute.fair_scheduler#filter) renders it.
    type: str
    required: true
  ownership_labels:
    description:
      - Only clusters that carry all of these labels are looked at.
    type: dict
    default: {}
  clusters:
    description:
      - Whether clusters are looked at; that costs a list call.
    type: bool
    default: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: See what a change of the queues means
  dataplatform.compute.yarn_queues_info:
    project: example-project
    region: europe-west1
    uri: gs://example-artifacts/live/dev/fair-scheduler.xml
    content: "{{ platform_queues | dataplatform.compute.fair_scheduler(
      users=platform_users, teams=platform_teams, sizes=platform_sizes) }}"
    ownership_labels:
      managed-by: dataplatform-compute
      environment: dev
  register: queues
"""

RETURN = r"""
uri:
  description: The address that was looked at.
  returned: success
  type: str
  sample: gs://example-artifacts/live/dev/fair-scheduler.xml
published:
  description: Whether anything is published at all.
  returned: success
  type: bool
  sample: true
changes:
  description: Lines of a unified diff from the published text to the wanted one; empty when they are the same.
  returned: success
  type: list
  elements: str
  sample: ["@@ -21,3 +21,3 @@", "-      <weight>3</weight>", "+      <weight>5</weight>"]
differs:
  description:
    - The settings that differ, each with C(field) (queue and setting), C(live) and C(wanted); null for not there.
  returned: success
  type: list
  elements: dict
  sample: [{field: root.normal.weight, live: "3", wanted: "5"}]
clusters:
  description: The clusters, by name; none without O(clusters).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      sample: etl-shared
    state:
      description: Its state, as Dataproc names it.
      type: str
      sample: RUNNING
    takes:
      description: Whether it takes what is published at the address.
      type: bool
      sample: true
    when:
      description: When it does, or why it does not.
      type: str
      sample: within 60 seconds
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module
from ansible_collections.dataplatform.compute.plugins.module_utils.yarn_queues_report import DEFINITION


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
