#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_empty
short_description: Delete everything in buckets that carry our labels
version_added: 0.1.0
description:
  - Deletes all versions of all objects, so that the buckets themselves can be deleted. There is no way back beyond the
    buckets' soft delete.
  - Refuses everything when one of the buckets lacks one of the ownership labels. A bucket that does not exist is empty.
options:
  buckets:
    description: Names of the buckets, without C(gs://).
    type: list
    elements: str
    required: true
  ownership_labels:
    description: Labels every bucket has to carry.
    type: dict
    required: true
  concurrency:
    description: How many deletions run at once.
    type: int
    default: 16
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Empty the buckets of an environment that is taken down
  dataplatform.compute.gcs_empty:
    buckets: [acme-data-dev-temp]
    ownership_labels: {managed-by: dataplatform-compute, environment: dev}
"""

RETURN = r"""
deleted:
  description: How many versions of objects were (in check mode would be) deleted, by bucket.
  returned: success
  type: dict
  sample: {acme-data-dev-temp: 17}
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.bucket_contents import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
