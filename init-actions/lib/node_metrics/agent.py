"""One round after another: read, show on the node's endpoint, send. Nothing that fails ends it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from node_metrics import hadoop, scraping, targets
from node_metrics.counters import Counters
from node_metrics.exposition import Sample, render
from node_metrics.figures import FIGURES, GROUPS, Reading
from node_metrics.google import Machine, Metadata, MetadataError, Monitoring, Outcome
from node_metrics.node import Node
from node_metrics.points import batches, time_series

#: After failures so many rounds at most are left out before the next try.
MOST_ROUNDS_LEFT_OUT = 15
#: Of Google's messages, which name every point; in characters.
MOST_TEXT = 400
_HELPS = {
    "node_metrics_points_written_total": "Points that Cloud Monitoring took",
    "node_metrics_write_failures_total": "Requests that Cloud Monitoring did not take",
    "node_metrics_last_write_status": "HTTP status of the last request, 0 without an answer",
    **{figure.exposed_name: figure.description for figure in FIGURES},
}


class Log:
    """One line per change: what goes on is not said again, and neither is what ended."""

    def __init__(self, write: Callable[[str], None] = lambda text: print(text, flush=True)) -> None:
        """Say lines to `write`; under systemd they are the journal's."""
        self._write = write
        self._said: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Say a line."""
        self._write(text)

    def problem(self, subject: str, kind: str, text: str) -> None:
        """Say what is wrong with something, unless this kind of trouble was the last that was said of it."""
        if self._said.get(subject) != kind:
            self._said[subject] = kind
            self._write(text)

    def fine(self, subject: str, text: str) -> None:
        """Say that something is in order again, if it was not."""
        if self._said.pop(subject, None) is not None:
            self._write(text)


@dataclass(frozen=True)
class Settings:
    """What the node bundle says: seconds between rounds, which groups of figures, where to look."""

    interval: int = 60
    groups: tuple[str, ...] = GROUPS
    directory: Path = targets.DIRECTORY
    yarn_site: Path = hadoop.YARN_SITE


class Agent:
    """Reads and sends; `text` is what the endpoint shows."""

    def __init__(
        self,
        settings: Settings,
        metadata: Metadata,
        monitoring: Monitoring,
        log: Log,
        node: Node,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is read or sent yet; `jitter` gives 0 to 1."""
        self._jitter = jitter
        self._settings = settings
        self._metadata = metadata
        self._monitoring = monitoring
        self._log = log
        self._node = node
        self._machine: Machine | None = None
        self._counters = Counters()
        self._failures = 0
        self._left_out = 0
        self._written = 0
        self._refused = 0
        self._status = 0
        self.text = ""

    def round(self) -> float:
        """Do one round; its points are of its beginning, however long answers take. Return that in monotonic time."""
        now = time.time()
        # Read second: held up between the two, the next round begins later, and never too soon after these points.
        begun = time.monotonic()
        try:
            self._round(now)
        except Exception as problem:
            # Much of what is read was made by users' code: whatever it leads to, the next round may be without it.
            self._log.problem("round", type(problem).__name__, f"a round ended early: {problem!r}")
        else:
            self._log.fine("round", "rounds end in good order again")
        return begun

    def _round(self, now: float) -> None:
        machine = self._who_am_i()
        readings = self._read(machine, now)
        self._show(readings)
        if machine is not None and readings and self._may_send():
            self._send(readings, machine, now)
            self._show(readings)

    def _who_am_i(self) -> Machine | None:
        if self._machine is None:
            try:
                self._machine = self._metadata.machine()
            except MetadataError as problem:
                self._log.problem("metadata", "away", f"the metadata server does not say what this node is: {problem}")
                return None
            self._log.fine("metadata", "the metadata server answers")
        return self._machine

    def _read(self, machine: Machine | None, now: float) -> list[Reading]:
        sources: dict[str, Callable[[], Iterable[Reading]]] = {
            "node": self._node.read,
            "yarn": lambda: self._read_yarn(machine.role) if machine else [],
            "dask": lambda: self._counters.since_they_fell(self._read_dask(), now),
        }
        readings: list[Reading] = []
        for group, read in sources.items():
            if group not in self._settings.groups:
                continue
            try:
                readings += read()
            except Exception as problem:
                # Whatever is wrong with one group, the others are sent.
                self._log.problem(group, type(problem).__name__, f"no figures of {group}: {problem}")
            else:
                self._log.fine(group, f"figures of {group} are there")
        return readings

    def _read_yarn(self, role: str) -> list[Reading]:
        name, port, read = scraping.YARN[role]
        return read(*hadoop.web_address(self._settings.yarn_site, name, port))

    def _read_dask(self) -> list[Reading]:
        found, complaints = targets.find(self._settings.directory)
        if complaints:
            # Users' code can write there: whatever it writes is one line.
            self._log.problem("announcements", "wrong", f"{len(complaints)} announcements of Dask: {complaints[0]}")
        else:
            self._log.fine("announcements", "all announcements of Dask are in order")
        return scraping.read_targets(found)

    def _show(self, readings: list[Reading]) -> None:
        own = [
            Sample("node_metrics_points_written_total", self._written),
            Sample("node_metrics_write_failures_total", self._refused),
            Sample("node_metrics_last_write_status", self._status),
        ]
        shown = [Sample(reading.figure.exposed_name, reading.value, reading.labels) for reading in readings]
        self.text = render([*own, *shown], _HELPS)

    def _may_send(self) -> bool:
        """Whether this round tries: after failures ever fewer do."""
        if self._left_out > 0:
            self._left_out -= 1
            return False
        return True

    def _send(self, readings: list[Reading], machine: Machine, now: float) -> None:
        taken = False
        for batch in batches(time_series(readings, machine, now)):
            try:
                outcome = self._monitoring.write(machine.project, batch)
            except MetadataError as problem:
                outcome = Outcome(0, str(problem))
            self._status = outcome.status
            if outcome.ok:
                self._written += len(batch)
                taken = True
                continue
            self._note_failure(outcome, machine)
            # What is wrong with points of one request is not wrong with those of the next.
            if outcome.status != 400:
                return
        if taken:
            self._log.fine("write", f"Cloud Monitoring takes points again, after {self._failures} failures")
            self._failures = 0

    def _note_failure(self, outcome: Outcome, machine: Machine) -> None:
        self._refused += 1
        self._failures += 1
        self._left_out = rounds_to_leave_out(self._failures, outcome.status, self._jitter)
        text = explanation(outcome, machine.project)
        if outcome.status == 400:
            # That later points are taken says nothing of those; the same reason for other points is no news.
            self._log.problem("points", re.sub(r"[0-9]+", "", text), text)
            return
        # Nor is what does not depend on us, in other words or with another status.
        self._log.problem("write", "403" if outcome.status == 403 else "away", text)


def rounds_to_leave_out(failures: int, status: int, jitter: Callable[[], float]) -> int:
    """Return how many rounds to wait after so many failures in a row: 0, 1, 3, 7, then 15, less up to a half.

    What is wrong with one point (400) is not wrong with the next one, so nothing is left out then.
    """
    if status == 400:
        return 0
    most = min(2 ** (min(failures, 16) - 1) - 1, MOST_ROUNDS_LEFT_OUT)
    return most - int(most / 2 * jitter())


def explanation(outcome: Outcome, project: str) -> str:
    """Return what a failed write means to people."""
    if outcome.status == 403:
        return (
            f"Cloud Monitoring refuses points of project {project} (HTTP 403): this node's service account lacks "
            "monitoring.timeSeries.create (roles/monitoring.metricWriter), or the API is not enabled: "
            f"{outcome.message[:MOST_TEXT]}"
        )
    if outcome.status == 400:
        return f"Cloud Monitoring refuses some points (HTTP 400): {outcome.message[:MOST_TEXT]}"
    what = f"HTTP {outcome.status}" if outcome.status else outcome.message[:MOST_TEXT]
    return f"Cloud Monitoring does not take points now: {what}; later rounds try again"
