"""Counters that begin anew: Cloud Monitoring takes a smaller value only with a later start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from node_metrics.figures import CUMULATIVE, Figure, Reading
from node_metrics.points import earliest_after

_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Look:
    """The last look at a counter; `began` is what was said of its start, `since` what was made of that."""

    value: float
    at: float
    began: float
    since: float


class Counters:
    """What was read last of each counter.

    A scheduler drops its counters when a client restarts it, which is none of its starts.
    """

    def __init__(self) -> None:
        """No counter is known yet."""
        self._looks: dict[tuple[Figure, _Labels], _Look] = {}

    def since_they_fell(self, readings: Iterable[Reading], now: float) -> list[Reading]:
        """Return what was read at `now`; a counter that fell counts from the look before."""
        looks: dict[tuple[Figure, _Labels], _Look] = {}
        present: set[_Labels] = set()
        found = []
        for reading in readings:
            labels = tuple(sorted(reading.labels.items()))
            present.add(labels)
            if reading.figure.kind == CUMULATIVE:
                # Of two with the same labels the first one is sent.
                look = looks.setdefault((reading.figure, labels), self._look(reading, labels, now))
                found.append(replace(reading, since=look.since))
            else:
                found.append(reading)
        # A restarted scheduler has no counter for a while, and a busy one no answer. Neither is gone as long as it is
        # said whether it is up, which has the same labels.
        kept = {series: look for series, look in self._looks.items() if series[1] in present}
        self._looks = {**kept, **looks}
        return found

    def _look(self, reading: Reading, labels: _Labels, now: float) -> _Look:
        last = self._looks.get((reading.figure, labels))
        since = reading.since
        if last is not None:
            anew = reading.value < last.value or reading.since != last.began
            since = max(since, earliest_after(last.at)) if anew else last.since
        return _Look(reading.value, now, reading.since, since)
