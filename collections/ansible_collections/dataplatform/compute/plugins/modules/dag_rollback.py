#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dag_rollback
short_description: Make a kept release of a team's Airflow DAGs live again
version_added: 0.1.0
description:
  - Replaces the team's archive in the Composer environment by one that M(dataplatform.compute.dag_release) has kept,
    and waits until Airflow runs it. Nothing is built and no gate is asked, so it takes as long as Composer needs.
  - Where Airflow does not run it in time, what was live before is put back and the task fails with the reason.
  - In check mode nothing is changed and the kept releases are listed, to choose from.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
  - dataplatform.compute.dag_place
attributes:
  check_mode:
    details: Only reads.
  diff_mode:
    details: One line per DAG, file and workload, before and after.
options:
  team:
    description: Whose DAGs; V(files) for the one tree of O(layout=files).
    type: str
    required: true
  release:
    description: Id of the release. Left out, it is the one that was verified before the live one.
    type: str
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Go back to the release before
  dataplatform.compute.dag_rollback:
    composer_environment: dataplatform-dev
    location: europe-west1
    environment: dev
    artifacts_bucket: acme-artifacts
    team: growth
"""

RETURN = r"""
release:
  description: The release that is live now.
  returned: success
  type: str
  sample: 0f1e2d3c4b5a
replaced:
  description: The release that was live.
  returned: success
  type: str
  sample: a5b4c3d2e1f0
team:
  description: Whose DAGs.
  returned: success
  type: str
  sample: growth
kept:
  description: The kept releases of the team, newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - release: a5b4c3d2e1f0
      released_at: "2026-11-23T05:00:00+00:00"
      released_by: ada@example.com
      verified: true
      live: true
put_back:
  description: What is live instead, by team, where Airflow did not run the release.
  returned: when something was replaced
  type: dict
  sample: {}
uri:
  description: Address of the DAG folder.
  returned: success
  type: str
  sample: gs://europe-west1-dataplatfor-1a2b3c4d-bucket/dags
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_rollback import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
