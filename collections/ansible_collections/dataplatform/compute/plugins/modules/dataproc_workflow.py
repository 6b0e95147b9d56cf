#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dataproc_workflow
short_description: Run a Dataproc workflow template, follow it, or cancel it
version_added: 0.1.0
description:
  - Starts a workflow from a stored workflow template and follows it to its end, showing what becomes of its cluster,
    of every step and job, and the lines of their drivers as they arrive.
  - Dataproc itself creates the cluster of a workflow and deletes it afterwards, whether the task is still there or not.
  - Fails when a step or the cluster fails, saying why, with the last lines of the drivers concerned.
  - Cancels the workflow when it takes longer than O(timeout), when the task is interrupted (Ctrl-C), and when the
    task's own C(timeout) keyword ends it; then waits until the cluster is gone, or says that it is not.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: >-
      Nothing is started, followed or cancelled. Template, parameters and labels are checked, and a start is reported as
      a change.
  diff_mode:
    support: none
    details: A workflow is not compared, it is run.
options:
  template:
    description:
      - The id of the workflow template to start.
    type: str
  parameters:
    description:
      - Values for the template's parameters. Unknown names and values it does not allow are refused before the start.
    type: dict
    default: {}
  required_labels:
    description:
      - Labels that the template and each of its steps must carry, or else it is not started. They decide what its cost
        is charged to, and a template that was changed by hand, or not brought up to date, may carry others.
    type: dict
    default: {}
  request_id:
    description:
      - While a workflow that was started with this value runs, no second one is started; the first one is followed.
        Once it has ended, Dataproc starts a new one. 1 to 40 letters, digits, hyphens and underscores; a UUID fits.
      - Left out, it is a new UUID, which only protects against a repeated HTTP request.
    type: str
  operation:
    description:
      - A workflow that was started before, to follow or to cancel, by the id or the full name of its operation.
    type: str
  state:
    description:
      - With V(finished) the workflow is started (or, with O(operation), taken up) and followed to its end.
      - With V(started) the task returns as soon as it is started.
      - With V(cancelled) the workflow of O(operation) is cancelled if it still runs, and the task returns once it has
        ended and its cluster is gone.
    type: str
    choices: [finished, started, cancelled]
    default: finished
  timeout:
    description:
      - Seconds after which a workflow that is followed is cancelled, counted from the start of the task. This includes
        the creation and deletion of its cluster.
      - V(0) means no limit but the template's own.
    type: float
    default: 0.0
  cancel_timeout:
    description:
      - Seconds a cancellation may take, above 0 and the deletion of the cluster included, before the task fails saying
        what is left.
    type: float
    default: 600.0
  poll:
    description:
      - Longest pause between two looks at the workflow, in seconds above 0. Right after a change the pauses are
        shorter.
    type: float
    default: 5.0
  output_lines:
    description:
      - How many of the last lines of each driver's output to return. V(0) returns all of them.
    type: int
    default: 50
  show_output:
    description:
      - Whether to show the drivers' output while it arrives.
    type: bool
    default: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Run a workload and wait for it, an hour at most
  dataplatform.compute.dataproc_workflow:
    project: example-project
    region: europe-west1
    template: flights-etl
    parameters:
      DATE: "2026-11-23"
    timeout: 3600
  register: flights

- name: Stop a run that somebody started
  dataplatform.compute.dataproc_workflow:
    project: example-project
    region: europe-west1
    operation: 6f0c2a5d-4b7e-3a9b-9d6b-0e6c2f6a1b11
    state: cancelled
"""

RETURN = r"""
operation_id:
  description: The id of the run, to pass to O(operation) later; empty in check mode when it would be started.
  returned: always
  type: str
  sample: 6f0c2a5d-4b7e-3a9b-9d6b-0e6c2f6a1b11
operation:
  description: The operation as Dataproc has it, with the workflow's metadata.
  returned: always
  type: dict
  sample: {name: projects/example-project/regions/europe-west1/operations/6f0c2a5d, done: true}
template:
  description: The id of the template.
  returned: always
  type: str
  sample: flights-etl
request_id:
  description: The request id of the start.
  returned: when the task starts a workflow
  type: str
  sample: 9d7f6c4e-3b0e-4f3e-a9a9-61c6a5c8b2a1
state:
  description: The state of the workflow as Dataproc names it, V(PENDING), V(RUNNING) or V(DONE).
  returned: always
  type: str
  sample: DONE
outcome:
  description: How it ended, V(succeeded), V(failed) or V(cancelled), or else V(running).
  returned: always
  type: str
  sample: succeeded
cluster:
  description: The cluster the workflow runs on.
  returned: always
  type: str
  sample: flights-etl-x7k2m
cluster_uuid:
  description: The UUID of that cluster.
  returned: always
  type: str
  sample: 0c1d6a5e-1f0b-4d4e-8a5f-6c7b8a9d0e1f
cluster_deleted:
  description: Whether the cluster that the workflow created is gone.
  returned: always
  type: bool
  sample: true
cluster_console_url:
  description: The cluster's page in Google's console.
  returned: always
  type: str
  sample: https://console.cloud.google.com/dataproc/clusters/flights-etl-x7k2m/monitoring?region=europe-west1&project=example-project
console_url:
  description: The run's page in Google's console.
  returned: always
  type: str
  sample: https://console.cloud.google.com/dataproc/workflows/instances/europe-west1/6f0c2a5d?project=example-project
jobs:
  description: >-
    The jobs that were started, with C(step_id), C(step_state) and, for each, what
    M(dataplatform.compute.dataproc_job) returns.
  returned: always
  type: list
  elements: dict
  sample: [{step_id: flights, step_state: COMPLETED, job_id: flights-x7k2m, state: DONE}]
usage:
  description: What the YARN applications of all jobs used, summed; the basis of the run's cost.
  returned: always
  type: dict
  contains:
    memory_mb_seconds:
      description: MiB of container memory times seconds.
      type: int
    vcore_seconds:
      description: Virtual cores times seconds.
      type: int
    applications:
      description: How many YARN applications there were.
      type: int
  sample: {memory_mb_seconds: 1843200, vcore_seconds: 600, applications: 1}
cluster_seconds:
  description: Seconds from the start to the submission of the first job; none before that.
  returned: always
  type: float
  sample: 92.4
jobs_seconds:
  description: Seconds from the submission of the first job to the end of the last; none before that.
  returned: always
  type: float
  sample: 123.1
cleanup_seconds:
  description: Seconds from the end of the last job to the end of the workflow; none before that.
  returned: always
  type: float
  sample: 31.0
duration_seconds:
  description: Seconds from the start to the end of the workflow; none while it has not ended.
  returned: always
  type: float
  sample: 246.5
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_task import DEFINITION


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
