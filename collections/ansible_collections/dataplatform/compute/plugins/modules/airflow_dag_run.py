#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_dag_run
short_description: Run a DAG in a Composer environment and follow it
version_added: 0.1.0
description:
  - Starts a run of a DAG, shows the states of its tasks as they change, and fails when the run fails.
  - Returns the run's tasks and its Dataproc jobs with their states, labels, output and run record.
  - Everything goes through Airflow's command line in the environment, so a private address is no hindrance.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is started or followed. Environment, DAG and names are checked; a start is reported as a change.
  diff_mode:
    support: none
    details: A run is not compared, it is run.
options:
  environment:
    description: Name of the Composer environment.
    type: str
    required: true
  location:
    description: Where it is. Left out, O(region) is used.
    type: str
  dag:
    description: Id of the DAG. A DAG that is paused is refused, its run would wait.
    type: str
    required: true
  run_id:
    description:
      - Id of the run, 1 to 63 lower-case letters, digits, hyphens and underscores. A run that exists already is
        followed and not started again.
      - Left out, a new one is made of the time.
    type: str
  conf:
    description: Configuration of the run, C(dag_run.conf) in templates. It is an argument of a command and no secret.
    type: dict
    default: {}
  state:
    description: With V(finished) the run is followed to its end, with V(started) it is only started.
    type: str
    choices: [finished, started]
    default: finished
  timeout:
    description: Seconds after which following ends and the task fails; the run goes on. V(0) means no limit.
    type: float
    default: 0.0
  wait_timeout:
    description: Seconds to wait for an environment that is being created or updated.
    type: float
    default: 600.0
notes:
  - Ctrl-C ends the following, not the run. Airflow's command line cannot end a run; its web interface can, and
    M(dataplatform.compute.dataproc_job) cancels a Dataproc job.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Run a workload's DAG and wait for it, two hours at most
  dataplatform.compute.airflow_dag_run:
    project: example-project
    region: europe-west1
    environment: dataplatform-dev
    dag: flights-etl
    timeout: 7200
  register: flights

- name: Say how it went
  ansible.builtin.debug:
    msg: "{{ flights.summary }}"
"""

RETURN = r"""
dag:
  description: Id of the DAG.
  returned: always
  type: str
  sample: flights-etl
run_id:
  description: Id of the run.
  returned: always
  type: str
  sample: manual-20261129t050000z-1f2e3d
state:
  description: State of the run as Airflow names it; empty in check mode.
  returned: always
  type: str
  sample: success
tasks:
  description: States of the tasks by their ids; V(none) for one that is not scheduled yet.
  returned: always
  type: dict
  sample: {cluster.create: success, cluster.run: success, cluster.delete: success}
jobs:
  description: The run's Dataproc jobs, the earliest first, with the fields of M(dataplatform.compute.dataproc_job).
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: How it went, in a few lines for a person.
  returned: always
  type: str
  sample: "DAG flights-etl, run manual-20261129t050000z-1f2e3d: success"
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_dag_run import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
