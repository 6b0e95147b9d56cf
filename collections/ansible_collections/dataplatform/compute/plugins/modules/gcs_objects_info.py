#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_objects_info
short_description: Tell which objects of a bucket are not there
version_added: 0.1.0
description:
  - Asks for each object by its name, several at once. For what others upload and this play relies on;
    M(dataplatform.compute.gcs_tree) looks at what it uploads itself.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Nothing is changed in either mode.
  diff_mode:
    support: none
    details: What is missing is in the result.
options:
  bucket:
    description:
      - Name of the bucket.
    type: str
    required: true
  objects:
    description:
      - Names of the objects.
    type: list
    elements: str
    required: true
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: See whether the Dask environment is where nodes look for it
  dataplatform.compute.gcs_objects_info:
    project: example-project
    bucket: example-artifacts
    objects:
      - 7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069/environment.sqfs
  register: environment_image
"""

RETURN = r"""
missing:
  description: Addresses of the objects that are not there.
  returned: success
  type: list
  elements: str
  sample: []
found:
  description: How many are there.
  returned: success
  type: int
  sample: 1
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.gcs_objects import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
