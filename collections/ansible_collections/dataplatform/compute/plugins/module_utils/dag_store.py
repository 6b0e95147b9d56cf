# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where releases of DAGs are: every one kept in the artefact bucket, one of them live in the Airflow environment's.

Kept are ``dag-releases/ENVIRONMENT/TEAM/RELEASE.zip`` and, written after it, its record ``RELEASE.json``: an archive
without a record counts as not kept. Live is ``dags/dataplatform-TEAM.zip``, whose metadata say what it is. Every write
is one object with a generation precondition, hence whole or not there, and never over the write of somebody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import (
    MANAGED_BY,
    ReleaseRecord,
    record_from_bytes,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import (
    ConcurrentWriterError,
    OwnershipError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_scan import md5_base64
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage

NEW = "0"
_CONTENT_TYPES = {"zip": "application/zip", "json": "application/json"}
_LIVE_PREFIX = "dataplatform-"


@dataclass(frozen=True)
class LiveRelease:
    """A team's archive in the environment; ``previous`` is what to go back to, empty for none."""

    team: str
    generation: str
    release: str
    verified: bool
    previous: str
    released_by: str
    released_at: str


@dataclass(frozen=True)
class KeptRelease:
    """A kept release as a listing shows it: the generations of its two objects, ``NEW`` for one that is missing."""

    release: str
    released_at: str = ""
    released_by: str = ""
    verified: bool = False
    archive: str = NEW
    record: str = NEW

    @property
    def complete(self) -> bool:
        """Whether both the archive and its record are there."""
        return NEW not in (self.archive, self.record)


class KeptReleases:
    """The releases of all teams of one platform environment in the artefact bucket."""

    def __init__(self, client: GoogleClient, bucket: str, environment: str) -> None:
        self._storage = TreeStorage(client, bucket, f"dag-releases/{environment}/")
        self.uri = self._storage.uri

    def list(self) -> dict[str, dict[str, KeptRelease]]:
        """All kept releases by team and id, from one listing."""
        found: dict[str, dict[str, KeptRelease]] = {}
        for item in self._storage.list_tree():
            team, _slash, name = item["name"].rpartition("/")
            release, _dot, kind = name.partition(".")
            if not team or kind not in ("zip", "json"):
                continue
            known = found.setdefault(team, {}).get(release) or KeptRelease(release)
            metadata = item.get("metadata") or {}
            found[team][release] = KeptRelease(
                release=release,
                released_at=metadata.get("released-at") or known.released_at,
                released_by=metadata.get("released-by") or known.released_by,
                verified=metadata.get("verified") == "true" or known.verified,
                archive=str(item["generation"]) if kind == "zip" else known.archive,
                record=str(item["generation"]) if kind == "json" else known.record,
            )
        return found

    def keep(self, record: ReleaseRecord, data: bytes, known: KeptRelease | None) -> KeptRelease:
        """Store an archive and then its record, over a record of an earlier time.

        Another run that stores the very same archive at this moment is no conflict: what is live is decided elsewhere.
        """
        metadata = {"released-at": record.released_at, "released-by": record.released_by, "sha256": record.sha256}
        name = f"{record.team}/{record.release}"
        archive = known.archive if known else NEW
        if archive == NEW:
            archive = self._keep_object(f"{name}.zip", data, metadata, NEW)
        if known is not None and known.verified:
            metadata["verified"] = "true"
        before = known.record if known else NEW
        written = self._keep_object(f"{name}.json", record.to_bytes(), metadata, before)
        return KeptRelease(
            record.release, record.released_at, record.released_by, "verified" in metadata, archive, written
        )

    def _keep_object(self, name: str, data: bytes, metadata: Mapping[str, str], generation: str) -> str:
        try:
            return _write(self._storage, name, data, metadata, generation)
        except ConcurrentWriterError:
            state = self._storage.state(name)
            if state is None or state.metadata.get("sha256") != metadata["sha256"]:
                raise
            return state.generation

    def mark_verified(self, team: str, kept: KeptRelease) -> None:
        """Note that Airflow was seen to run a release, for whoever chooses one to go back to."""
        if not kept.verified and kept.record != NEW:
            name = f"{team}/{kept.release}.json"
            self._storage.patch_metadata(name, {"verified": "true"}, kept.record, attempts=3)

    def record(self, team: str, kept: KeptRelease | None) -> ReleaseRecord | None:
        """The record of a kept release, None where there is none."""
        if kept is None or kept.record == NEW:
            return None
        data = self._storage.read(f"{team}/{kept.release}.json", kept.record)
        try:
            return record_from_bytes(data) if data is not None else None
        except ValueError as error:
            raise ComputeError(f"{self._storage.uri_of(f'{team}/{kept.release}.json')} is {error}") from error

    def archive(self, record: ReleaseRecord, kept: KeptRelease) -> bytes:
        """The bytes of a kept archive. Raises ComputeError when they are not those that were released."""
        name = f"{record.team}/{record.release}.zip"
        data = self._storage.read(name, kept.archive)
        if data is None or hashlib.sha256(data).hexdigest() != record.sha256:
            what = "is gone" if data is None else "is not what was released (its SHA-256 differs)"
            raise ComputeError(f"{self._storage.uri_of(name)} {what}; choose another release")
        return data

    def delete(self, team: str, kept: KeptRelease) -> None:
        """Delete a release, its record first, so that what is left of an interrupted deletion counts as not kept."""
        for kind, generation in (("json", kept.record), ("zip", kept.archive)):
            if generation != NEW:
                self._storage.delete(f"{team}/{kept.release}.{kind}", generation)


class LiveReleases:
    """The archives of all teams in the Airflow environment's bucket."""

    suffix = ".zip"

    def __init__(self, client: GoogleClient, bucket: str, prefix: str) -> None:
        self._storage = TreeStorage(client, bucket, f"{prefix}/{_LIVE_PREFIX}")

    def uri_of(self, team: str) -> str:
        """The address of a team's archive."""
        return self._storage.uri_of(f"{team}{self.suffix}")

    def files_of(self, record: ReleaseRecord) -> frozenset[str]:
        """What a release consists of in the DAG folder, as names in it."""
        return frozenset({f"{_LIVE_PREFIX}{record.team}{self.suffix}"})

    def differs(self, _live: LiveRelease, _data: bytes) -> bool:
        """Whether what is there is not what was written; an archive says what it is by its metadata."""
        return False

    def list(self, teams: Iterable[str]) -> dict[str, LiveRelease]:
        """What is live, by team. Raises OwnershipError when one of ``teams`` has an object that no release wrote."""
        return self.among(self.objects(), teams)

    def objects(self) -> Sequence[Mapping[str, Any]]:
        """The objects that releases of either layout write, from one listing."""
        return self._storage.list_tree()

    def among(self, objects: Iterable[Mapping[str, Any]], teams: Iterable[str]) -> dict[str, LiveRelease]:
        """What of the objects is live in this layout, by team; raises as ``list`` does."""
        found = {}
        wanted = set(teams)
        for item in objects:
            team = item["name"].removesuffix(self.suffix)
            metadata = item.get("metadata") or {}
            if item["name"] == team or "/" in team:
                continue
            if metadata.get("managed-by") == MANAGED_BY:
                found[team] = _live(team, str(item["generation"]), metadata)
            elif team in wanted:
                raise OwnershipError(
                    f"{self.uri_of(team)} was not written by a release (its metadata lack managed-by={MANAGED_BY}),"
                    " so it is left alone. Nothing was changed. Delete that object if it may go, and run again."
                )
        return found

    def require_free(self, _data: bytes) -> None:
        """Raise OwnershipError where something else is in the way; of an archive's one object a listing tells it."""

    def write(self, record: ReleaseRecord, data: bytes, *, released: Mapping[str, str], generation: str) -> LiveRelease:
        """Replace a team's archive, if it still is at ``generation``, by one that is not verified yet.

        ``released`` has ``released-by``, ``released-at`` and ``previous``.
        """
        metadata = {
            "managed-by": MANAGED_BY,
            "team": record.team,
            "release": record.release,
            "verified": "false",
            **released,
        }
        try:
            written = _write(self._storage, f"{record.team}{self.suffix}", data, metadata, generation)
        except ConcurrentWriterError as error:
            raise self._overtaken(record.team) from error
        return _live(record.team, written, metadata)

    def mark_verified(self, live: LiveRelease, previous: str) -> None:
        """Say that the environment runs it, and what to go back to from now on."""
        metadata = {"verified": "true", "previous": previous}
        try:
            self._storage.patch_metadata(f"{live.team}{self.suffix}", metadata, live.generation, attempts=3)
        except ConcurrentWriterError as error:
            raise self._overtaken(live.team) from error

    def mark_unverified(self, live: LiveRelease) -> LiveRelease:
        """Say that it has to be seen again, so that a run after one that is stopped or fails asks for it, too.

        It did run, so without another way back it is its own.
        """
        metadata = {"verified": "false", "previous": live.previous or live.release}
        try:
            self._storage.patch_metadata(f"{live.team}{self.suffix}", metadata, live.generation, attempts=3)
        except ConcurrentWriterError as error:
            raise self._overtaken(live.team) from error
        return replace(live, verified=False, previous=metadata["previous"])

    def remove(self, live: LiveRelease) -> None:
        """Take a team's archive out of the environment, if it still is this one."""
        try:
            self._storage.delete(f"{live.team}{self.suffix}", live.generation)
        except ConcurrentWriterError as error:
            raise self._overtaken(live.team) from error

    def clear(self, live: Mapping[str, LiveRelease]) -> None:
        """Take all of these out of the environment."""
        for one in live.values():
            self.remove(one)

    def require_current(self, live: LiveRelease) -> None:
        """Raise ConcurrentWriterError when the archive is no longer the one that was written."""
        state = self._storage.state(f"{live.team}{self.suffix}")
        if state is None or state.generation != live.generation:
            raise self._overtaken(live.team)

    def _overtaken(self, team: str) -> ConcurrentWriterError:
        state = self._storage.state(f"{team}{self.suffix}")
        if state is None:
            what = "was deleted"
        else:
            by = state.metadata.get("released-by") or "somebody"
            what = f"is release {state.metadata.get('release', 'unknown')} by {by} now"
        return ConcurrentWriterError(
            f"Another release of team {team} came first: {self.uri_of(team)} {what}. This run left it as it is;"
            " run again to release on top of it."
        )


def _live(team: str, generation: str, metadata: Mapping[str, Any]) -> LiveRelease:
    return LiveRelease(
        team=team,
        generation=generation,
        release=str(metadata.get("release", "")),
        verified=metadata.get("verified") == "true",
        previous=str(metadata.get("previous", "")),
        released_by=str(metadata.get("released-by", "")),
        released_at=str(metadata.get("released-at", "")),
    )


def _write(storage: TreeStorage, name: str, data: bytes, metadata: Mapping[str, str], generation: str) -> str:
    content_type = _CONTENT_TYPES[name.rpartition(".")[2]]
    resource = {"contentType": content_type, "md5Hash": md5_base64(data), "metadata": dict(metadata)}
    return storage.upload(name, resource, lambda: data, generation)
