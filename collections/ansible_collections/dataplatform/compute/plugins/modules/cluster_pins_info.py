#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_pins_info
short_description: Tell which clusters run on something else than what new ones get
version_added: 0.1.0
description:
  - Lists the clusters of an environment and compares what is pinned in each (image, node bundle, initialization
    actions) with what a new cluster of its template would have.
  - A cluster keeps what it was made with until it ends; a difference is nothing that has to be put right.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is changed in either mode.
  diff_mode:
    support: none
    details: Differences are in the result.
options:
  configs:
    description:
      - What new clusters are made from, by template and placement, as the filter
        P(dataplatform.compute.cluster_configs#filter) renders it.
    type: dict
    required: true
  ownership_labels:
    description:
      - Only clusters that carry all of these labels are looked at.
    type: dict
    required: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: See which clusters are older than the pins
  dataplatform.compute.cluster_pins_info:
    project: example-project
    region: europe-west1
    configs: "{{ cluster_templates_rendered }}"
    ownership_labels:
      managed-by: dataplatform-compute
      environment: dev
  register: pinned
"""

RETURN = r"""
clusters:
  description: The clusters, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      sample: etl-shared
    state:
      description: Its state, as Dataproc names it.
      type: str
      sample: RUNNING
    template:
      description: The template it was made from, empty where no label says it.
      type: str
      sample: etl
    placement:
      description: C(own) or C(shared), empty where no label says it.
      type: str
      sample: shared
    pins:
      description: What is pinned in it, C(image), C(node bundle) and the initialization actions by their names.
      type: dict
      sample: {image: 2.3.10-debian12}
    differs:
      description:
        - What a new cluster would have in its place, each with C(field), C(wanted) and C(live); null for not there.
        - Where its template is gone, C(field) is C(cluster template).
      type: list
      elements: dict
      sample: [{field: image, wanted: 2.3.11-debian12, live: 2.3.10-debian12}]
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.cluster_pins import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
