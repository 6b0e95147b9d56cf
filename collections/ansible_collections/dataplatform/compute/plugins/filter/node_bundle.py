# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: node_bundle
short_description: Files for every node as one archive with an address of its own
version_added: 0.1.0
description:
  - Packs texts into the archive that C(init-actions/node-bundle.sh) fetches on every node.
  - The same files always give the same bytes, and so the same address.
options:
  _input:
    description: Texts by path in the bundle.
    type: dict
    required: true
  bucket:
    description: The bucket in which artefacts are.
    type: str
    required: true
author:
  - Data Platform Compute contributors
"""

EXAMPLES = r"""
bundle: "{{ {'lib/node.sh': text} | dataplatform.compute.node_bundle(bucket='artefacts') }}"
"""

RETURN = r"""
_value:
  description: The archive; C(uri) is its address, C(object) its name in the bucket, C(content_base64) its bytes.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.node_bundle import node_bundle as pack


def node_bundle(value: Any, **options: Any) -> dict[str, str]:
    """Call the pure function; its errors become Ansible's."""
    try:
        return pack(value, **options)
    except ComputeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the one filter of this file."""
        return {"node_bundle": node_bundle}
