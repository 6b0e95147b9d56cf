# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write a text that is among the artefacts to a file, if the file does not hold that very text yet."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.atomic_file import replace_file
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage


class ArtifactFetchError(ComputeError):
    """The artefact is not there, is another text, or cannot be written; the file is as it was."""


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Return what the task returns (see the module's RETURN); nothing is asked of Google when the file has the text."""
    path, wanted = Path(params["path"]), params["sha256"]
    before = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(before).hexdigest() == wanted:
        return {"changed": False, "path": str(path)}
    text = _content(TreeStorage(client, params["bucket"], ""), params["object"], wanted)
    if not reporter.check_mode:
        try:
            replace_file(path, text)
        except OSError as error:
            problem = f"{path} cannot be written: {error.strerror or error}. It is as it was."
            raise ArtifactFetchError(problem) from error
    result: dict[str, Any] = {"changed": True, "path": str(path)}
    if reporter.diff:
        shown = before.decode(errors="replace")
        result["diff"] = {"before_header": str(path), "after_header": str(path), "before": shown, "after": text}
    return result


def _content(storage: TreeStorage, name: str, wanted: str) -> str:
    state = storage.state(name)
    content = storage.read(name, state.generation) if state else None
    if content is None:
        raise ArtifactFetchError(f"{storage.uri_of(name)} is not there; expected the text with the SHA-256 {wanted}")
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise ArtifactFetchError(f"{storage.uri_of(name)} has the SHA-256 {found}; expected {wanted}")
    return content.decode()


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "bucket": {"type": "str", "required": True},
            "object": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
        }
    ),
    run=run,
)
