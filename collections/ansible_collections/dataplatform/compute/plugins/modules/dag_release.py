#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dag_release
short_description: Release Airflow DAGs to Cloud Composer, one archive per team, verified or put back
version_added: 0.1.0
description:
  - Builds one archive per team from the sources, with the same bytes on every machine, and has a gate import all of
    them in Airflow's own Python environment. Whatever the gate finds is shown at once and nothing is written.
  - Keeps every release in the artefact bucket, then replaces the team's one object in the environment's DAG folder, and
    waits until Airflow shows the release's tag on every DAG of it and no import error.
  - Where that does not happen in time, the release before is put back and verified, and the task fails with the reason.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
  - dataplatform.compute.dag_place
attributes:
  check_mode:
    details: Runs the gate and asks the environment for DAG ids that are taken. Only reads.
  diff_mode:
    details: One line per DAG, file and workload, before and after.
options:
  source:
    description:
      - Directory with C(dataplatform_dask/) (the library), C(entry/) (files of every archive) and C(teams/TEAM/).
    type: path
    required: true
  documents:
    description: The text of C(workloads.json) by team, see P(dataplatform.compute.workload_documents#filter).
    type: dict
    required: true
  teams:
    description: The teams to release. Left out, these are all of O(documents); the gate looks at all in any case.
    type: list
    elements: str
  owners:
    description: Users by name, each with the name of the team whose tasks they may own.
    type: dict
    required: true
  min_retries:
    description: How many retries every task has at least.
    type: int
    default: 1
  import_seconds:
    description: Seconds that one file may take to import.
    type: float
    default: 30.0
  keep:
    description:
      - How many releases of a team are kept. The live one and the one before it are never deleted.
    type: int
    default: 10
  replace_layout:
    description:
      - Whether what is live of the other O(layout) is taken out of the DAG folder first. Its DAGs are missing from
        Airflow until the new ones have arrived. Where Airflow does not run one of those, all are taken out again, and
        what was live before is put back. Otherwise it is refused, because every DAG would be there twice.
    type: bool
    default: false
  verify_unchanged:
    description:
      - Whether a release that is live, unchanged and verified is verified again, because something else may have
        changed what Airflow makes of it, such as its packages. Otherwise Airflow is not asked. Like a new one, it gives
        way to the release before where Airflow does not run it.
    type: bool
    default: false
  airflow_python:
    description: The Python of an environment that has the Composer image's version of Airflow and its Google provider.
    type: path
    required: true
  gate_directory:
    description: Directory of the gate's package, C(dag_gate).
    type: path
    required: true
  gate_timeout:
    description: Seconds that the gate may take in all.
    type: float
    default: 900.0
  gate_cache:
    description:
      - Directory where verdicts without findings are remembered, for the very same archives, policies, gate and Airflow
        environment, and only where nobody else can write. Left out, none is.
    type: path
notes:
  - Every write is one object, whole or not there, and names the generation it replaces. Of two releases of one team at
    once, one wins and the other fails with the name of the winner.
  - A run may be stopped at any moment and run again. What it leaves is a kept release that nobody uses, or a live one
    that is not verified yet; the next run goes on from there.
  - Objects in the DAG folder that no release wrote are never touched.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Release the DAGs of all teams
  dataplatform.compute.dag_release:
    composer_environment: dataplatform-dev
    location: europe-west1
    environment: dev
    artifacts_bucket: acme-artifacts
    source: "{{ playbook_dir }}/../dags"
    documents: "{{ dag_release_documents }}"
    owners: {ada: growth, grace: platform}
    airflow_python: ~/.cache/dataplatform-compute/airflow/bin/python
    gate_directory: "{{ playbook_dir }}/../roles/dag_release/files"
"""

RETURN = r"""
uri:
  description: Address of the DAG folder.
  returned: success
  type: str
  sample: gs://europe-west1-dataplatfor-1a2b3c4d-bucket/dags
releases:
  description:
    - By team the release, what was to be done (none, verify, verify_again, release), what was live, what to go back
      to, and the DAGs.
    - C(live) and C(previous) are empty for nothing. Where C(live) is the release and it was to be released again,
      somebody had changed it.
  returned: success
  type: dict
  sample: {growth: {release: 0f1e2d3c4b5a, action: release, live: "", previous: "", dags: [flights-etl]}}
unlisted:
  description: Addresses of what is live of teams that O(documents) has no more, by team; it is left alone.
  returned: success
  type: dict
  sample: {}
vanished:
  description: DAGs that the release no longer has, by team.
  returned: success
  type: dict
  sample: {}
verified:
  description: Teams whose release Airflow was seen to run.
  returned: when something was released, also when another team failed
  type: list
  elements: str
  sample: [growth]
put_back:
  description: What is live instead, by team, where Airflow did not run a release.
  returned: when something was released, also when that failed
  type: dict
  sample: {}
pruned:
  description: Kept releases that were deleted, by team.
  returned: success
  type: dict
  sample: {}
gate:
  description: Airflow's version, whether an earlier verdict was used, the seconds of all imports and the slowest files.
  returned: success
  type: dict
  sample: {airflow: 2.11.1, remembered: false, import_seconds: 0.21, slowest: {workloads_growth.py of growth: 0.12}}
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
