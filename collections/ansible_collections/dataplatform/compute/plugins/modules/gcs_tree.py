#!/usr/bin/python
# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_tree
short_description: Make a bucket prefix equal to a local tree
version_added: 0.1.0
description:
  - Compares a directory (or a map of rendered texts) with the objects below a prefix, by size and checksum, from one
    listing, and makes only the writes and deletions that are needed. When nothing differs, that listing is all that
    is sent; times of files do not matter, so a fresh checkout of the same content changes nothing.
  - Deletes only objects that earlier runs wrote and that still have the content those runs gave them. What people or
    other tools put below the prefix is left alone.
  - A prefix is written by one run at a time. The second of two runs that meet fails with a clear error and has written
    nothing, or waits where it cannot tell yet whether the first one is alive.
extends_documentation_fragment:
  - dataplatform.compute.common
  - dataplatform.compute.common.attributes
attributes:
  check_mode:
    details: Shows the very plan that a run would execute. Only reads.
  diff_mode:
    details: One line per object with size and MD5, before and after.
options:
  bucket:
    description:
      - Name of the bucket, without C(gs://).
      - It must exist, except in check mode, where a missing bucket counts as an empty one.
    type: str
    required: true
  prefix:
    description:
      - Where the tree lies in the bucket, without a leading slash, as in V(dags/team-a).
      - An empty string means the whole bucket.
    type: str
    required: true
  source:
    description:
      - The directory whose files shall lie below the prefix.
      - Symbolic links to files inside the directory are uploaded as the files they point to. Links that leave the
        directory, links to folders, and dangling links are refused.
      - A directory without a file to upload is refused, because that would empty the tree; use O(content={}) for that.
    type: path
  content:
    description:
      - The files themselves, for rendered artefacts. Keys are relative names, values their text (written as UTF-8).
      - O(source) excludes it; one of O(source), O(content) and O(content_base64) is needed.
    type: dict
  content_base64:
    description:
      - Files that are not text, such as archives. Keys are relative names, values their bytes in base64.
      - May stand beside O(content); a name is in one of them only.
    type: dict
  owner:
    description:
      - Who the tree belongs to, written into its manifest. A task with another owner is refused.
    type: str
    default: dataplatform-compute
  delete:
    description: Whether objects that are owned and no longer in the source are deleted, after everything is uploaded.
    type: bool
    default: true
  order:
    description:
      - Glob patterns. All files of an earlier pattern are confirmed by the server before one of a later pattern is
        sent. The first pattern that matches decides.
      - The pattern V(**) stands for everything that no other pattern matches; without it, that comes last.
      - V(*) and V(?) stay within a path segment, V(**) crosses segments. A pattern matches at any depth; with a leading
        slash only from the top of the tree. A trailing slash means everything below. This holds for all three
        options that take patterns.
    type: list
    elements: str
    default: []
  protected:
    description:
      - Patterns of names that are neither overwritten nor adopted when something else put them there, such as
        V(airflow_monitoring.py) of Cloud Composer. A source that wants to change such an object is refused.
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of names that are ignored, in the source and in the bucket.
    type: list
    elements: str
    default: []
  cache_control:
    description:
      - The C(Cache-Control) of uploaded objects. An object with another one is written again.
    type: str
  metadata:
    description:
      - Custom metadata of uploaded objects. An object where one of these differs is written again; other keys on it
        do not count.
    type: dict
    default: {}
  concurrency:
    description: How many requests run at once, 1 to 64.
    type: int
    default: 32
notes:
  - What is owned is recorded in the object C(.gcs-tree-manifest.json) below the prefix. It is also the lock and the
    point of commit. A run that changes something first marks it as being written, last as complete.
  - A run may be stopped at any moment and run again. What it leaves is a mix of old and new objects, each of them
    whole, under a manifest that says so; the next run makes the rest. After Ctrl-C or an error the next run starts at
    once. After a C(kill -9) or a lost machine it starts at once on the same machine, and elsewhere waits until the
    last sign of life is 90 seconds old.
  - Every write and deletion names the generation it replaces, and every upload carries the checksum of the plan. A
    file that changes while it is uploaded makes the task fail, and nothing of it is written.
  - A bucket with a retention policy refuses replacements and deletions, also of the manifest; keep trees elsewhere.
  - The replacement of many objects is not atomic. Readers see old and new files side by side while a run writes; use
    O(order), or one archive under a stable name where that matters.
  - Refused before anything is written are names that Cloud Storage or clients that mount a bucket cannot handle.
    These are names with the segments V(.) and V(..), with control characters, of more than 1024 bytes, that end in a
    slash, and a file and a folder of the same name.
  - An object in the way of a folder of the same name (or the reverse) is the only one deleted before the uploads.
  - Each uploaded object carries its MD5 as metadata C(gcs-tree-md5), because a listing shows no checksum of objects
    that are encrypted with a customer-managed key. In such a bucket, objects of other tools that the source also has
    are replaced rather than adopted.
  - Objects that already have the wanted content are adopted on the first run, by one write of the manifest.
author:
  - Data Platform Compute contributors (@dataplatform)
"""

EXAMPLES = r"""
- name: Deploy the DAGs of a team, libraries first
  dataplatform.compute.gcs_tree:
    bucket: europe-west1-composer-bucket
    prefix: dags/team-a
    source: "{{ playbook_dir }}/../dags"
    order: ["lib/**", "**", "/*.py"]
    protected: [airflow_monitoring.py]
    exclude: ["__pycache__/**", "*.pyc"]

- name: Put rendered files into a bucket
  dataplatform.compute.gcs_tree:
    bucket: example-artifacts
    prefix: queues/etl
    content:
      queues.json: "{{ platform_queues | to_nice_json }}"

- name: Remove everything earlier runs have put there
  dataplatform.compute.gcs_tree:
    bucket: example-artifacts
    prefix: queues/etl
    content: {}
"""

RETURN = r"""
uri:
  description: Address of the tree.
  returned: success
  type: str
  sample: gs://example-artifacts/queues/etl
tree_hash:
  description: SHA-256 over names and checksums of the wanted tree; equal trees have equal hashes.
  returned: success
  type: str
  sample: 3ee7bd3ad04bbaa1b0e0e1bfd6dcbb1bb8adf5dbd5b0b9b9e8ff1a6fd2c4a0c9
created:
  description: Names of new objects, relative to the prefix.
  returned: always, also for a run that stopped halfway
  type: list
  elements: str
  sample: [etl/flights.py]
updated:
  description: Names of objects that were replaced.
  returned: always, also for a run that stopped halfway
  type: list
  elements: str
  sample: []
differences:
  description: By the name of each updated object the first property that differed, with C(field), C(live), C(wanted).
  returned: success
  type: dict
  sample: {etl/flights.py: {field: size, live: "1640", wanted: "1643"}}
deleted:
  description: Names of objects that were deleted.
  returned: always, also for a run that stopped halfway
  type: list
  elements: str
  sample: []
adopted:
  description: Names of objects that had the wanted content before this module knew them, and are owned from now on.
  returned: success
  type: list
  elements: str
  sample: []
unchanged:
  description: How many objects were as wanted.
  returned: success
  type: int
  sample: 41
left_alone:
  description: Owned objects that are not in the source and stay, with the reason.
  returned: success
  type: dict
  sample: {}
bytes_uploaded:
  description: Sum of the sizes of created and updated objects.
  returned: success
  type: int
  sample: 1643
summary:
  description: The run in one line.
  returned: success
  type: str
  sample: "gs://example-artifacts/queues/etl: 1 created, 41 unchanged"
"""

from ansible_collections.dataplatform.compute.plugins.module_utils.task import run_as_module
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_sync import DEFINITION


def main() -> None:
    """Run as a module."""
    run_as_module(DEFINITION)


if __name__ == "__main__":
    main()
