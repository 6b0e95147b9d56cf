# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Documentation of where releases of DAGs are: options that releasing and rolling back share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules for releases of DAGs."""

    DOCUMENTATION = r"""
options:
  composer_environment:
    description: Name of the Composer environment. Its bucket is asked for, never configured.
    type: str
    required: true
  location:
    description: Where the Composer environment is, such as V(europe-west1).
    type: str
    required: true
  environment:
    description:
      - Name of the platform's environment, such as V(dev). Releases are kept below C(dag-releases/ENVIRONMENT).
    type: str
    required: true
  artifacts_bucket:
    description: The bucket where releases are kept.
    type: str
    required: true
  layout:
    description:
      - With V(archive), a team's DAGs are one object in the DAG folder, which cannot be half-deployed.
      - With V(files), the files of all teams are one tree of loose objects under the name C(files) where else a team's
        name stands. This is not atomic. Files are written one after the other, the library first, DAG files last, then
        what is gone is deleted. Only files that releases wrote are changed or deleted, C(airflow_monitoring.py) never.
      - One environment has one layout; what is live of the other is refused.
    type: str
    choices: [archive, files]
    default: archive
  ready_timeout:
    description:
      - Seconds to wait for a Composer environment that is being created or updated, before the first write.
    type: float
    default: 900.0
  verify_timeout:
    description:
      - Seconds until the environment has to run what was released. Composer takes three to five minutes to bring an
        object of the bucket to all of Airflow's machines.
    type: float
    default: 900.0
"""
