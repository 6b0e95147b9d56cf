# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A release as loose files in the DAG folder, for teams that need files there. Not atomic, unlike an archive.

The files of all teams are one tree, written by the core of gcs_tree: what Airflow shall not read, the library, DAG
files last, deletions after that, only what earlier releases wrote. The object ``dataplatform-files.json`` beside them,
written last, says which release it is. A run that is stopped leaves old and new files side by side until the next one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import tree_sync
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import (
    LIBRARY,
    WORKLOADS_ENTRY,
    entry_names,
    read_archive,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import ReleaseRecord
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_sources import TeamSources
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import NEW, LiveRelease, LiveReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import OwnershipError

LOOSE = "files"
"""The name that the loose files of all teams have where else a team's name stands."""

IGNORE_FILE = ".airflowignore"
"""Names the folders in which Airflow looks for no DAGs: all of a release, as of an archive it reads the root alone."""

_ORDER = [f"/{IGNORE_FILE}", f"{LIBRARY}/**", "**", "/*.py"]
_PROTECTED = ["airflow_monitoring.py", f"/{IGNORE_FILE}"]


class LooseReleases(LiveReleases):
    """The one release of loose files in an Airflow environment's bucket."""

    suffix = ".json"

    def __init__(self, client: GoogleClient, bucket: str, prefix: str) -> None:
        super().__init__(client, bucket, prefix)
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def files_of(self, record: ReleaseRecord) -> frozenset[str]:
        """The names of all its files."""
        return frozenset(record.files)

    def differs(self, _live: LiveRelease, data: bytes) -> bool:
        """Whether a file was changed or lost since it was written."""
        return self.compare(data)["changed"]

    def compare(self, data: bytes) -> dict[str, Any]:
        """What a release would change, as gcs_tree says it, with the difference."""
        return self._sync(read_archive(data), Reporter(check_mode=True, diff=True))

    def require_free(self, data: bytes) -> None:
        """Refuse to replace what somebody else wrote and Airflow reads, such as their ``.airflowignore``."""
        try:
            self.compare(data)
        except OwnershipError as error:
            raise OwnershipError(
                f"In {self._storage.uri}: {error}. Nothing was changed. Delete that object if it may go; an"
                f" {IGNORE_FILE} may lie in the folder that it is about."
            ) from error

    def write(self, record: ReleaseRecord, data: bytes, *, released: Mapping[str, str], generation: str) -> LiveRelease:
        """Make the files those of a release, then say which one it is, if it still is at ``generation``."""
        self._require_generation(record.team, generation)
        self._sync(read_archive(data), Reporter())
        return super().write(record, record.to_bytes(), released=released, generation=generation)

    def remove(self, live: LiveRelease) -> None:
        """Delete the files that releases wrote."""
        self.require_current(live)
        self._sync({}, Reporter())
        super().remove(live)

    def clear(self, live: Mapping[str, LiveRelease]) -> None:
        """Take them out, and also the files of a release that was not written to its end."""
        super().clear(live)
        self._sync({}, Reporter())

    def _sync(self, files: Mapping[str, bytes], reporter: Reporter) -> dict[str, Any]:
        params = {
            **{name: option.get("default") for name, option in tree_sync.ARGUMENTS.items()},
            "bucket": self._bucket,
            "prefix": self._prefix,
            "content_base64": {name: base64.b64encode(content).decode() for name, content in files.items()},
            "order": _ORDER,
            "protected": _PROTECTED,
        }
        return tree_sync.run(params, self._client, reporter)

    def _require_generation(self, team: str, generation: str) -> None:
        state = self._storage.state(f"{team}{self.suffix}")
        if (state.generation if state else NEW) != generation:
            raise self._overtaken(team)


def merge_sources(sources: Mapping[str, TeamSources]) -> TeamSources:
    """The files of all teams as one tree, with one factory for the workloads of all, and no guard between archives.

    Folders of modules are named in the tree's ``.airflowignore``, because Airflow reads every file in the DAG folder.
    """
    merged = TeamSources(LOOSE)
    for team, found in sources.items():
        guard, factory = entry_names(team).values()
        for name, content in found.files.items():
            if name != guard:
                kept = entry_names(LOOSE)[WORKLOADS_ENTRY] if name == factory else name
                merged.files[kept] = content
                merged.origins[kept] = found.origins[name]
    folders = {name.partition("/")[0] for name in merged.files if "/" in name and name.endswith(".py")}
    # With the slash a line means the same as a regular expression and as a glob, the syntaxes that Airflow may expect.
    merged.files[IGNORE_FILE] = "".join(f"{folder}/\n" for folder in sorted(folders)).encode()
    merged.origins[IGNORE_FILE] = f"{IGNORE_FILE} of loose files"
    return merged


def merge_documents(documents: Mapping[str, Any]) -> str:
    """One ``workloads.json`` with the workloads of all teams."""
    merged: dict[str, Any] = {}
    workloads: dict[str, Any] = {}
    for _team, text in sorted(documents.items()):
        merged = json.loads(text)
        workloads |= merged.get("workloads", {})
    return json.dumps({**merged, "workloads": workloads}, indent=1, sort_keys=True) + "\n"
