#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_probe
short_description: Ask Google what was guessed about it, and say what differs
version_added: 0.1.0
description:
  - Compares what a cluster, its job, lists and refused requests were seen to say with what was expected of them.
  - The cluster and its job are made before, by M(dataplatform.compute.dataproc_canary); this module reads what they
    left. Guesses that need neither are asked all the same.
  - Requests are made to be refused. What is made on the way, or by a request that is taken against expectation, is
    deleted again at once.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Checks the guesses and asks nothing.
  diff_mode:
    support: none
    details: There is nothing to compare.
options:
  environment:
    description: Name of the environment, for the heading.
    type: str
    required: true
  guesses:
    description:
      - The questions, as C(guesses) of docs/guesses.yml, where their keys are explained.
    type: list
    elements: dict
    required: true
  not_settled:
    description:
      - What is not asked, as C(not_settled) of docs/guesses.yml.
    type: list
    elements: dict
    default: []
  values:
    description:
      - What C(${name}) stands for in expectations and requests, beside C(project), C(region), C(dataproc) (the
        address of the region's API), C(bucket) and C(job).
    type: dict
    default: {}
  bucket:
    description: The bucket that the cluster stages in.
    type: str
    required: true
  results:
    description: The C(gs://) address of what the job wrote.
    type: str
    required: true
  config:
    description: The cluster's configuration that was asked for.
    type: dict
    required: true
  canary:
    description:
      - What M(dataplatform.compute.dataproc_canary) learned.
    type: dict
    default: {}
  failure:
    description: Why the cluster or its job failed. Empty when they did not.
    type: str
    default: ""
  stand_in:
    description:
      - Whether something that stands in for Google answers. What it does as expected is called C(own guess) then, and
        never C(same).
    type: bool
    default: false
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Ask
  dataplatform.compute.platform_probe:
    project: example-project
    region: europe-west1
    environment: dev
    bucket: example-project-probe-dev
    results: gs://example-project-probe-dev/results.json
    config: "{{ config }}"
    canary: "{{ run.canary }}"
    guesses: "{{ (lookup('ansible.builtin.file', 'docs/guesses.yml') | from_yaml).guesses }}"
  register: probe
"""

RETURN = r"""
text:
  description: The table that is shown while the task runs.
  returned: success
  type: str
  sample: |-
    dev: example-project, europe-west1, 2026-11-29 05:00 UTC
    1 differ | 0 not observed | 60 same | 38 not asked
issue:
  description: The text of an issue, with everything that differs in words, and the report as JSON.
  returned: success
  type: str
  sample: ""
differing:
  description: The ids of the guesses that differ.
  returned: success
  type: list
  elements: str
  sample: [account-numbers]
report:
  description:
    - Everything, for programs. C(verdicts) has for each guess its C(verdict), one of C(same), C(own guess), C(differs)
      and C(not observed); C(observations) has all that was seen; C(left) names what could not be deleted.
  returned: success
  type: dict
  sample: {stand_in: false, counts: {differs: 1, same: 60}, left: []}
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.platform_probe import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
