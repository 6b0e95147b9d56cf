# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A driver's output is a help: trouble with it is told and never ends a run."""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.job_output import JobOutput


class Notes:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)

    def output(self, source: str, line: str) -> None:
        """There is none."""


def test_an_address_that_is_none_is_told_once_and_stops_nothing() -> None:
    notes = Notes()
    output = JobOutput(None, notes, "", 10)
    job = {"driverOutputResourceUri": "somewhere else"}
    assert output.poll(job) is False
    assert output.poll(job) is False
    output.read_end(job)
    assert "somewhere else" in output.error
    assert len(notes.notes) == 1
