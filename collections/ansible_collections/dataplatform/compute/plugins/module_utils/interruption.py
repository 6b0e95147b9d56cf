# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C while a run is followed: remember it, so that the follower can cancel the run in an orderly way.

ansible-playbook runs every task in a forked worker with a session of its own, so the terminal's Ctrl-C reaches the
parent only; the parent passes the signal on to its workers, stops reading what they say, terminates them (SIGTERM),
and waits for them to exit. A worker that ignores neither signal dies before it can cancel anything. While an
``Interruption`` is active, both signals are only noted; the follower sees ``requested`` within a fraction of a second.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import FollowerAloneError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SLICE_SECONDS = 0.2


class Interruption:
    """Notes SIGINT and SIGTERM while active (as a context manager).

    ``announce`` is called once, from the signal handler, so it may only write to a file descriptor.
    """

    def __init__(self, announce: Callable[[], None] | None = None) -> None:
        self.requested = False
        self._announce = announce
        self._parent = os.getppid()
        self._previous: dict[int, Any] = {}
        self._cleaning_up = False

    def __enter__(self) -> Interruption:
        # Python delivers signals to the main thread only and refuses handlers from any other.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def begin_clean_up(self) -> None:
        """From here on pauses last in full: a signal, past or to come, must not rush the clean-up."""
        self._cleaning_up = True

    def pause(self, seconds: float) -> None:
        """Sleep, but not past an interruption. Raises FollowerAloneError when the parent process has died."""
        end = time.monotonic() + seconds
        while (self._cleaning_up or not self.requested) and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
        if not (self._cleaning_up or self.requested) and os.getppid() != self._parent:
            raise FollowerAloneError("the play that followed this run is gone; the run goes on without it")

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = True
            if self._announce is not None:
                self._announce()
