#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dataproc_job
short_description: Submit a Dataproc job once, follow it, or cancel it
version_added: 0.1.0
description:
  - Submits a job to a Dataproc cluster and follows it to its end, showing every change of state, what becomes of its
    YARN applications, and the lines of its driver as they arrive.
  - Fails when the job fails, saying why, with the last lines of the driver's output and where the whole log is.
  - Cancels the job when it takes longer than O(timeout), when the task is interrupted (Ctrl-C), and when the task's own
    C(timeout) keyword ends it. Dataproc itself has no time limit for jobs.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: >-
      Nothing is submitted, followed or cancelled. A job that exists already is reported as it is now.
  diff_mode:
    support: none
    details: A job is not compared, it is run.
options:
  job:
    description:
      - The job, with the field names of Google's REST API (C(pysparkJob), C(placement), C(labels) and so on).
      - Unknown fields and values of the wrong type are refused before any call.
      - Left out, the job named by O(job_id) or O(request_id) must exist, and is followed or cancelled.
    type: dict
  job_id:
    description:
      - The id of the job, 1 to 100 letters, digits, hyphens and underscores.
      - If a job of that id exists, it is followed instead of submitted again; it must be the same job as O(job).
      - Left out, it is C(job.reference.jobId), else O(request_id), else a new random one.
    type: str
  request_id:
    description:
      - Makes the submission happen once. 1 to 40 letters, digits, hyphens and underscores; a UUID fits.
      - Running the task again with the same value returns the same job.
      - Left out, it is derived from the job id. With neither given, every run of the task submits a new job.
    type: str
  state:
    description:
      - With V(finished) the job is submitted, if it is not there, and followed to its end.
      - With V(submitted) the task returns as soon as the job is there.
      - With V(cancelled) a job that still runs is cancelled, and the task returns once it has ended.
    type: str
    choices: [finished, submitted, cancelled]
    default: finished
  timeout:
    description:
      - Seconds after which a job that is followed is cancelled, counted from the start of the task.
      - V(0) means no limit.
    type: float
    default: 0.0
  cancel_timeout:
    description:
      - Seconds a cancellation may take, above 0, before the task fails saying that the job still runs.
    type: float
    default: 600.0
  poll:
    description:
      - Longest pause between two looks at the job, in seconds above 0. Right after a change the pauses are shorter.
    type: float
    default: 5.0
  output_lines:
    description:
      - How many of the last lines of the driver's output to return. V(0) returns all of them.
    type: int
    default: 50
  show_output:
    description:
      - Whether to show the driver's output while it arrives.
    type: bool
    default: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Run a Dask script and wait for it, half an hour at most
  dataplatform.compute.dataproc_job:
    project: example-project
    region: europe-west1
    job_id: flights-2026-11-23
    timeout: 1800
    job:
      placement:
        clusterName: etl-shared
      pysparkJob:
        mainPythonFileUri: gs://example-artifacts/6f1c/run_dask.py
        args: ["--date", "2026-11-23"]
      labels:
        team: analytics
  register: flights

- name: Show what it used
  ansible.builtin.debug:
    msg: "{{ flights.usage.memory_mb_seconds }} MiB seconds in {{ flights.duration_seconds }} s"

- name: Stop a job that somebody started
  dataplatform.compute.dataproc_job:
    project: example-project
    region: europe-west1
    job_id: flights-2026-11-23
    state: cancelled
"""

RETURN = r"""
job_id:
  description: The id of the job; empty in check mode when it would be a random one.
  returned: always
  type: str
  sample: flights-2026-11-23
request_id:
  description: The request id of the submission; empty in check mode when it would be a random one.
  returned: always
  type: str
  sample: 6a4e6d2e-54fb-5c5e-8b1c-2f8a7a7c4a0c
state:
  description: The state of the job as Dataproc names it; V(STATE_UNSPECIFIED) for one that is not submitted.
  returned: always
  type: str
  sample: DONE
details:
  description: What Dataproc says about the state, in a failed job the reason.
  returned: always
  type: str
  sample: ""
job:
  description: The job as Dataproc has it, with C(status), C(statusHistory), C(yarnApplications) and all.
  returned: always
  type: dict
  sample: {reference: {jobId: flights-2026-11-23}, status: {state: DONE}}
cluster:
  description: The cluster the job runs on.
  returned: always
  type: str
  sample: etl-shared
driver_output_uri:
  description: >-
    Where the driver's output is. It is a series of objects, C(.000000000) and so on are appended to this address.
    Empty while the driver has not started.
  returned: always
  type: str
  sample: gs://example-staging/google-cloud-dataproc-metainfo/0c1d/jobs/flights-2026-11-23/driveroutput
output_tail:
  description: The last O(output_lines) lines of the driver's output.
  returned: always
  type: list
  elements: str
  sample: [wrote 336776 rows]
output_error:
  description: Why the output could not be read; empty when it could, or when there is none.
  returned: always
  type: str
  sample: ""
usage:
  description: What the job's YARN applications used, summed; the basis of its cost.
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
queued_seconds:
  description: Seconds from submission to the first running state; none while it has not run.
  returned: always
  type: float
  sample: 4.2
run_seconds:
  description: Seconds from the first running state to the end; none while it has not ended.
  returned: always
  type: float
  sample: 118.9
duration_seconds:
  description: Seconds from submission to the end; none while it has not ended.
  returned: always
  type: float
  sample: 123.1
console_url:
  description: The job's page in Google's console.
  returned: always
  type: str
  sample: https://console.cloud.google.com/dataproc/jobs/flights-2026-11-23?region=europe-west1&project=example-project
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.job_task import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
