# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: artifacts
short_description: Files and their content-addressed URIs
version_added: 0.1.0
description:
  - Walks directories and returns each text file with the address its content has in a bucket,
    C(gs://BUCKET/SHA256/FILE NAME). Nothing is uploaded or asked.
  - A Python package right below a directory (it has an C(__init__.py)) is one artefact, a zip archive that Python can
    import from, with the same bytes on every machine.
  - Leaves out what a run leaves behind (C(__pycache__), hidden files) and Markdown.
options:
  _terms:
    description: One mapping of names to directories. A file's name is the name of its directory and its path in it.
    required: true
  bucket:
    description: The bucket.
    type: str
    required: true
  rendered:
    description: Texts that no file holds, by name.
    type: dict
    default: {}
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Show where the content of every job would be
  ansible.builtin.debug:
    msg: "{{ query('dataplatform.compute.artifacts', {'jobs': 'jobs'}, bucket='acme-artifacts')
             | items2dict(key_name='name', value_name='uri') }}"
"""

RETURN = r"""
_list:
  description: One entry per file, sorted by name.
  type: list
  elements: dict
  contains:
    name:
      description: Name of the directory and path in it.
      type: str
      sample: jobs/examples/flights_etl.py
    object:
      description: Name of the object in the bucket.
      type: str
      sample: 9f86d0.../flights_etl.py
    uri:
      description: The object's address.
      type: str
      sample: gs://acme-artifacts/9f86d0.../flights_etl.py
    content:
      description: The file's text.
      returned: for files and rendered texts
      type: str
    content_base64:
      description: The archive in base64.
      returned: for packages
      type: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.dataplatform.compute.plugins.module_utils.artifacts import list_artifacts
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


class LookupModule(LookupBase):
    """See the documentation above."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return the artefacts of all directories."""
        self.set_options(var_options=variables, direct=kwargs)
        if len(terms) != 1 or not isinstance(terms[0], dict):
            raise AnsibleLookupError("expected one mapping of names to directories")
        try:
            return list_artifacts(terms[0], self.get_option("bucket"), self.get_option("rendered"))
        except ComputeError as error:
            raise AnsibleLookupError(str(error)) from error
