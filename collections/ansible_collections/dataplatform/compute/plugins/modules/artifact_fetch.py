#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_fetch
short_description: Write a text that is among the artefacts to a file
version_added: 0.1.0
description:
  - Writes an object of the bucket for artefacts to a file. Where the file holds that very text already, nothing is
    asked of Google.
  - The file is replaced whole or not at all, and only by the text with the given hash.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Says whether the file would be written.
  diff_mode:
    support: full
    details: Shows the file before and after.
options:
  bucket:
    description: The bucket for artefacts.
    type: str
    required: true
  object:
    description: Name of the object.
    type: str
    required: true
  sha256:
    description: The SHA-256 of its content.
    type: str
    required: true
  path:
    description: The file.
    type: path
    required: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Have the lock that the pinned Dask environment was built from
  dataplatform.compute.artifact_fetch:
    project: example-project
    bucket: example-artifacts
    object: "{{ platform_pins.environment.squashfs_sha256 }}/lock.txt"
    sha256: "{{ platform_pins.environment.lock_sha256 }}"
    path: requirements/cluster-environment.txt
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: requirements/cluster-environment.txt
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.artifact_fetch import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
