#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_resources
short_description: Bring a whole list of Google Cloud resources of one kind into the desired state
version_added: 0.1.0
description:
  - Takes all resources of a kind at once, asks Google once what exists, works out the changes and applies them
    concurrently.
  - Resources are written with Google's own field names. Unknown and mistyped fields, wrong enum values, missing and
    duplicate ids are all reported together, before any call is made.
  - A resource that is already as wanted costs no further call.
options:
  kind:
    description: The kind of the resources.
    type: str
    required: true
    choices:
      - dataproc_autoscaling_policy
      - dataproc_cluster
      - dataproc_workflow_template
      - iam_service_account
      - secret_manager_secret
      - storage_bucket
  resources:
    description:
      - The resources, with the fields of Google's REST API (C(AutoscalingPolicy), C(WorkflowTemplate), C(Cluster),
        C(ServiceAccount), C(Secret) and C(Bucket)). The id is C(id), C(id), C(clusterName), C(email), C(name) and
        C(name).
      - A secret is only what holds versions; M(dataplatform.compute.secret_versions) adds those. Its replication
        cannot be changed.
      - A field with the value C(null) shall not be set.
      - For autoscaling policies and workflow templates what is stated is the whole truth. A live field that is not
        stated is removed, except those that Google fills in (such as C(basicAlgorithm.cooldownPeriod)).
      - For all other kinds only stated fields are compared, because Google fills in most of the others. Lists are
        compared as a whole, and so are C(labels), C(lifecycle) and C(cors) of a bucket, C(annotations),
        C(replication) and C(versionAliases) of a secret.
      - Labels that are stated are the whole truth too, except those that Google adds (C(goog-*)). Where no labels are
        stated, the live ones stay and only O(ownership_labels) are added.
      - Never a difference are what only Google writes, a short name against the URL it stands for, an absent field
        against an empty one, numbers written as text, the order of lists that have none (such as network tags), an
        image version against the patch release Google chose for it, the number of workers of a cluster that has an
        autoscaling policy, and a secret's C(nextRotationTime) that Google has moved on by C(rotationPeriod).
      - Of a cluster, only labels, the numbers of workers, the autoscaling policy, the mapping of users to service
        accounts and the times of C(lifecycleConfig) can change in place; see O(allow_replace).
    type: list
    elements: dict
    required: true
  state:
    description:
      - Whether the resources shall be there.
      - With V(absent) only the id of each resource matters. Only what carries every label of O(ownership_labels) is
        deleted.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description:
      - Also delete what is not listed, if it carries every label of O(ownership_labels). For O(state=present) only.
    type: bool
    default: false
  ownership_labels:
    description:
      - Labels that mark what belongs to this play. They are added to every resource.
      - An existing resource without them is adopted, and the result says so; see O(adopt).
      - Service accounts have no labels. They are never purged, and O(state=absent) needs O(adopt=always).
    type: dict
    default:
      managed-by: dataplatform-compute
  adopt:
    description:
      - What may be taken over when it exists already.
      - V(unlabelled) allows it where none of the ownership labels has another value, V(always) everywhere, V(never)
        nowhere.
      - V(always) also allows O(state=absent) to delete what does not carry the labels.
    type: str
    choices: [unlabelled, always, never]
    default: unlabelled
  allow_replace:
    description:
      - Delete a cluster and create it anew when a field differs that cannot be changed in place, or when its state is
        ERROR. Otherwise the task fails before it changes anything, and names the fields.
      - Buckets are never replaced, because that would lose what they hold.
    type: bool
    default: false
  wait:
    description:
      - Wait until clusters are created, changed or deleted. Work on a listed cluster that is under way already is
        waited for too.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for each resource. The error then carries the last state seen, and a repeated run picks it up.
    type: float
    default: 1800.0
  concurrency:
    description: How many changes to make at once.
    type: int
    default: 8
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
notes:
  - When some changes fail, the others are finished first. The task then fails, says what was done and what was not,
    and a repeated run continues.
  - Workflow templates, secrets and buckets are written under a precondition, so that a change by somebody else in the
    meantime is an error and not lost. Autoscaling policies and service accounts have none; the last writer wins.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Keep the autoscaling policies as the inventory says, and delete those of ours that it does not list any more
  dataplatform.compute.gcp_resources:
    project: example-project
    region: europe-west1
    kind: dataproc_autoscaling_policy
    purge: true
    ownership_labels: {managed-by: dataplatform-compute, environment: dev}
    resources:
      - id: standard
        workerConfig: {minInstances: 2, maxInstances: 10}
        basicAlgorithm:
          cooldownPeriod: 120s
          yarnConfig:
            scaleUpFactor: 0.5
            scaleDownFactor: 0.5
            gracefulDecommissionTimeout: 3600s

