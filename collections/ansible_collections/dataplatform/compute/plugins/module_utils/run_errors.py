# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run (job or workflow) that did not end well, with everything that is known about it."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


class RunFailedError(ComputeError):
    """The run failed, was cancelled, or ran out of time. ``result`` is what a successful task would have returned."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        self.result = result
        super().__init__(message)

    def to_result(self) -> dict[str, Any]:
        """Return the whole result beside the message: states, output, addresses."""
        return {**self.result, **super().to_result()}


class RunInterruptedError(RunFailedError):
    """The person pressed Ctrl-C (or the play was terminated), and the run was cancelled for it."""


class FollowerAloneError(ComputeError):
    """The play that started the run is gone: nobody reads any more. The run itself goes on."""
