# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The node bundle: the same files are the same bytes under the same address, and nothing lies outside it."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.node_bundle import node_bundle

FILES = {"lib/node.sh": "echo\n", "nfs/mounts.tsv": "/shared/data\tfiler:/data\t3\t\n", "é": "ü"}


def test_the_address_is_the_hash_of_the_archive() -> None:
    bundle = node_bundle(FILES, "artefacts")
    data = base64.b64decode(bundle["content_base64"])
    assert bundle["uri"] == f"gs://artefacts/{hashlib.sha256(data).hexdigest()}/node-bundle.tar"
    assert bundle["uri"] == f"gs://artefacts/{bundle['object']}"


def test_the_order_of_files_and_the_time_do_not_matter() -> None:
    assert node_bundle(dict(reversed(FILES.items())), "b") == node_bundle(FILES, "b")
    assert node_bundle(FILES | {"lib/node.sh": "echo 2\n"}, "b") != node_bundle(FILES, "b")


def test_it_unpacks_to_the_files_owned_by_root_and_readable_by_all() -> None:
    data = base64.b64decode(node_bundle(FILES, "b")["content_base64"])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        entries = {entry.name: entry for entry in tar.getmembers()}
        assert {name: tar.extractfile(name).read().decode() for name in entries} == FILES
    assert {(entry.uid, entry.gid, oct(entry.mode), entry.mtime) for entry in entries.values()} == {(0, 0, "0o644", 0)}


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", "a//b", "."])
def test_a_path_outside_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="relative path") as problem:
        node_bundle({path: ""}, "b")
    assert repr(path) in str(problem.value)
