# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of dag_release: build the archives, ask the gate, compare, and where something differs: switch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import principal
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import DagArchive, build_archive
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_artifacts import missing_objects, named_objects
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_gate import GateSettings, ask_gate, describe
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_layout import put_layout_back
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import (
    LOOSE,
    merge_documents,
    merge_sources,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_present import (
    FILES,
    PLACE_ARGUMENTS,
    Present,
    look_at_present,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import ReleaseRecord, new_record
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_plan import (
    NONE,
    RELEASE,
    VERIFY_AGAIN,
    TeamPlan,
    plan_pruning,
    plan_team,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_report import (
    release_diff,
    release_result,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_sources import TeamSources, read_sources
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import KeptReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import (
    AirflowEnvironment,
    Outcome,
    ReleaseSwitch,
    Target,
    raise_failures,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_verification import (
    Seen,
    is_one_of,
    taken_ids,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

ARGUMENTS: dict[str, dict[str, Any]] = {
    **PLACE_ARGUMENTS,
    "source": {"type": "path", "required": True},
    "documents": {"type": "dict", "required": True},
    "teams": {"type": "list", "elements": "str"},
    "owners": {"type": "dict", "required": True},
    "min_retries": {"type": "int", "default": 1},
    "import_seconds": {"type": "float", "default": 30.0},
    "keep": {"type": "int", "default": 10},
    "replace_layout": {"type": "bool", "default": False},
    "verify_unchanged": {"type": "bool", "default": False},
    "airflow_python": {"type": "path", "required": True},
    "gate_directory": {"type": "path", "required": True},
    "gate_timeout": {"type": "float", "default": 900.0},
    "gate_cache": {"type": "path"},
}


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Make the sources the live release of every team; returns what the task returns (see the module's RETURN)."""
    _check(params)
    sources, documents = read_sources(params["source"], params["documents"]), params["documents"]
    if params["layout"] == FILES:
        sources, documents = {LOOSE: merge_sources(sources)}, {LOOSE: merge_documents(documents)}
    archives = {
        team: build_archive(team, params["environment"], found.files, str(documents[team]))
        for team, found in sources.items()
    }
    api = ComposerApi(client, client.project, params["location"])
    with ThreadPoolExecutor(max_workers=2) as pool:
        verdict = pool.submit(ask_gate, list(archives.values()), _gate_settings(params))
        kept_store, present = look_at_present(params, api, client, archives, reporter)
        report = verdict.result()
    _require_no_findings(report, sources)
    warn_of_teams_that_are_gone(present, archives, reporter)

    teams = sorted(archives) if params["layout"] == FILES else params["teams"] or sorted(archives)
    again = params["verify_unchanged"]
    plans = [plan_team(team, archives[team].release, present.live.get(team), again=again) for team in teams]
    plans = [_with_drift(plan, archives[plan.team], present) for plan in plans]
    changing = [plan for plan in plans if plan.action != NONE]
    records = _records(present, kept_store, teams)
    by = principal.run(params, client, reporter)["principal"] if changing else ""
    targets = [_target(plan, archives[plan.team], report, present, by) for plan in changing]
    before: Seen | None = None
    airflow = AirflowEnvironment(api, params["composer_environment"], params["verify_timeout"])
    origins = {team: found.origins for team, found in sources.items()}
    if changing and present.store is not None:
        _require_artifacts(params, client, reporter)
        if not reporter.check_mode:
            api.wait_until_running(params["composer_environment"], params["ready_timeout"])
        before = airflow.look()
        require_free_ids(targets, before, present, records, origins)
        for target in targets:
            if target.data is not None:
                present.store.require_free(target.data)
    pruning = {
        plan.team: plan_pruning(
            present.kept.get(plan.team, {}),
            params["keep"],
            live=present.live.get(plan.team),
            wanted=plan.release,
            previous=plan.previous,
        )
        for plan in plans
    }
    result = release_result(plans, targets, present, records, report=report, pruning=pruning)
    if reporter.diff:
        result["diff"] = release_diff(targets, records, present, pruning)
    if reporter.check_mode:
        return result
    if present.other is not None:
        present.other.remove()
    if targets:
        switch = ReleaseSwitch(kept_store, present.store, airflow, released_by=by, progress=reporter.progress)
        outcome = switch.run(targets, _before_this_run(before, plans, targets, present))
        if present.other is not None and outcome.failed:
            back = ReleaseSwitch(kept_store, present.other.store, airflow, released_by=by, progress=reporter.progress)
            put_layout_back(present, kept_store, back, outcome)
        _add_outcome(result, outcome)
        raise_failures(outcome, result)
    for team, old in pruning.items():
        for release in old:
            kept_store.delete(team, release)
    return result


def _with_drift(plan: TeamPlan, archive: DagArchive, present: Present) -> TeamPlan:
    """Release again what somebody changed behind the release's back."""
    live = present.live.get(plan.team)
    if plan.action == RELEASE or live is None or not present.store.differs(live, archive.data):
        return plan
    return replace(plan, action=RELEASE)


def _check(params: Mapping[str, Any]) -> None:
    problems = []
    if params["layout"] == FILES and set(params["teams"] or params["documents"]) != set(params["documents"]):
        problems.append("teams names some of the teams, but loose files are one tree of all; expected no teams")
    if LOOSE in params["documents"]:
        problems.append(
            f"documents has the team {LOOSE!r}, as loose files of all teams are called; expected another name"
        )
    if params["keep"] < 1:
        problems.append(f"keep is {params['keep']}, expected 1 at least")
    for team in params["teams"] or []:
        if team not in params["documents"]:
            problems.append(f"teams has {team!r}, which has no document; {near_miss(team, params['documents'])}")
    if problems:
        raise ValidationError(problems, "the options of dag_release")


def _gate_settings(params: Mapping[str, Any]) -> GateSettings:
    return GateSettings(
        python=params["airflow_python"],
        directory=params["gate_directory"],
        policies={
            "owners": dict(sorted(params["owners"].items())),
            "min_retries": params["min_retries"],
            "import_seconds": params["import_seconds"],
        },
        timeout=params["gate_timeout"],
        cache=params["gate_cache"] or "",
    )


def _require_no_findings(report: Mapping[str, Any], sources: Mapping[str, TeamSources]) -> None:
    if report["findings"]:
        origins = {team: found.origins for team, found in sources.items()}
        raise ValidationError(describe(report["findings"], origins), "the DAGs of this release")


def require_free_ids(
    targets: Sequence[Target],
    seen: Seen,
    present: Present,
    records: Mapping[str, ReleaseRecord | None],
    origins: Mapping[str, Any],
) -> None:
    """Refuse ids that something else in the environment has: another team's archive, or a file of somebody.

    ``records`` are those of what is live, whose files the targets replace. Raises ValidationError.
    """
    ours = [record for target in targets for record in (target.record, records.get(target.team)) if record is not None]
    releasing = frozenset().union(*map(present.store.files_of, ours))
    if present.other is not None:
        releasing |= present.other.names
    problems = []
    for target in targets:
        dags = target.record.dags
        for dag, place in sorted(taken_ids(seen, dags, releasing).items()):
            file = origins[target.team].get(dags[dag], dags[dag])
            problems.append(f"{file}: DAG {dag}: {place} in the environment has this id; expected an id of its own")
    if problems:
        raise ValidationError(problems, "the DAGs of this release")


def _before_this_run(seen: Seen, plans: Sequence[TeamPlan], targets: Sequence[Target], present: Present) -> Seen:
    """What Airflow said before, without errors of what is verified again: those are no remains of another release."""
    again = {plan.team for plan in plans if plan.action == VERIFY_AGAIN}
    names = frozenset().union(*(present.store.files_of(one.record) for one in targets if one.team in again))
    return replace(seen, errors={file: error for file, error in seen.errors.items() if not is_one_of(file, names)})


def warn_of_teams_that_are_gone(present: Present, teams: Collection[str], reporter: Reporter) -> None:
    """Say what is live of teams that the inventory no longer has: no release replaces it, and its DAGs go on."""
    for team in sorted(set(present.live) - set(teams)):
        reporter.warn(
            f"{present.uri_of(team)} is of team {team}, which the inventory no longer has. Its DAGs go on running;"
            " delete that object if they may go."
        )


def _require_artifacts(params: Mapping[str, Any], client: GoogleClient, reporter: Reporter) -> None:
    """Refuse workloads that name what nobody has uploaded; in check mode the same play may be about to upload it."""
    bucket = params["artifacts_bucket"]
    missing = missing_objects(client, bucket, named_objects(bucket, params["documents"].values()))
    if not missing:
        return
    problems = [f"{uri} does not exist, but workloads name it; expected it from site.yml" for uri in missing]
    if not reporter.check_mode:
        raise ValidationError(problems, "the artefacts of this release")
    reporter.warn(f"{len(missing)} artefacts that workloads name are not uploaded yet: {', '.join(missing)}")


def _records(present: Present, kept: KeptReleases, teams: Sequence[str]) -> dict[str, ReleaseRecord | None]:
    """The records of what is live, as far as kept."""
    return {
        team: kept.record(team, present.kept.get(team, {}).get(present.live[team].release))
        for team in teams
        if team in present.live
    }


def _target(plan: TeamPlan, archive: DagArchive, report: Mapping[str, Any], present: Present, by: str) -> Target:
    return Target(
        record=new_record(
            archive,
            report["archives"][plan.team]["dags"],
            released_by=by,
            released_at=datetime.now(UTC).isoformat(timespec="seconds"),
            previous=plan.previous,
        ),
        data=archive.data if plan.action == RELEASE else None,
        previous=plan.previous,
        live=present.live.get(plan.team),
        kept=present.kept.get(plan.team, {}).get(plan.release),
    )


def _add_outcome(result: dict[str, Any], outcome: Outcome) -> None:
    result["verified"] = sorted(outcome.verified)
    result["put_back"] = dict(outcome.put_back)
    if not outcome.written and not outcome.put_back:
        result["changed"] = False
    elif outcome.put_back:
        result["changed"] = True


DEFINITION = TaskDefinition(argument_spec=add_common_arguments(ARGUMENTS), run=run)
