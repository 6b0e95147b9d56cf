#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: composer_environment
short_description: Settings of a Composer environment, put right or only reported
version_added: 0.1.0
description:
  - Compares what is stated of an environment with what it has, and updates what differs. Composer takes one type of
    update per request, so they follow one another, each waited for. Packages, overrides and labels that are not stated
    stay as they are; so do environment variables, which are read, merged and written.
  - With O(state=drift) nothing is ever written. What differs is returned, as data and as a table.
  - An alias of an image version, such as V(composer-2-airflow-2), is compared with what the server resolved it to.
options:
  environment:
    description: Name of the environment.
    type: str
    required: true
  location:
    description: Where it is. Left out, O(region) is used.
    type: str
  state:
    description:
      - V(present) puts right what differs.
      - V(drift) only reports it, as for an environment that Terraform owns. An environment that does not exist is an
        error.
      - V(absent) deletes the environment, if it carries all O(labels). Its bucket stays, with DAGs and logs.
    type: str
    choices: [present, drift, absent]
    default: present
  image_version:
    description:
      - The image, such as V(composer-2.17.9-airflow-2.11.1).
      - Without O(upgrade) another image is reported and stays.
    type: str
  upgrade:
    description:
      - Whether to upgrade an environment whose image is another one. It can take an hour, and may interrupt tasks.
      - Composer cannot go back to an older image; that is refused.
    type: bool
    default: false
  airflow_config_overrides:
    description: Overrides of Airflow's configuration, C(section-property) to a text, or to null to take it away.
    type: dict
  environment_variables:
    description: Environment variables of Airflow's processes, each with a text, or with null to take it away.
    type: dict
  pypi_packages:
    description:
      - Packages of PyPI to a version such as V(==1.2.3), to an empty text for any, or to null to take it away.
    type: dict
  labels:
    description:
      - Labels, each with a text, or with null to take it away.
      - With O(state=absent), the labels that the environment has to carry; at least one.
    type: dict
  create:
    description:
      - The C(config) in the field names of Composer's API with which an environment that does not exist is created,
        beside what is stated above. May be empty.
      - Without it, an environment that does not exist is an error. For one that exists it is not looked at.
    type: dict
  wait_timeout:
    description:
      - Seconds until everything has to be done, also waiting for an update that somebody else has started. Work that
        was started goes on at Google after that, and a repeated run picks it up.
    type: float
    default: 3600.0
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Reads the environment and shows the updates that a run makes.
  diff_mode:
    details: The values that change. Those that look like secrets are not shown.
notes:
  - When one update fails, those before it are done. The task fails, says what is done and what is left, and a repeated
    run continues.
  - The account needs C(composer.environments.get) and C(composer.environments.list), and to change something also
    C(composer.environments.update), C(composer.environments.create), C(composer.environments.delete) and
    C(composer.operations.get).
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: What of the environment is not as the inventory says
  dataplatform.compute.composer_environment:
    project: example-project
    region: europe-west1
    environment: dataplatform-prod
    state: drift
    image_version: composer-2.17.9-airflow-2.11.1
    airflow_config_overrides:
      core-parallelism: "64"
  register: composer

- name: Let Airflow run more tasks at once, and forget an old variable
  dataplatform.compute.composer_environment:
    project: example-project
    region: europe-west1
    environment: dataplatform-dev
    airflow_config_overrides:
      core-parallelism: "64"
    environment_variables:
      OLD_SETTING: null

- name: Upgrade
  dataplatform.compute.composer_environment:
    project: example-project
    region: europe-west1
    environment: dataplatform-dev
    image_version: composer-2.17.9-airflow-2.11.1
    upgrade: true
    wait_timeout: 7200
"""

RETURN = r"""
action:
  description: V(create), V(update), V(delete) or V(none).
  returned: success
  type: str
  sample: update
updates:
  description: What was updated (in check mode would be), in the order in which it was, by its path in the environment.
  returned: success
  type: list
  elements: str
  sample: [config.softwareConfig.airflowConfigOverrides]
pending:
  description: What would be updated with O(state=present), and was not.
  returned: success
  type: list
  elements: str
  sample: []
drift:
  description: What differed before this run, each with C(path), C(wanted) and C(live); null for absent.
  returned: success
  type: list
  elements: dict
  sample: [{path: config.softwareConfig.airflowConfigOverrides.core-parallelism, wanted: "64", live: null}]
remaining:
  description: What of it still differs after this run.
  returned: success
  type: list
  elements: dict
  sample: []
table:
  description: RV(remaining) as the lines of a table; empty when nothing remains.
  returned: success
  type: list
  elements: str
  sample: []
environment:
  description:
    - The environment as it is now. C(name), C(state) (V(ABSENT) where it does not exist yet), C(bucket),
      C(dag_gcs_prefix), C(airflow_uri), C(image_version) and C(service_account); empty texts for what it does not have.
  returned: success
  type: dict
  sample:
    name: dataplatform-dev
    state: RUNNING
    bucket: europe-west1-dataplatform-d-1a2b3c4d-bucket
    dag_gcs_prefix: gs://europe-west1-dataplatform-d-1a2b3c4d-bucket/dags
    airflow_uri: https://1a2b3c4d-dot-europe-west1.composer.googleusercontent.com
    image_version: composer-2.17.9-airflow-2.11.1
    service_account: composer@example-project.iam.gserviceaccount.com
diff:
  description: C(before_header), C(after_header), C(before) and C(after) of what changed, for C(--diff).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.composer_environment import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
