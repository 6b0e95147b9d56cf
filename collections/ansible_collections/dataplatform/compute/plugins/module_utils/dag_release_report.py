# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release is going to do, for people and for tasks behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import LooseReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_present import Present
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import (
    ReleaseRecord,
    describe_change,
    vanished,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_plan import (
    NONE,
    VERIFY_AGAIN,
    TeamPlan,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import KeptRelease
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import Target

_SLOWEST_SHOWN = 5


def release_result(
    plans: Sequence[TeamPlan],
    targets: Sequence[Target],
    present: Present,
    records: Mapping[str, ReleaseRecord | None],
    *,
    report: Mapping[str, Any],
    pruning: Mapping[str, Sequence[KeptRelease]],
) -> dict[str, Any]:
    """Return what the task returns, as far as it is known before the first write."""
    return {
        "changed": any(plan.action not in (NONE, VERIFY_AGAIN) for plan in plans)
        or any(pruning.values())
        or present.other is not None,
        "uri": present.uri,
        "releases": {
            plan.team: {
                "release": plan.release,
                "action": plan.action,
                "live": present.live[plan.team].release if plan.team in present.live else "",
                "previous": plan.previous,
                "dags": sorted(report["archives"][plan.team]["dags"]),
            }
            for plan in plans
        },
        "unlisted": {team: present.uri_of(team) for team in sorted(set(present.live) - set(report["archives"]))},
        "vanished": {
            target.team: gone for target in targets if (gone := vanished(records.get(target.team), target.record))
        },
        "pruned": {team: [one.release for one in old] for team, old in pruning.items() if old},
        "gate": _gate_summary(report),
    }


def _gate_summary(report: Mapping[str, Any]) -> dict[str, Any]:
    seconds = {
        f"{file} of {team}": taken
        for team, found in report["archives"].items()
        for file, taken in found["seconds"].items()
    }
    slowest = sorted(seconds, key=lambda name: seconds[name], reverse=True)[:_SLOWEST_SHOWN]
    return {
        "airflow": report["airflow"],
        "remembered": report["remembered"],
        "import_seconds": round(sum(seconds.values()), 3),
        "slowest": {name: round(seconds[name], 3) for name in slowest},
    }


def release_diff(
    targets: Sequence[Target],
    records: Mapping[str, ReleaseRecord | None],
    present: Present,
    pruning: Mapping[str, Sequence[KeptRelease]],
) -> list[dict[str, str]]:
    """Return Ansible's diffs: of every team, of loose files, and of the kept releases."""
    diffs = [
        describe_change(present.uri_of(target.team), records.get(target.team), target.record)
        for target in targets
        if target.data is not None
    ]
    if present.other is not None:
        gone = "".join(f"{present.other.store.uri_of(team)}\n" for team in sorted(present.other.live))
        headers = {"before_header": "the other layout", "after_header": "the other layout"}
        diffs.append({**headers, "before": gone, "after": ""})
    if isinstance(present.store, LooseReleases):
        compared = [present.store.compare(target.data) for target in targets if target.data is not None]
        diffs += [diff for one in compared for diff in one.get("diff", [])]
    for team, old in pruning.items():
        if old:
            lines = "".join(f"{one.release}  {one.released_at}\n" for one in old)
            headers = {"before_header": f"kept releases of {team}", "after_header": f"kept releases of {team}"}
            diffs.append({**headers, "before": lines, "after": ""})
    return diffs
