# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The driver output of one job while it is followed: attempts, a late start, a late end, and no output at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import DriverOutput, ObjectReader
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import Deadline, Progress
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption

TRAILING_OUTPUT_SECONDS = 10.0
"""How long the end of the output may arrive after the job's last state."""

TRAILING_PAUSE_SECONDS = 0.25

TAIL_BYTES = 256 * 1024
"""How much of the end of a log is read when only the end is wanted."""


class JobOutput:
    """A job's driver output across its attempts, tolerating that it is not there (yet, or ever)."""

    def __init__(self, objects: ObjectReader, progress: Progress, source: str, tail_lines: int) -> None:
        self._objects = objects
        self._progress = progress
        self._source = source
        self._tail_lines = tail_lines
        self._output: DriverOutput | None = None
        self.error = ""

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._output is None or self._output.closed

    @property
    def tail(self) -> list[str]:
        """The last lines so far."""
        return list(self._output.tail) if self._output else []

    def poll(self, job: Mapping[str, Any]) -> bool:
        """Show what has arrived since the last look; whether there was anything."""
        uri = job.get("driverOutputResourceUri")
        if not uri:
            return False
        if self._output is None or self._output.uri != uri:
            if self._output is not None:
                self._progress.note("this attempt failed; now the output of the next one")
            self._output = DriverOutput(self._objects, uri, self._tail_lines)
        return self._show(self._guard(self._output.poll))

    def drain(self, job: Mapping[str, Any], interruption: Interruption, *, just_ended: bool) -> None:
        """Show the end of an ended job's output; wait for it if the job has just ended.

        The output may be written a little after the job's last state.
        """
        deadline = Deadline(TRAILING_OUTPUT_SECONDS)
        self.poll(job)
        while just_ended and not (self.closed or self.error or deadline.passed or interruption.requested):
            interruption.pause(TRAILING_PAUSE_SECONDS)
            self.poll(job)
        self.finish()

    def finish(self) -> None:
        """Show a last line that had no line end."""
        if self._output is not None:
            self._show(self._output.finish())

    def read_end(self, job: Mapping[str, Any]) -> None:
        """Read only the end of the output, without showing it."""
        uri = job.get("driverOutputResourceUri")
        if not uri:
            return
        output = self._output = DriverOutput(self._objects, uri, self._tail_lines)

        def read() -> list[str]:
            output.skip_to_tail(TAIL_BYTES)
            return [*output.poll(), *output.finish()]

        self._guard(read)

    def _show(self, lines: list[str]) -> bool:
        for line in lines:
            self._progress.output(self._source, line)
        return bool(lines)

    def _guard(self, read: Callable[[], list[str]]) -> list[str]:
        # The log is a help, never a reason to give up a run: it may be forbidden to the person or already deleted.
        try:
            lines = read()
        except (ComputeError, ValueError) as error:
            if not self.error:
                self._progress.note(f"the driver's output cannot be read: {error}")
            self.error = str(error)
            return []
        self.error = ""
        return lines
