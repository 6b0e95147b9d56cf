# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Make releases live, see that Airflow runs them, and put the ones before back where it does not.

The order of writes, each whole or not there: the archive is kept, its record is kept, the live object is replaced
(marked as not verified), and after Airflow has shown it, the mark is changed. The next run finishes an interrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import ReleaseRecord
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import (
    NEW,
    KeptRelease,
    KeptReleases,
    LiveRelease,
    LiveReleases,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_verification import (
    Asked,
    Expected,
    Seen,
    look,
    verify,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, PartialFailureError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import ConcurrentWriterError
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline


@dataclass(frozen=True)
class Target:
    """One team's archive that shall be live; ``data`` is None where it is live already and only to be verified.

    ``new`` is False for a kept release that is made live again. ``previous`` is what to go back to, empty for nothing.
    """

    record: ReleaseRecord
    data: bytes | None
    previous: str
    live: LiveRelease | None
    kept: KeptRelease | None
    new: bool = True

    @property
    def team(self) -> str:
        """Whose it is."""
        return self.record.team


@dataclass
class Outcome:
    """What became of each team: written, verified, or why not and what is live instead."""

    written: dict[str, LiveRelease] = field(default_factory=dict)
    verified: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    put_back: dict[str, str] = field(default_factory=dict)
    kept: dict[str, KeptRelease] = field(default_factory=dict)


@dataclass(frozen=True)
class AirflowEnvironment:
    """The Airflow environment that archives are released to."""

    api: ComposerApi
    name: str
    verify_timeout: float
    sleep: Callable[[float], None] = time.sleep

    def look(self) -> Seen:
        """What it runs now."""
        return look(self.api, self.name)


class ReleaseSwitch:
    """Changes what is live, with ``released_by`` as the one who does it."""

    def __init__(
        self,
        kept: KeptReleases,
        live: LiveReleases,
        airflow: AirflowEnvironment,
        *,
        released_by: str,
        progress: Callable[[str], None],
    ) -> None:
        self._kept = kept
        self._live = live
        self._airflow = airflow
        self._released_by = released_by
        self._progress = progress

    def run(self, targets: Sequence[Target], before: Seen | None) -> Outcome:
        """Write what has to be written, verify everything, put back what fails.

        Raises PartialFailureError when a team's release was not written or is not run, with what became of all.
        """
        outcome = Outcome()
        for target in targets:
            try:
                outcome.written[target.team] = self._write(target, outcome)
            except ComputeError as error:
                outcome.failed[target.team] = str(error)
        targets = [target for target in targets if target.team in outcome.written]
        reasons = self._verify({target.team: target.record for target in targets}, outcome, before)
        for target in targets:
            if target.team in reasons:
                outcome.failed[target.team] = reasons[target.team]
                self._put_back(target, outcome)
            elif target.team not in outcome.failed:
                outcome.verified.append(target.team)
        return outcome

    def _write(self, target: Target, outcome: Outcome) -> LiveRelease:
        """Keep the archive and its record, then make it live."""
        if target.kept is not None:
            outcome.kept[target.team] = target.kept
        if target.data is None:
            return self._live.mark_unverified(target.live) if target.live.verified else target.live
        if target.previous and target.previous not in self._kept_ids(target.team):
            self._progress(f"{target.team}: release {target.previous} is no longer kept, so it could not be put back")
        if target.new:
            outcome.kept[target.team] = self._kept.keep(target.record, target.data, target.kept)
        self._progress(f"{target.team}: release {target.record.release} replaces {_named(target.live)}")
        return self._replace(
            target.record, target.data, target.previous, target.live.generation if target.live else NEW
        )

    def _kept_ids(self, team: str) -> set[str]:
        return {one.release for one in self._kept.list().get(team, {}).values() if one.complete}

    def _replace(self, record: ReleaseRecord, data: bytes, previous: str, generation: str) -> LiveRelease:
        released = {
            "released-by": self._released_by,
            "released-at": datetime.now(UTC).isoformat(timespec="seconds"),
            "previous": previous,
        }
        return self._live.write(record, data, released=released, generation=generation)

    def _verify(self, records: Mapping[str, ReleaseRecord], outcome: Outcome, before: Seen | None) -> dict[str, str]:
        """Return why by team; a team whose archive somebody else replaces meanwhile has failed without a way back."""
        if not records:
            return {}
        expected = [
            Expected(team, record.release, self._live.files_of(record), tuple(sorted(record.dags)))
            for team, record in records.items()
        ]

        def overtaken(team: str) -> str:
            try:
                self._live.require_current(outcome.written[team])
            except ConcurrentWriterError as error:
                return str(error)
            return ""

        asked = Asked(self._airflow.look, overtaken, self._airflow.sleep, self._progress)
        reasons = verify(asked, expected, before, Deadline(self._airflow.verify_timeout))
        for team, record in records.items():
            if team not in reasons:
                try:
                    self._mark_verified(record, outcome)
                except ComputeError as error:
                    reasons[team] = str(error)
        return reasons

    def _mark_verified(self, record: ReleaseRecord, outcome: Outcome) -> None:
        """Mark the kept release, then, as the last write of all, the live one."""
        written = outcome.written[record.team]
        kept = outcome.kept.get(record.team)
        if kept is not None and kept.release == record.release:
            self._kept.mark_verified(record.team, kept)
        ways_back = (written.previous, record.previous)
        previous = next((release for release in ways_back if release != written.release), "")
        self._live.mark_verified(written, previous)

    def _put_back(self, target: Target, outcome: Outcome) -> None:
        """Make the release before live again, or nothing where there was none, and say how that went."""
        team, written = target.team, outcome.written[target.team]
        try:
            if target.previous in ("", target.record.release):
                outcome.put_back[team] = self._without_previous(target, written)
                return
            record, data = self._kept_release(team, target.previous)
            self._progress(f"{team}: putting release {record.release} back")
            # Until it is verified again it is its own way back: it did run before.
            outcome.written[team] = self._replace(record, data, record.release, written.generation)
        except ConcurrentWriterError as error:
            outcome.put_back[team] = f"nothing. {error}"
            return
        except ComputeError as error:
            outcome.put_back[team] = f"FAILED, release {target.record.release} is still live: {error}"
            return
        reasons = self._verify({team: record}, outcome, None)
        outcome.put_back[team] = (
            f"release {record.release}, but Airflow does not run that one either: {reasons[team]}"
            if reasons
            else f"release {record.release}, which Airflow runs again"
        )

    def _without_previous(self, target: Target, written: LiveRelease) -> str:
        if not target.new or written.previous:
            return "nothing: there is no other release that was seen working, so it stays"
        self._live.remove(written)
        return "nothing: no release was seen working before it, so it was taken out again"

    def _kept_release(self, team: str, release: str) -> tuple[ReleaseRecord, bytes]:
        kept = self._kept.list().get(team, {}).get(release)
        record = self._kept.record(team, kept)
        if kept is None or record is None:
            raise ComputeError(f"release {release} is no longer kept below {self._kept.uri}")
        return record, self._kept.archive(record, kept)


def raise_failures(outcome: Outcome, result: dict[str, Any]) -> None:
    """Raise PartialFailureError with the reason and the present state of every team that failed."""
    if not outcome.failed:
        return
    lines = []
    for team, reason in sorted(outcome.failed.items()):
        state = f"\nPut back: {outcome.put_back[team]}." if team in outcome.put_back else ""
        lines.append(f"The release of team {team} failed: {reason}{state}")
    for team in sorted(set(outcome.put_back) - set(outcome.failed)):
        lines.append(f"Put back of the layout before, team {team}: {outcome.put_back[team]}.")
    done = f"\nReleased all the same: {', '.join(outcome.verified)}." if outcome.verified else ""
    raise PartialFailureError("\n".join(lines) + done, result)


def _named(live: LiveRelease | None) -> str:
    return f"release {live.release} of {live.released_by}" if live else "nothing"
