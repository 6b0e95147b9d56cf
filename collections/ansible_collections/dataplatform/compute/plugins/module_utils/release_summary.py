# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release or a rollback of DAGs did, in a few lines for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ACTIONS = {
    ("none", False): "release {release} is live, unchanged",
    ("verify", False): "release {release} is live, seen by Airflow now",
    ("verify_again", False): "release {release} is live, seen by Airflow again",
    ("release", False): "release {release} is live in place of {previous}",
    ("none", True): "release {release} would stay",
    ("verify", True): "release {release} would be waited for, an earlier run did not see it in Airflow",
    ("verify_again", True): "release {release} would stay, and be looked for in Airflow again",
    ("release", True): "release {release} would replace {previous}",
}


def release_summary(result: Mapping[str, Any], check_mode: bool = False) -> list[str]:
    """Return the lines for the result of dag_release or dag_rollback."""
    if "kept" in result:
        return _rollback(result, check_mode)
    lines = []
    for team, one in result["releases"].items():
        values = {"release": one["release"], "previous": one["previous"] or "nothing"}
        lines.append(f"{team}: {_ACTIONS[one['action'], check_mode].format(**values)}, {len(one['dags'])} DAGs")
        if gone := result.get("vanished", {}).get(team):
            lines.append(f"{team}: no longer there: {', '.join(gone)}")
    gate = result["gate"]
    how = "as an earlier run found" if gate["remembered"] else f"imported in {gate['import_seconds']:.2f} s"
    slowest = next(iter(gate["slowest"].items()), None)
    longest = f", longest {slowest[0]}: {slowest[1]:.2f} s" if slowest else ""
    lines.append(f"gate: nothing wrong with Airflow {gate['airflow']}, {how}{longest}")
    return lines


def _rollback(result: Mapping[str, Any], check_mode: bool) -> list[str]:
    release, replaced = result["release"], result["replaced"] or "nothing"
    if not result["changed"]:
        head = f"{result['team']}: release {release} is live, unchanged"
    else:
        head = (
            f"{result['team']}: release {release} {'would replace' if check_mode else 'is live in place of'} {replaced}"
        )
    kept = [f"{one['release']}  {one['released_at']}  {one['released_by']}{_remark(one)}" for one in result["kept"]]
    return [head, "kept releases, newest first (-e release=ID):", *kept]


def _remark(one: Mapping[str, Any]) -> str:
    if one["live"]:
        return "  (live)"
    return "" if one["verified"] else "  (Airflow was never seen to run it)"
