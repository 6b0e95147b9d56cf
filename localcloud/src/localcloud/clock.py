"""Time as the emulated services see it: real instants, durations scaled by the pace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# `fast` keeps the order of events (a cluster is CREATING before it is RUNNING) at a hundredth of Google's waiting time.
PACE_FACTORS = {"real": 1.0, "fast": 0.01}


def utc_now() -> datetime:
    """Return the current instant, in UTC."""
    return datetime.now(UTC)


def format_timestamp(instant: datetime) -> str:
    """Render an instant as Google's APIs do: RFC 3339 in UTC, with microseconds and a final Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Clock:
    """Source of instants and durations; tests pass their own `source` to move time by hand."""

    def __init__(self, pace: str = "fast", source: Callable[[], datetime] = utc_now) -> None:
        """Use the factor of `pace` (see PACE_FACTORS) and `source` for the current instant."""
        self.factor = PACE_FACTORS[pace]
        self._source = source

    def now(self) -> datetime:
        """Return the current instant, in UTC."""
        return self._source()

    def duration(self, seconds: float) -> float:
        """Return how many real seconds something takes that takes `seconds` on Google."""
        return seconds * self.factor

    def after(self, seconds: float) -> datetime:
        """Return the instant at which something started now ends that takes `seconds` on Google."""
        return self.now() + timedelta(seconds=self.duration(seconds))

    def timestamp(self) -> str:
        """Return the current instant as Google's APIs render it."""
        return format_timestamp(self.now())
