# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release has to do, from what is wanted, kept and live. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import KeptRelease, LiveRelease

NONE, VERIFY, VERIFY_AGAIN, RELEASE = "none", "verify", "verify_again", "release"


@dataclass(frozen=True)
class TeamPlan:
    """What becomes of one team: the action, and the release to go back to, empty for none."""

    team: str
    release: str
    action: str
    previous: str


def plan_team(team: str, release: str, live: LiveRelease | None, *, again: bool = False) -> TeamPlan:
    """Return what to do: nothing, verify what an interrupted run has left, or release; ``again`` instead of nothing.

    To go back to is what was verified last: a release that nobody has seen working is no place to go back to.
    """
    if live is None:
        return TeamPlan(team, release, RELEASE, "")
    if live.release == release:
        verified = VERIFY_AGAIN if again else NONE
        return TeamPlan(team, release, verified if live.verified else VERIFY, live.previous)
    return TeamPlan(team, release, RELEASE, live.release if live.verified else live.previous)


def plan_pruning(
    kept: Mapping[str, KeptRelease], keep: int, *, live: LiveRelease | None, wanted: str, previous: str
) -> list[KeptRelease]:
    """Return the kept releases to delete, oldest first: all but the ``keep`` newest, the live one and its previous.

    ``wanted`` is the release that is about to be live, and counts as the newest.
    """
    protected = {wanted, previous}
    if live is not None:
        protected |= {live.release, live.previous}
    newest = sorted(kept.values(), key=lambda one: (one.release == wanted, one.released_at, one.release), reverse=True)
    room = keep if wanted in kept else keep - 1
    return [one for one in reversed(newest[max(0, room) :]) if one.release not in protected]
