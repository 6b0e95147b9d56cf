# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of dag_rollback: make a kept release of one team live again, and see that Airflow runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import principal
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_present import (
    PLACE_ARGUMENTS,
    Present,
    look_at_present,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import describe_change
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_plan import plan_team
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import KeptRelease
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import (
    AirflowEnvironment,
    ReleaseSwitch,
    Target,
    raise_failures,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

ARGUMENTS: dict[str, dict[str, Any]] = {
    **PLACE_ARGUMENTS,
    "team": {"type": "str", "required": True},
    "release": {"type": "str"},
}


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Make the release live; returns what the task returns (see the module's RETURN)."""
    team = params["team"]
    api = ComposerApi(client, client.project, params["location"])
    store, present = look_at_present(params, api, client, [team], reporter)
    kept = {one.release: one for one in present.kept.get(team, {}).values() if one.complete}
    live = present.live.get(team)
    release = _chosen(params, kept, present)
    target_kept = kept[release]
    record = store.record(team, target_kept)
    if record is None:
        raise ComputeError(f"The record of release {release} below {store.uri}/{team} was deleted just now; run again")
    plan = plan_team(team, release, live)
    result: dict[str, Any] = {
        "changed": live is None or live.release != release or not live.verified,
        "team": team,
        "release": release,
        "replaced": live.release if live else "",
        "kept": _listed(kept, live.release if live else ""),
        "uri": present.uri,
    }
    if reporter.diff and result["changed"]:
        before = store.record(team, kept.get(live.release)) if live else None
        result["diff"] = [describe_change(present.uri_of(team), before, record)]
    if not result["changed"] or reporter.check_mode:
        return result
    api.wait_until_running(params["composer_environment"], params["ready_timeout"])
    airflow = AirflowEnvironment(api, params["composer_environment"], params["verify_timeout"])
    target = Target(
        record=record,
        data=None if live is not None and live.release == release else store.archive(record, target_kept),
        # The release that is left was verified; where it was not, the one to go back to is the one chosen here.
        previous=plan.previous if plan.previous != release else "",
        live=live,
        kept=target_kept,
        new=False,
    )
    before_switch = airflow.look()
    by = principal.run(params, client, reporter)["principal"]
    switch = ReleaseSwitch(store, present.store, airflow, released_by=by, progress=reporter.progress)
    outcome = switch.run([target], before_switch)
    now_live = outcome.written[team].release if team in outcome.written else result["replaced"]
    result |= {"put_back": dict(outcome.put_back), "kept": _listed(kept, now_live)}
    raise_failures(outcome, result)
    return result


def _listed(kept: Mapping[str, KeptRelease], live: str) -> list[dict[str, Any]]:
    """The kept releases, newest first."""
    newest = sorted(kept.values(), key=lambda one: (one.released_at, one.release), reverse=True)
    return [
        {
            "release": one.release,
            "released_at": one.released_at,
            "released_by": one.released_by,
            "verified": one.verified,
            "live": one.release == live,
        }
        for one in newest
    ]


def _chosen(params: Mapping[str, Any], kept: Mapping[str, KeptRelease], present: Present) -> str:
    """The release that was asked for, or the one before the live one. Raises ValidationError with what there is."""
    team, release = params["team"], params["release"]
    subject = f"the rollback of team {team}"
    if not kept:
        teams = [name for name, releases in present.kept.items() if releases]
        raise ValidationError(
            [f"team {team!r} has no kept release in {params['environment']}; {near_miss(team, teams)}"], subject
        )
    if release and release not in kept:
        raise ValidationError([f"release {release!r} is not kept; {near_miss(release, kept)}"], subject)
    if release:
        return release
    live = present.live.get(team)
    previous = live.previous if live and live.previous != live.release else ""
    if previous not in kept:
        what = f"release {previous}, which is no longer kept" if previous else "none"
        raise ValidationError(
            [f"the release before the live one is {what}; expected release=ID; {near_miss('', kept)}"], subject
        )
    return previous


DEFINITION = TaskDefinition(argument_spec=add_common_arguments(ARGUMENTS), run=run)
