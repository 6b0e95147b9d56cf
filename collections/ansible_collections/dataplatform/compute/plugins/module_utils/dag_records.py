# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known about a release of DAGs: who made it and when, what is in it, and what differs between two. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import (
    RELEASE_FILE,
    WORKLOADS_FILE,
    DagArchive,
)

MANAGED_BY = "dataplatform-compute"
_DIGITS = 16


@dataclass(frozen=True)
class ReleaseRecord:
    """One release of one team. ``dags`` are files by DAG id; ``files`` and ``workloads`` are hashes by name."""

    team: str
    release: str
    sha256: str
    released_by: str
    released_at: str
    previous: str = ""
    dags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    workloads: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The record as it is stored."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    def summary(self) -> dict[str, Any]:
        """The record as a task returns it, without what is in the release."""
        return {
            "release": self.release,
            "released_by": self.released_by,
            "released_at": self.released_at,
            "previous": self.previous,
            "dags": sorted(self.dags),
        }


def record_from_bytes(data: bytes) -> ReleaseRecord:
    """Read a record. Raises ValueError when it is none."""
    try:
        return ReleaseRecord(**json.loads(data))
    except TypeError as error:
        raise ValueError(f"not a record of a release: {error}") from error


def new_record(
    archive: DagArchive, dags: Mapping[str, str], *, released_by: str, released_at: str, previous: str
) -> ReleaseRecord:
    """The record of an archive that is about to be released."""
    return ReleaseRecord(
        team=archive.team,
        release=archive.release,
        sha256=archive.sha256,
        released_by=released_by,
        released_at=released_at,
        previous=previous,
        dags=dict(dags),
        files=_hashes(
            {name: data for name, data in archive.files.items() if name not in (RELEASE_FILE, WORKLOADS_FILE)}
        ),
        workloads=_workloads(archive.files[WORKLOADS_FILE]),
    )


def describe_change(uri: str, before: ReleaseRecord | None, after: ReleaseRecord | None) -> dict[str, str]:
    """Return Ansible's diff of two releases, one line per DAG, file and workload: what differs is named."""
    return {
        "before_header": f"{uri} ({before.release if before else 'nothing'})",
        "after_header": f"{uri} ({after.release if after else 'nothing'})",
        "before": _lines(before),
        "after": _lines(after),
    }


def vanished(before: ReleaseRecord | None, after: ReleaseRecord) -> list[str]:
    """The ids of the DAGs that a release no longer has."""
    return sorted(set(before.dags) - set(after.dags)) if before else []


def _lines(record: ReleaseRecord | None) -> str:
    if record is None:
        return ""
    lines = [f"release {record.release}"]
    lines += [f"DAG {dag}" for dag in sorted(record.dags)]
    lines += [f"file {name}  {digest}" for name, digest in sorted(record.files.items())]
    lines += [f"workload {name}  {digest}" for name, digest in sorted(record.workloads.items())]
    return "".join(f"{line}\n" for line in lines)


def _workloads(document: bytes) -> dict[str, str]:
    """Hashes of the workloads, and of all else in the document as one, by name."""
    content = json.loads(document)
    workloads = content.pop("workloads", {})
    everything = {**workloads, "(clusters, users, launcher and scripts of all)": content}
    return _hashes({name: json.dumps(value, sort_keys=True).encode() for name, value in everything.items()})


def _hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest()[:_DIGITS] for name, data in contents.items()}
