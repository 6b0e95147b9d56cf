#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dataproc_canary
short_description: Try versions on a Dataproc cluster of their own
version_added: 0.1.0
description:
  - Creates a cluster, runs jobs on it one after another, takes a worker away while one of them runs, reads what the
    jobs found and used, and deletes the cluster.
  - The cluster is deleted, and seen to be gone, whatever happens - an error, a time limit, Ctrl-C, a terminated play.
    Where that is impossible (this program is killed, the network is gone) the next run with the same labels sweeps it
    away, and Dataproc deletes it by itself, two hours after its creation at the latest.
  - Fails with one message that says at which step, why in Google's words, and where the output of the initialization
    action or of the driver is.
  - Two canaries with the same labels C(managed-by) and C(environment) must not run at once - each takes the cluster of
    the other for a leftover. The lock is the caller's.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is created, run or deleted; RV(plan) says what would be.
  diff_mode:
    support: none
    details: Nothing is compared; P(dataplatform.compute.canary_verdict#filter) compares what two canaries learned.
options:
  cluster:
    description:
      - Name of the cluster. A cluster of this name that is no leftover of a canary is an error.
      - The jobs' ids begin with it. They have a part of the cluster's UUID too, so a name can be used again.
    type: str
    required: true
  config:
    description:
      - The cluster's configuration, with the field names of Google's REST API (C(ClusterConfig)), versions and all.
      - C(autoscalingConfig) is left out, because an autoscaler would undo O(scale_in).
      - C(lifecycleConfig) is set by the canary, from its time limits and 7200 seconds at most.
    type: dict
    required: true
  labels:
    description:
      - Labels of the cluster. C(managed-by) and C(environment) must be among them; C(purpose=canary) is added, to the
        cluster and to its jobs.
      - C(placement) must not be among them. Workloads find shared clusters by it, and would run on the canary's.
    type: dict
    required: true
  jobs:
    description: What runs on the cluster, one after another.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the job, different from the others'. Lower-case letters, digits, underscores and hyphens.
        type: str
        required: true
      job:
        description:
          - The job, with the field names of Google's REST API, without C(placement) and C(reference).
          - The step of a workflow template without its C(stepId) is one.
        type: dict
        required: true
      results:
        description:
          - The C(gs://) address of the JSON object that the job writes. Its C(results) are numbers and texts by name;
            C(versions), C(workload), C(workers), C(parts) and C(seconds) are taken over where they are there.
          - An object that is there already has to be replaced by the job.
        type: str
        required: true
      timeout:
        description: Seconds after which the job is cancelled and the canary has failed.
        type: float
        default: 1800.0
  scale_in:
    description: Takes workers away while a job runs. The job has to succeed all the same, and the nodes to leave.
    type: dict
    suboptions:
      job:
        description: Name of the job.
        type: str
        required: true
      workers:
        description: Number of primary workers to go down to, 2 at least.
        type: int
        required: true
      after_output:
        description:
          - Begin when the driver has written a line with this text. Empty, begin as soon as the job runs, which is
            before it has workers.
        type: str
        default: ""
      timeout:
        description:
          - Seconds that the nodes may still take to leave once the job has ended.
          - While the job runs, no node is forced to leave - the one with the application master cannot.
        type: float
        default: 600.0
  sweep:
    description:
      - Delete clusters first that carry the same C(managed-by), C(environment) and C(purpose=canary).
    type: bool
    default: true
  create_timeout:
    description: Seconds the creation of the cluster may take, with its initialization actions.
    type: float
    default: 1200.0
  delete_timeout:
    description: Seconds that deletions may take before the task fails, naming what is still there.
    type: float
    default: 900.0
  cancel_timeout:
    description: Seconds a cancellation of a job may take, above 0, before the cluster is deleted under it.
    type: float
    default: 600.0
  poll:
    description: Longest pause between two looks, in seconds above 0.
    type: float
    default: 5.0
  output_lines:
    description: How many of the last lines of a failed driver's output are in the message. V(0) means all.
    type: int
    default: 50
  show_output:
    description: Whether to show the drivers' output while it arrives.
    type: bool
    default: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
# The smoke workload's job is made as that of any workload is, by the filter workflow_templates.
- name: Try an image on three workers, and take one away
  dataplatform.compute.dataproc_canary:
    project: example-project
    region: europe-west1
    cluster: canary-dev-3f1c2a
    labels: "{{ cluster_templates_all_labels | combine({'cluster-template': 'etl'}) }}"
    config: >-
      {{ cluster_templates_rendered.etl.shared | combine({
           'softwareConfig': {'imageVersion': '2.3.12-debian12'}, 'workerConfig': {'numInstances': 3}
         }, recursive=true) }}
    jobs:
      - name: smoke
        results: "{{ results }}"
        timeout: 1800
        job: "{{ step | dict2items | rejectattr('key', 'equalto', 'stepId') | items2dict }}"
    scale_in:
      job: smoke
      workers: 2
      after_output: holding state
  vars:
    results: gs://example-temp/canaries/canary-dev-3f1c2a/smoke.json
    smoke:
      owner: grace
      team: platform
      template: etl
      priority: normal
      placement: shared
      script: smoke/smoke.py
      arguments:
        - --results
        - "{{ results }}"
        - --temporary
        - gs://example-temp/canaries/canary-dev-3f1c2a
        - --workers
        - "3"
        - --scale-in-seconds
        - "600"
      workers: {min: 3, max: 3}
      timeout: 1500
    step: >-
      {{ ({'smoke': smoke} | dataplatform.compute.workflow_templates(
           clusters=cluster_templates_rendered, teams=platform_teams, artifact_uris=artifacts_uris,
           labels=cluster_templates_all_labels, kms_key=platform_kms_key, launcher=cluster_templates_launcher)
         )[0].jobs[0] }}
  register: run

- name: Say what speaks against it
  ansible.builtin.debug:
    msg: >-
      {{ run.canary | dataplatform.compute.canary_verdict(
           baseline=platform_pin_record.canary, bounds=platform_patching.bounds) }}
"""

RETURN = r"""
plan:
  description: Every step in words.
  returned: always
  type: list
  elements: str
  sample: ["create cluster canary-dev-3f1c2a: 3 workers, 2.3.12-debian12", "run job smoke, at most 1800 s"]
failed_step:
  description: The step at which the canary failed; empty when it did not.
  returned: always
  type: str
  sample: job smoke
canary:
  description: What was learned; after a failure, what was learned until then. Fields of steps not reached are missing.
  returned: always
  type: dict
  contains:
    at:
      description: When it began, in UTC.
      type: str
    cluster:
      description: Name of the cluster.
      type: str
    cluster_uuid:
      description: Its UUID.
      type: str
    image_version:
      description: The image its nodes have.
      type: str
    creation_seconds:
      description: Seconds from asking for the cluster until all initialization actions had ended and it ran.
      type: float
    scale_in:
      description: C(job), C(workers), the C(nodes_left) and the C(seconds) until they had left.
      type: dict
    jobs:
      description:
        - What each job found and used, by name. C(results), C(versions), C(workload), C(workers) and C(parts) are the
          job's own words.
        - C(seconds) is what the job itself said, else the time of its run record without the waiting, else Dataproc's.
        - C(memory_mb) is the highest sum of the workers' memory in MiB, none without a run record.
        - Beside them are C(job_id), C(state), C(run_seconds), C(queued_seconds), C(driver_output_uri), C(run_record).
      type: dict
  sample:
    at: "2026-11-29T05:00:00Z"
    cluster: canary-dev-3f1c2a
    image_version: 2.3.12-debian12
    creation_seconds: 131.4
    scale_in: {job: smoke, workers: 2, nodes_left: [canary-dev-3f1c2a-w-2], seconds: 64.2}
    jobs:
      smoke:
        results: {table_rows: 4000000}
        versions: {dask: 2026.8.0}
        workload: "smoke 1: 4000000 rows"
        workers: {first: 3, last: 2}
        seconds: 41.7
        memory_mb: 2210
        state: DONE
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_task import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
