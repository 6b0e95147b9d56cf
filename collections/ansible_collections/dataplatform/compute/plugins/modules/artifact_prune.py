#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_prune
short_description: Delete Dask environments and node bundles that nothing names any more
version_added: 0.1.0
description:
  - Deletes Dask environments (image and archive) and node bundles from the bucket for artefacts that neither pins nor
    clusters, workflow templates or releases of DAGs name. Jobs and initialization actions stay.
  - An interrupted task has deleted some of them; the next one goes on.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Says what would be deleted.
  diff_mode:
    support: none
options:
  bucket:
    description: The bucket for artefacts.
    type: str
    required: true
  pins:
    description: The pins, as in the fact C(platform_pins).
    type: dict
    required: true
  record:
    description: Their record with the previous pins, as in the fact C(platform_pin_record).
    type: dict
  keep:
    description: More hashes that stay.
    type: list
    elements: str
    default: []
  older_than_days:
    description: Only what was uploaded before is deleted.
    type: float
    default: 7
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Delete what nothing names any more
  dataplatform.compute.artifact_prune:
    project: example-project
    region: europe-west1
    bucket: example-artifacts
    pins: "{{ platform_pins }}"
    record: "{{ platform_pin_record }}"
"""

RETURN = r"""
pruned:
  description: What was deleted, or would be.
  returned: success
  type: list
  elements: str
  sample: ["Dask environment 9f86d081884c (187.2 MB)"]
freed_bytes:
  description: How many bytes that is.
  returned: success
  type: int
  sample: 187200000
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.artifact_prune import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
