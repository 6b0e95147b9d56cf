# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The way back from a change of the layout that fails: without it no DAG would be left, not even the reaper.

All or nothing, because what one layout has of a team that did well and the other puts back would be there twice.
"""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_present import OtherLayout, Present
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import KeptReleases, LiveReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import Outcome, ReleaseSwitch, Target
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def put_layout_back(present: Present, kept: KeptReleases, back: ReleaseSwitch, outcome: Outcome) -> None:
    """Take the releases out again and make live what there was before; the outcome tells how that went.

    ``back`` switches what is live in the other layout.
    """
    other = present.other
    try:
        targets = _targets(other, kept, present, outcome)
        if not targets or not _taken_out(other, present.store, outcome):
            return
    except ComputeError as error:
        outcome.put_back |= dict.fromkeys(other.live, f"FAILED: {error}")
        return
    again = back.run(targets, None)
    for target in targets:
        release = f"release {target.record.release}"
        outcome.put_back[target.team] = (
            f"{release}, but Airflow was not seen to run it: {again.failed[target.team]}"
            if target.team in again.failed
            else f"{release}, which Airflow runs again"
        )


def _targets(other: OtherLayout, kept: KeptReleases, present: Present, outcome: Outcome) -> list[Target]:
    """What there was, as far as it is kept."""
    targets = []
    for team, live in sorted(other.live.items()):
        found = present.kept.get(team, {}).get(live.release)
        record = kept.record(team, found)
        if found is None or record is None:
            outcome.put_back[team] = f"FAILED: release {live.release} is no longer kept below {kept.uri}"
            continue
        # It did run, so until it is verified again it is its own way back.
        targets.append(Target(record, kept.archive(record, found), live.release, None, found, new=False))
    return targets


def _taken_out(other: OtherLayout, store: LiveReleases, outcome: Outcome) -> bool:
    """Take out what this run made live; False, and nothing done, where something else is live now."""
    live = {team: one for team, one in store.list([]).items() if team in outcome.written or team in outcome.failed}
    for team, one in live.items():
        if team not in outcome.written or outcome.written[team].generation != one.generation:
            outcome.put_back |= dict.fromkeys(other.live, f"nothing, because {store.uri_of(team)} is live")
            return False
    store.clear(live)
    for team in outcome.verified:
        outcome.failed[team] = "it was taken out again with the others, because the layout before is put back"
    outcome.verified.clear()
    return True
