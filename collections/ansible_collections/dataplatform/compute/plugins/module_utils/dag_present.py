# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What there is before a release or a rollback: the kept releases and the live ones of an Airflow environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    ComposerApi,
    EnvironmentNotFoundError,
    dag_folder,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import LOOSE, LooseReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import (
    KeptRelease,
    KeptReleases,
    LiveRelease,
    LiveReleases,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import MissingBucketError, OwnershipError

ARCHIVE, FILES = "archive", "files"

PLACE_ARGUMENTS: dict[str, dict[str, Any]] = {
    "composer_environment": {"type": "str", "required": True},
    "location": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "artifacts_bucket": {"type": "str", "required": True},
    "layout": {"type": "str", "choices": [ARCHIVE, FILES], "default": ARCHIVE},
    "ready_timeout": {"type": "float", "default": 900.0},
    "verify_timeout": {"type": "float", "default": 900.0},
}


@dataclass(frozen=True)
class OtherLayout:
    """What is live of the layout that the inventory no longer has: every DAG would be there twice."""

    store: LiveReleases
    live: Mapping[str, LiveRelease]
    names: frozenset[str]

    def remove(self) -> None:
        """Take it out of the DAG folder."""
        for live in self.live.values():
            self.store.remove(live)


@dataclass(frozen=True)
class Present:
    """What there is: the kept releases, the live ones, and where they live; no store where there is no environment."""

    kept: Mapping[str, Mapping[str, KeptRelease]]
    live: Mapping[str, LiveRelease]
    store: LiveReleases | None
    uri: str
    other: OtherLayout | None = None

    def uri_of(self, team: str) -> str:
        """The address of a team's release, as far as it is known."""
        return self.store.uri_of(team) if self.store is not None else f"{self.uri}, {team}"


def look_at_present(
    params: Mapping[str, Any],
    api: ComposerApi,
    client: GoogleClient,
    teams: Iterable[str],
    reporter: Reporter,
) -> tuple[KeptReleases, Present]:
    """Return where releases are kept, and what is kept and live.

    In check mode an environment or bucket that is not there yet is an empty one. Raises OwnershipError when an object
    of one of ``teams`` is somebody else's, or the environment has releases of the other layout.
    """
    name = params["composer_environment"]
    kept = KeptReleases(client, params["artifacts_bucket"], params["environment"])
    try:
        environment = api.get_environment(name)
    except EnvironmentNotFoundError as error:
        if not reporter.check_mode:
            raise
        reporter.warn(f"{error} Shown is what a run does once it is there.")
        return kept, Present({}, {}, None, f"the DAG folder of {name}")
    bucket, prefix = dag_folder(environment)
    store, other = LiveReleases(client, bucket, prefix), LooseReleases(client, bucket, prefix)
    if params["layout"] == FILES:
        store, other, teams = other, store, [LOOSE]
    try:
        listed = kept.list()
    except MissingBucketError as error:
        if not reporter.check_mode:
            raise
        reporter.warn(f"{error} Shown is what a run does once it is there.")
        listed = {}
    objects = store.objects()
    found = _other_layout(other, other.among(objects, []), kept, listed)
    if found is not None and not params.get("replace_layout"):
        addresses = ", ".join(other.uri_of(team) for team in found.live)
        raise OwnershipError(
            f"The DAG folder holds releases of another layout than {params['layout']}: {addresses}. Nothing was"
            " changed, because every DAG would be there twice. To take those out first, run sync_dags.yml with"
            " -e dag_release_replace_layout=true; DAGs are missing from Airflow until it has fetched the new ones."
        )
    return kept, Present(listed, store.among(objects, teams), store, f"gs://{bucket}/{prefix}", found)


def _other_layout(
    other: LiveReleases,
    live: Mapping[str, LiveRelease],
    kept: KeptReleases,
    listed: Mapping[str, Mapping[str, KeptRelease]],
) -> OtherLayout | None:
    if not live:
        return None
    records = [kept.record(team, listed.get(team, {}).get(one.release)) for team, one in live.items()]
    return OtherLayout(other, live, frozenset().union(*(other.files_of(record) for record in records if record)))
