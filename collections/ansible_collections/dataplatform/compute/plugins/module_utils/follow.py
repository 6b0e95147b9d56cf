# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run is followed: how often to look, how long at most, and to whom to tell what."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.terminal import write_to_terminal

FIRST_PAUSE = 0.5
GROWTH = 1.5


class Progress(Protocol):
    """Somebody who watches a run."""

    def note(self, text: str) -> None:
        """Something about the run changed."""

    def output(self, source: str, line: str) -> None:
        """One line of a driver's output; source is the step it belongs to, empty for a single job."""


class TaskProgress:
    """Speaks to the person through the task's reporter, with the time of day; driver output only if wanted.

    After an interruption Ansible no longer shows what a task reports, so the terminal itself is used; the drivers'
    output is left out then, because the reporter alone knows whether the task's ``no_log`` forbids to show it.
    """

    def __init__(self, reporter: Reporter, interruption: Interruption, *, show_output: bool) -> None:
        self._reporter = reporter
        self._interruption = interruption
        self._show_output = show_output

    def note(self, text: str) -> None:
        """Show that something about the run changed."""
        line = f"{time.strftime('%H:%M:%S')} {text}"
        if self._interruption.requested:
            write_to_terminal(line)
        else:
            self._reporter.progress(line)

    def output(self, source: str, line: str) -> None:
        """Show one line of a driver's output."""
        if self._show_output and not self._interruption.requested:
            self._reporter.progress(f"  {source}| {line}" if source else f"  | {line}")


@dataclass(frozen=True)
class FollowLimits:
    """Limits of following a run, in seconds, and how many last lines of output to keep.

    ``timeout`` (0: none) cancels the run, ``cancel_timeout`` is how long its cancellation may take,
    ``poll`` is the longest pause between two looks.
    """

    timeout: float
    cancel_timeout: float
    poll: float
    output_lines: int


class PollPace:
    """Pauses between two looks, in seconds: short after news, then growing up to a limit."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._next = min(FIRST_PAUSE, longest)

    def pause_after(self, *, news: bool) -> float:
        """How long to wait now; ``news`` tells whether the last look showed anything new."""
        if news:
            self._next = min(FIRST_PAUSE, self._longest)
        pause = self._next
        self._next = min(self._longest, pause * GROWTH)
        return pause


class Deadline:
    """A limit in seconds from now, by a clock that never jumps; 0 means no limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds if seconds else None

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() >= self._end
