# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all nodes get beside Dataproc's image, as one archive: the same files have the same address for ever. Pure."""

from __future__ import annotations

import base64
import io
import posixpath
import tarfile
from collections.abc import Mapping

from ansible_collections.dataplatform.compute.plugins.module_utils.artifacts import address
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError

NAME = "node-bundle.tar"


def node_bundle(files: Mapping[str, str], bucket: str) -> dict[str, str]:
    """Return ``name``, ``object``, ``uri`` and ``content_base64`` of the archive of these texts, by relative path.

    Everything belongs to root and may be read by everybody; nothing in it is secret. Not compressed: compressors differ
    between machines, and the same bundle has to have the same address. Raises ValidationError with every path that is
    not below the bundle's root.
    """
    problems = [
        f"{path!r}: expected a relative path without '..'"
        for path in files
        if posixpath.isabs(path) or posixpath.normpath(path) != path or path.startswith("..") or path == "."
    ]
    if problems:
        raise ValidationError(problems, "the node bundle")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            content = files[path].encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    data = archive.getvalue()
    return {**address(NAME, data, bucket), "content_base64": base64.b64encode(data).decode()}
