# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks that follow a run share: their options, and how they behave when the person presses Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi, StorageObjects
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import FollowLimits, TaskProgress
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import RunFailedError, RunInterruptedError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.terminal import write_to_terminal

FOLLOW_ARGUMENTS: dict[str, dict[str, Any]] = {
    "timeout": {"type": "float", "default": 0.0},
    "cancel_timeout": {"type": "float", "default": 600.0},
    "poll": {"type": "float", "default": 5.0},
    "output_lines": {"type": "int", "default": 50},
    "show_output": {"type": "bool", "default": True},
}

_ANNOUNCEMENT = (
    "Interrupted: stopping the run at Google. Please wait; a second Ctrl-C leaves the clean-up in the background."
)


def limit_problems(params: dict[str, Any]) -> list[str]:
    """What is wrong with the numbers among FOLLOW_ARGUMENTS."""
    problems = [
        f"{name} is {params[name]:g}; expected seconds above 0"
        for name in ("cancel_timeout", "poll")
        if params[name] <= 0
    ]
    if params["timeout"] < 0:
        problems.append(f"timeout is {params['timeout']:g}; expected seconds, or 0 for no limit")
    return problems + output_lines_problems(params["output_lines"])


def output_lines_problems(output_lines: int) -> list[str]:
    """What is wrong with the number of lines to return."""
    return [] if output_lines >= 0 else [f"output_lines is {output_lines}; expected a number of lines, or 0 for all"]


@dataclass(frozen=True)
class RunTools:
    """What a runner works with."""

    api: DataprocApi
    objects: StorageObjects
    progress: TaskProgress
    interruption: Interruption
    limits: FollowLimits


def follow_task(
    params: dict[str, Any],
    client: GoogleClient,
    reporter: Reporter,
    work: Callable[[RunTools], dict[str, Any]],
) -> dict[str, Any]:
    """Do the work of a task that follows a run, with Ctrl-C turned into a note the runner acts on.

    Raises ValidationError for limits that would never end, never pause or end at once.
    """
    problems = limit_problems(params)
    if problems:
        raise ValidationError(problems, "the options")
    with Interruption(announce=lambda: write_to_terminal(_ANNOUNCEMENT)) as interruption:
        # An interruption also ends the pauses between repeated requests: the last attempts follow at once.
        retry = RetryPolicy(sleep=interruption.pause)
        tools = RunTools(
            api=DataprocApi(client, client.project, client.region, retry),
            objects=StorageObjects(client, retry),
            progress=TaskProgress(reporter, interruption, show_output=params["show_output"]),
            interruption=interruption,
            limits=FollowLimits(
                timeout=params["timeout"],
                cancel_timeout=params["cancel_timeout"],
                poll=params["poll"],
                output_lines=params["output_lines"],
            ),
        )
        try:
            result = work(tools)
        except RunFailedError as error:
            if not interruption.requested:
                raise
            raise _small(str(error), error.result) from error
        if interruption.requested:
            raise _small("interrupted when there was nothing left to stop", result)
        return result


def _small(message: str, result: dict[str, Any]) -> RunInterruptedError:
    """An interruption's error. Its first line goes to the terminal, too: Ansible has stopped reading.

    That is also why it is short: a long result would block the process for ever in a pipe nobody empties.
    """
    first_line = message.partition("\n")[0]
    write_to_terminal(first_line)
    kept = {key: result[key] for key in ("changed", "job_id", "operation_id", "state") if key in result}
    return RunInterruptedError(first_line, kept)
