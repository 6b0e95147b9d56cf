#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_status
short_description: Tell what runs, who waits and why, and what failed lately
version_added: 0.1.0
description:
  - Lists an environment's clusters, jobs, operations and DAG releases, one call each, and says what a person on call
    wants to know about them.
  - Why a job waits is worked out from what Dataproc shows. Where that does not tell, the reason is C(unknown).
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is changed in either mode.
  diff_mode:
    support: none
    details: There is nothing to compare.
options:
  environment:
    description:
      - Name of the environment, for the heading.
    type: str
    required: true
  ownership_labels:
    description:
      - Clusters, jobs and operations with all of these labels are the environment's. Jobs on its clusters are, too.
    type: dict
    required: true
  sizes:
    description:
      - The fact C(platform_sizes), for limits and for how many drivers a master holds.
    type: dict
    required: true
  queues:
    description:
      - The fact C(platform_queues), for how many applications run at once.
    type: dict
    required: true
  policies:
    description:
      - The fact C(platform_autoscaling_policies), for how large clusters may grow.
    type: dict
    required: true
  workloads:
    description:
      - The fact C(platform_workloads), for whose a failed workflow is.
    type: dict
    required: true
  pins:
    description:
      - The fact C(platform_pins).
    type: dict
    required: true
  pin_record:
    description:
      - The fact C(platform_pin_record), how the pins came there.
    type: dict
  dataproc_images:
    description:
      - The fact C(platform_dataproc_images), for how long clusters can be made of the pinned image.
    type: dict
    required: true
  composer_environment:
    description:
      - The Airflow environment whose DAG releases are shown. Empty for none.
    type: str
    default: ""
  composer_location:
    description:
      - Where it is; O(region) where empty.
    type: str
    default: ""
  layout:
    description:
      - How DAGs are released.
    type: str
    choices: [archive, files]
    default: archive
  hours:
    description:
      - How far back failures are looked for, at most 168 hours.
    type: float
    default: 24
  inventories:
    description:
      - The inventories that the command behind a failure names, as one types them in the checkout. None where Ansible
        takes the right one without being told.
    type: list
    elements: str
    default: []
  width:
    description:
      - Characters of a line of the table. V(0) takes the terminal's, or 120 where there is none.
    type: int
    default: 0
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Look
  dataplatform.compute.platform_status:
    project: example-project
    region: europe-west1
    environment: dev
    ownership_labels:
      managed-by: dataplatform-compute
      environment: dev
    sizes: "{{ platform_sizes }}"
    queues: "{{ platform_queues }}"
    policies: "{{ platform_autoscaling_policies }}"
    workloads: "{{ platform_workloads }}"
    pins: "{{ platform_pins }}"
    dataproc_images: "{{ platform_dataproc_images }}"
  register: found

- name: Stop when somebody waits for a full cluster
  ansible.builtin.assert:
    that: found.status.runs | selectattr('reason') | selectattr('reason.code', 'equalto', 'cluster_full') | length == 0
"""

RETURN = r"""
text:
  description: The table that is shown while the task runs.
  returned: success
  type: str
  sample: |-
    dev: example-project, europe-west1, 2026-11-29 05:00 UTC
    0 failed in 24 h | 0 waiting | 1 running | 1 cluster
status:
  description: The same for programs. Times are in ISO 8601, ages in seconds; null is not known.
  returned: success
  type: dict
  contains:
    at:
      description: When it was looked.
      type: str
      sample: "2026-11-29T05:00:00+00:00"
    counts:
      description: How much there is of what the heading counts.
      type: dict
      sample: {failed: 0, waiting: 0, running: 1, clusters: 1, clusters_broken: 0, pins_needing_attention: 0}
    failures:
      description: What failed, newest first, each with its reason, its log and the command that shows it.
      type: list
      elements: dict
      sample: [{run: flights-etl-x7k2m, what: flights-etl, owner: ada, reason: "exit code 124"}]
    runs:
      description: >-
        Jobs that have not ended, oldest first. C(reason) says why one waits, C(code) being one of C(cluster_gone),
        C(cluster_not_ready), C(driver_slot), C(retry), C(user_limit), C(queue_limit), C(no_node), C(cluster_full),
        C(no_worker) and C(unknown).
      type: list
      elements: dict
      sample: [{run: flights-etl-x7k2m, phase: waiting, reason: {code: user_limit, text: ada runs b on etl-shared}}]
    clusters:
      description: Clusters, broken ones first.
      type: list
      elements: dict
      sample: [{name: etl-shared, state: RUNNING, workers: 2, most_workers: 10, age_seconds: 600}]
    worker_slots_held:
      description: How many workers each user's clusters and jobs may have.
      type: dict
      sample: {ada: 3}
    pins:
      description: The pins, those that need attention first.
      type: list
      elements: dict
      sample: [{name: Dataproc image, value: 2.3.11-debian12, note: "", attention: false}]
    releases:
      description: The live releases of DAGs.
      type: list
      elements: dict
      sample: [{team: growth, release: 1a2b3c4d, verified: true}]
    notes:
      description: What could not be looked at, and why.
      type: list
      elements: str
      sample: []
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.platform_status import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