- name: Keep a bucket
  dataplatform.compute.gcp_resources:
    project: example-project
    kind: storage_bucket
    resources:
      - name: example-project-artifacts
        location: europe-west1
        iamConfiguration:
          uniformBucketLevelAccess: {enabled: true}
          publicAccessPrevention: enforced
        lifecycle:
          rule:
            - action: {type: Delete}
              condition: {age: 90}

- name: Keep a workflow template
  dataplatform.compute.gcp_resources:
    project: example-project
    region: europe-west1
    kind: dataproc_workflow_template
    resources:
      - id: flights-etl
        placement:
          managedCluster:
            clusterName: flights-etl
            config:
              masterConfig: {numInstances: 1, machineTypeUri: n2-standard-4}
              workerConfig: {numInstances: 2, machineTypeUri: n2-standard-4}
              softwareConfig: {imageVersion: 2.3.10-debian12}
        jobs:
          - stepId: run
            pysparkJob:
              mainPythonFileUri: gs://example-project-artifacts/flights_etl.py

- name: Keep a secret in one region, under a key of its own
  dataplatform.compute.gcp_resources:
    project: example-project
    kind: secret_manager_secret
    resources:
      - name: keytab-etl-dev
        replication:
          userManaged:
            replicas:
              - location: europe-west1
                customerManagedEncryption:
                  kmsKeyName: projects/example-project/locations/europe-west1/keyRings/data/cryptoKeys/secrets

- name: Keep the account that nodes run as
  dataplatform.compute.gcp_resources:
    project: example-project
    kind: iam_service_account
    resources:
      - email: dataproc-node@example-project.iam.gserviceaccount.com
        displayName: Nodes of Dataproc clusters

- name: Delete clusters of ours
  dataplatform.compute.gcp_resources:
    project: example-project
    region: europe-west1
    kind: dataproc_cluster
    state: absent
    resources:
      - clusterName: analytics-shared
"""

RETURN = r"""
results:
  description: One entry for each resource, in the order given; what O(purge) deletes comes last.
  returned: always, unless the input is wrong
  type: list
  elements: dict
  contains:
    kind:
      description: The kind.
      type: str
      returned: always
      sample: dataproc_autoscaling_policy
    id:
      description: The id.
      type: str
      returned: always
      sample: standard
    action:
      description: What was done, or would be done in check mode.
      type: str
      returned: always
      sample: update
      choices: [create, update, replace, delete, adopt, none]
    changed:
      description: Whether this resource was changed.
      type: bool
      returned: always
      sample: true
    message:
      description: Why, or what went wrong.
      type: str
      returned: always
      sample: "workerConfig.maxInstances: 5 -> 10"
    diff:
      description: The resource C(before) and C(after), reduced to what is managed; empty when nothing was to be done.
      type: dict
      returned: always
      sample: {before: {workerConfig: {maxInstances: 5}}, after: {workerConfig: {maxInstances: 10}}}
    failed:
      description: Whether this resource failed.
      type: bool
      returned: when it failed
      sample: true
    error:
      description: The error, with its C(type) and, where Google answered, C(status_code), C(status) and C(message).
      type: dict
      returned: when it failed
      sample: {type: ForbiddenError, status_code: 403, status: PERMISSION_DENIED}
diff:
  description: For each changed resource C(before_header), C(after_header), C(before) and C(after), for C(--diff).
  returned: always, unless the input is wrong
  type: list
  elements: dict
  sample: []
summary:
  description: What happened, in one line.
  returned: always, unless the input is wrong
  type: str
  sample: "12 resources: 1 create, 11 unchanged"
error:
  description: The error, with its C(type); for wrong input, C(problems) lists every finding.
  returned: failure
  type: dict
  sample: {type: ValidationError, problems: ["resources[0] (standard): workerConfig.maxInstnces is not a field"]}
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.resources import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
