#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dataproc_run_info
short_description: Find a Dataproc workflow run or job by its id and read its output
version_added: 0.1.0
description:
  - Finds out what an id names, a run of a workflow or a single job, and returns its states and its drivers' output.
  - Works while the run goes on and after it has ended, also when its cluster is gone.
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
  run:
    description:
      - The id or the full name of a workflow's operation, or the id of a job.
    type: str
    required: true
  step:
    description:
      - Only this step of the workflow.
    type: str
  output_lines:
    description:
      - How many of the last lines of each driver's output to return. V(0) returns all of them, up to 64 MiB a job.
    type: int
    default: 0
  show_output:
    description:
      - Whether to show the output line by line, as it was written.
    type: bool
    default: false
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Read the last hundred lines of a run
  dataplatform.compute.dataproc_run_info:
    project: example-project
    region: europe-west1
    run: 6f0c2a5d-4b7e-3a9b-9d6b-0e6c2f6a1b11
    output_lines: 100
  register: flights

- name: Show those of its first step
  ansible.builtin.debug:
    msg: "{{ flights.jobs[0].output }}"
"""

RETURN = r"""
kind:
  description: What the id names, V(workflow) or V(job).
  returned: success
  type: str
  sample: workflow
jobs:
  description: >-
    The job, or the started jobs of the workflow, with C(step_id) (empty for a job on its own), C(output) (the lines)
    and what M(dataplatform.compute.dataproc_job) returns.
  returned: success
  type: list
  elements: dict
  sample: [{step_id: flights, job_id: flights-x7k2m, state: DONE, output: [wrote 336776 rows]}]
workflow:
  description: What M(dataplatform.compute.dataproc_workflow) returns for the run; empty for a single job.
  returned: success
  type: dict
  sample: {operation_id: 6f0c2a5d, outcome: succeeded}
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.run_lookup import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
