#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_copy
short_description: Copy artefacts of another environment, unchanged
version_added: 0.1.0
description:
  - Copies every object of given hashes from one bucket for artefacts to another, inside Cloud Storage. What is there
    already is left alone.
  - A copy appears whole or not at all; an interrupted task is finished by the next one.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Says what would be copied.
  diff_mode:
    support: none
options:
  source_bucket:
    description: The bucket to copy from; the account needs C(storage.objects.get) and C(storage.objects.list) there.
    type: str
    required: true
  bucket:
    description: The bucket to copy to.
    type: str
    required: true
  digests:
    description: The hashes, which are the first part of the objects' names.
    type: list
    elements: str
    required: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Have the Dask environment of dev in staging
  dataplatform.compute.artifact_copy:
    project: example-staging
    source_bucket: example-dev-artifacts
    bucket: example-staging-artifacts
    digests:
      - "{{ dev_pins.environment.squashfs_sha256 }}"
"""

RETURN = r"""
copied:
  description: The names of the objects that were copied, or would be.
  returned: success
  type: list
  elements: str
  sample: ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08/environment.sqfs"]
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.artifact_copy import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
