#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_doctor
short_description: Check everything a run needs, and say for each failure what to do next
version_added: 0.1.0
description:
  - Looks at tools, certificate files, reachability and TLS of Google's hosts, the token and whose it is, enabled APIs
    and permissions, and whether the Airflow environment runs. Runs every check before it fails, and shows each line as
    soon as it is known.
  - Changes nothing.
options:
  expected_principal:
    description: The account the token has to be of. Any is accepted when this is empty.
    type: str
    default: ''
  login_hint:
    description: What to do when there is no connection, no token, or one of another account.
    type: str
    default: ''
  connection_ready:
    description: Whether there is a way to Google. Where there is none this is a failed check, and nothing is sent.
    type: bool
    default: true
  inventory_findings:
    description: What M(dataplatform.compute.inventory_check) found, for one report of everything. Empty means nothing.
    type: str
    default: ''
  tools:
    description: Programs that are good to have on C(PATH), each with what for. One that is missing is noted only.
    type: dict
    default: {}
  hosts:
    description: Hosts that have to be reachable over TLS.
    type: list
    elements: str
    required: true
  services:
    description: Google APIs that have to be enabled, such as V(dataproc.googleapis.com).
    type: list
    elements: str
    required: true
  permissions:
    description: IAM permissions the account needs on the project, such as V(dataproc.clusters.create).
    type: list
    elements: str
    required: true
  composer_environment:
    description: The Composer environment that has to run. Empty means that there is none.
    type: str
    default: ''
  composer_location:
    description: Where it is, such as V(europe-west1).
    type: str
    default: ''
  composer_created_here:
    description: Whether a run creates it, so that one that is missing is noted only.
    type: bool
    default: false
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  diff_mode:
    support: none
    details: Nothing is changed, so there is nothing to compare.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Look at everything a run needs
  dataplatform.compute.gcp_doctor:
    project: acme-data-dev
    expected_principal: deployer@acme-data-dev.iam.gserviceaccount.com
    hosts: [dataproc.googleapis.com]
    services: [dataproc.googleapis.com]
    permissions: [dataproc.clusters.create]
"""

RETURN = r"""
checks:
  description: Every check, in the order they ran.
  returned: success
  type: list
  elements: dict
  sample:
    - name: reach dataproc.googleapis.com
      ok: true
      detail: TLS verified, answered 401
      next_step: ''
msg:
  description: The checks that failed, each with the next step.
  returned: failure
  type: str
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.doctor import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
