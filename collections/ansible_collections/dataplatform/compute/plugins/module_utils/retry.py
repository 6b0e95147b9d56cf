# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When a call to Google is made again, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.libraries import tenacity

RETRIED_STATUS_CODES = frozenset({408, 429, 500, 502, 503, 504})


class RetryableFailure(Exception):
    """One attempt failed in a way that may pass; ``error`` is what the caller sees when no attempt is left."""

    def __init__(self, error: Exception, retry_after: float | None = None) -> None:
        self.error = error
        self.retry_after = retry_after
        super().__init__(str(error))


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with full jitter: before attempt n+1 wait up to ``first_wait * 2**n`` seconds.

    ``longest_wait`` caps one wait, also one asked for by ``Retry-After``; ``attempts`` counts the first one too;
    after ``give_up_after`` seconds no new attempt starts. ``sleep`` is replaced by tests.
    """

    attempts: int = 6
    first_wait: float = 0.25
    longest_wait: float = 16.0
    give_up_after: float = 90.0
    sleep: Callable[[float], None] = time.sleep

    def call(self, function: Callable[[int], Any]) -> Any:
        """Call ``function(attempt number)`` until it succeeds; raise its last error when no attempt is left."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryableFailure),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts), tenacity.stop_before_delay(self.give_up_after)
            ),
            wait=self._wait,
            sleep=self.sleep,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    return function(attempt.retry_state.attempt_number)
        except RetryableFailure as failure:
            raise failure.error from failure.__cause__
        raise AssertionError("tenacity ended without a result or an error")

    def _wait(self, state: Any) -> float:
        failure = state.outcome.exception()
        asked = getattr(failure, "retry_after", None)
        ceiling = min(self.longest_wait, self.first_wait * 2 ** (state.attempt_number - 1))
        # A quarter of the ceiling at least, so that a burst of threads does not return at once.
        wait = random.uniform(ceiling / 4, ceiling)  # noqa: S311 - jitter, not a secret
        return min(self.longest_wait, max(asked, wait)) if asked is not None else wait


def parse_retry_after(value: str | None, now: float | None = None) -> float | None:
    """Return the seconds a ``Retry-After`` header asks for (a number or an HTTP date), None when there is none."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))
