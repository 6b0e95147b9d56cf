"""The clocks of a run: how long it may queue, run and idle; pure but for the clock they are given."""

from __future__ import annotations

import time
from collections.abc import Callable

from dask_on_yarn.exit_codes import IDLE_TIMEOUT, QUEUE_TIMEOUT, TIMEOUT, RunEnded


class Deadlines:
    """Limits in seconds, None for none. Queueing counts from the start, running from ``running()``."""

    def __init__(
        self,
        queue: float | None,
        run: float | None,
        idle: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue, self._run, self._idle = queue, run, idle
        self._clock = clock
        self._started = clock()
        self._running: float | None = None
        self._busy: float | None = None

    @property
    def queued_seconds(self) -> float:
        """How long the run waited for its first worker, until now if it still waits."""
        return (self._clock() if self._running is None else self._running) - self._started

    @property
    def run_seconds(self) -> float:
        """How long the script has been running."""
        return 0.0 if self._running is None else self._clock() - self._running

    def running(self) -> None:
        """The first worker is there and the script starts."""
        self._running = self._busy = self._clock()

    def busy(self) -> None:
        """The workers have something to do right now."""
        self._busy = self._clock()

    def check(self) -> None:
        """Raise RunEnded with the code and the reason of the first limit that was passed."""
        now = self._clock()
        if self._running is None:
            if self._queue is not None and now - self._started > self._queue:
                raise RunEnded(QUEUE_TIMEOUT, f"no worker came within --queue-timeout {self._queue:g} s")
            return
        if self._run is not None and now - self._running > self._run:
            raise RunEnded(TIMEOUT, f"the script ran longer than --timeout {self._run:g} s")
        if self._idle is not None and now - self._busy > self._idle:
            raise RunEnded(IDLE_TIMEOUT, f"the workers had nothing to do for --idle-timeout {self._idle:g} s")
