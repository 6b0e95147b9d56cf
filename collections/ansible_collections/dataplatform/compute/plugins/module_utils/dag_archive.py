# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A team's DAGs as one archive that Airflow imports from. Pure: same files, same bytes on every machine."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

LIBRARY = "dataplatform_dask"
RELEASE_FILE = f"{LIBRARY}/release/release.json"
WORKLOADS_FILE = f"{LIBRARY}/release/workloads.json"

GUARD_ENTRY, WORKLOADS_ENTRY = "00_release_guard.py", "workloads.py"

_RELEASE_DIGITS = 12
_GUARD = "release_guard_"
# The earliest time a zip file can hold: when a file was checked out must not change the archive.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


@dataclass(frozen=True)
class DagArchive:
    """One team's release: its id, its files by name in the archive, and the archive's bytes."""

    team: str
    release: str
    files: Mapping[str, bytes]
    data: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the archive, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()


def module_name(team: str) -> str:
    """A team's name as a part of a module's name."""
    return re.sub(r"\W", "_", team)


def entry_names(team: str) -> dict[str, str]:
    """The names in a team's archive of the files that go into every archive, by their name in ``dags/entry``."""
    name = module_name(team)
    return {GUARD_ENTRY: f"{_GUARD}{name}.py", WORKLOADS_ENTRY: f"workloads_{name}.py"}


def release_id(team: str, environment: str, files: Mapping[str, bytes]) -> str:
    """Return the id of a release: 12 digits of the hash over team, environment, names and contents."""
    digest = hashlib.sha256()
    for part in (team, environment):
        digest.update(f"{part}\0".encode())
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:_RELEASE_DIGITS]


def build_archive(team: str, environment: str, files: Mapping[str, bytes], workloads: str) -> DagArchive:
    """Return the archive of a team's files and its ``workloads.json``, with the release id written into it."""
    content = {**files, WORKLOADS_FILE: workloads.encode()}
    release = release_id(team, environment, content)
    document = {"environment": environment, "release": release, "team": team}
    content[RELEASE_FILE] = (json.dumps(document, sort_keys=True) + "\n").encode()
    return DagArchive(team, release, content, _zip(content))


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files of an archive by name. Raises ValueError when the bytes are no zip archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a zip archive: {error}") from error


def _zip(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    # Not compressed: compressors differ between machines, and the same files have to be the same release.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as package:
        for name in sorted(files, key=lambda name: (not name.startswith(_GUARD), name)):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR_FILE
            package.writestr(entry, files[name])
    return archive.getvalue()
