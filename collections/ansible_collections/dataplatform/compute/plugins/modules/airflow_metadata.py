#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_metadata
short_description: Variables, connections and pools of Airflow in a Composer environment
version_added: 0.1.0
description:
  - Reads what Airflow has, by its own command line in the environment, and imports only what differs. What was changed
    by hand is put right.
  - Writes down what is managed here in Airflow's variable C(dataplatform_managed). What is no longer listed is deleted
    only when it is noted there; what somebody made by hand stays.
  - Values travel in a file below C(data/) of the environment's bucket, which is removed at once, never in arguments.
options:
  environment:
    description: Name of the environment.
    type: str
    required: true
  location:
    description: Where it is. Left out, O(region) is used.
    type: str
  variables:
    description:
      - Variables by name; texts as they are, everything else as JSON. Left out, variables are not looked at.
      - What looks like a secret is refused. It belongs into Secret Manager, as C(airflow-variables-NAME).
    type: dict
  connections:
    description:
      - Connections by name, each with C(conn_type) and, as needed, C(host), C(schema), C(login), C(port),
        C(description) and C(extra), a mapping. Left out, connections are not looked at.
      - C(password), C(uri) and what looks like a secret are refused. A connection that needs one belongs into Secret
        Manager as a whole, as C(airflow-connections-NAME). A password that was set by hand is taken away.
    type: dict
  pools:
    description:
      - Pools by name, each with C(slots) and, as needed, C(description) and C(include_deferred). Left out, pools are
        not looked at.
    type: dict
  purge:
    description: Whether to delete what is noted as managed here and is no longer listed, of the kinds that are given.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for an environment that is being created or updated.
    type: float
    default: 1800.0
  command_timeout:
    description: Seconds that one command of Airflow may take.
    type: float
    default: 300.0
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Reads what there is, as a run does. An environment that does not exist yet counts as having nothing.
  diff_mode:
    details: The values that change. Passwords, and values that look like secrets, are not shown.
notes:
  - Airflow's command line exports all variables, and all connections with their passwords, to whoever may run commands
    in the environment. Connections are read only where some are listed or noted; those of others are dropped unseen.
  - Airflow keeps no description of a variable that is imported.
  - When one command fails, those before it are done. The task fails, says what is done and what is left, and a repeated
    run continues. So it does after Ctrl-C, which removes the uploaded file first.
  - The account needs C(composer.environments.get), C(composer.environments.list) and
    C(composer.environments.executeAirflowCommand), and on the bucket C(storage.objects.create), C(delete), C(list) and
    C(get).
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: What DAGs need to know, and how many Dask workers each user may have
  dataplatform.compute.airflow_metadata:
    project: example-project
    region: europe-west1
    environment: dataplatform-dev
    variables:
      flights_input: gs://example-data/flights
      flights_limits: {retries: 2}
    connections:
      weather:
        conn_type: http
        host: weather.example
        extra: {timeout: 10}
    pools:
      user-ada:
        slots: 3
        include_deferred: true
        description: Dask workers of ada

- name: Take back everything that was ever set here
  dataplatform.compute.airflow_metadata:
    project: example-project
    region: europe-west1
    environment: dataplatform-dev
    variables: {}
    connections: {}
    pools: {}
"""

RETURN = r"""
results:
  description: What changed (in check mode would), one entry for each object.
  returned: always, unless the input is wrong
  type: list
  elements: dict
  contains:
    kind:
      description: V(variables), V(connections) or V(pools).
      type: str
      returned: always
      sample: pools
    name:
      description: Name of the object.
      type: str
      returned: always
      sample: user-ada
    action:
      description: V(create), V(update) or V(delete).
      type: str
      returned: always
      sample: create
    adopted:
      description: Whether it existed already and was not managed here.
      type: bool
      returned: always
      sample: false
diff:
  description: C(before_header), C(after_header), C(before) and C(after) of each object that changes, for C(--diff).
  returned: always, unless the input is wrong
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_metadata import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
