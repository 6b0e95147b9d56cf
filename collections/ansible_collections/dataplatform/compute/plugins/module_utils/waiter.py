# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Wait for something at Google to end, with a deadline; the error carries the last state seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    OperationFailedError,
    OperationTimeoutError,
)

FIRST_INTERVAL = 0.2
LONGEST_INTERVAL = 5.0
GROWTH = 1.4


class Deadline:
    """A moment on the monotonic clock, ``seconds`` from now; suspending or setting the clock does not move it."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, not below zero."""
        return max(0.0, self._end - self._clock())


def poll(
    fetch: Callable[[], Any],
    ended: Callable[[Any], bool],
    deadline: Deadline,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Any, bool]:
    """Call ``fetch`` until ``ended`` says so; return what was seen last, and whether it ended in time.

    The pauses grow from 0.2 s to 5 s, so that a fast answer is fast and a slow one costs little.
    """
    interval = FIRST_INTERVAL
    while True:
        seen = fetch()
        if ended(seen):
            return seen, True
        left = deadline.left()
        if left <= 0:
            return seen, False
        sleep(min(interval, left))
        interval = min(LONGEST_INTERVAL, interval * GROWTH)


def wait_for_operation(
    client: GoogleClient,
    root: str,
    operation: dict[str, Any],
    what: str,
    deadline: Deadline,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Wait until a long-running operation is done and return it.

    ``root`` is the API's address (``https://dataproc.googleapis.com/v1``), ``what`` names the work in messages
    (``create cluster etl``), ``sleep`` pauses for some seconds and may raise to end the waiting.
    Raises OperationFailedError or OperationTimeoutError.
    """
    name = str(operation.get("name", ""))
    first = [operation]

    def fetch() -> dict[str, Any]:
        return first.pop() if first else client.request("GET", f"{root}/{name}")

    seen, in_time = poll(fetch, lambda one: bool(one.get("done")), deadline, sleep)
    if not in_time:
        raise OperationTimeoutError(
            f"{what} has not ended after {deadline.seconds:g} s; its last state was {operation_state(seen)}. It goes on"
            f" at Google as {name}; run again to pick it up, or raise wait_timeout",
            seen,
        )
    error = seen.get("error")
    if error:
        code = error.get("status") or error.get("code", "")
        raise OperationFailedError(f"{what} failed: {error.get('message', 'no message')} (code {code}, {name})", seen)
    return seen


def operation_state(operation: dict[str, Any]) -> str:
    """Return the state an operation shows in its metadata, with its detail."""
    metadata = operation.get("metadata") or {}
    # Dataproc has a status with details, Composer the state alone.
    status = metadata.get("status") or {}
    state = status.get("state") or metadata.get("state") or ("DONE" if operation.get("done") else "unknown")
    words = [str(state), *(str(status[key]) for key in ("innerState", "details") if status.get(key))]
    return ", ".join(dict.fromkeys(words))
