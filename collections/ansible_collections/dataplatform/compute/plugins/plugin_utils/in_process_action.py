# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run a module's core inside the Ansible process: about 0.04 s a task instead of 0.8 s.

Use: a core's file defines ``DEFINITION = TaskDefinition(...)`` (see ``module_utils/task.py``); its module ends with
``run_as_module(DEFINITION)`` and its action plugin is

    class ActionModule(InProcessAction):
        definition = DEFINITION

Heavy libraries are imported with the plugin, in the parent process, hence once for all tasks. ``environment:`` of play,
block and task, check mode, diff, ``module_defaults`` and ``no_log`` behave as with the module. Where in-process is not
what the user asked for (a connection that is not local, ``become``, ``async``) the module itself is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

display = Display()


class InProcessAction(ActionBase):
    """Base of the collection's action plugins; a subclass only names its ``definition``."""

    definition: ClassVar[TaskDefinition]
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the core here, or the module where the task asks for another place, user or time."""
        result = super().run(tmp, task_vars)
        if not self._runs_here():
            result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
            return result
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        with _environment(environment):
            result.update(self._run_core())
        return result

    def _runs_here(self) -> bool:
        transport = getattr(self._connection, "transport", None)
        return transport == "local" and not self._task.async_val and not self._connection.become

    def _run_core(self) -> dict[str, Any]:
        validator = ArgumentSpecValidator(self.definition.argument_spec, **self.definition.constraints)
        validated = validator.validate(dict(self._task.args))
        secrets = validated._no_log_values
        if validated.error_messages:
            message = validated.errors.msg
            if isinstance(validated.errors[0], UnsupportedError):
                message = f"Unsupported parameters for ({self._task.action}) module: {message}"
            return {"failed": True, "changed": False, "msg": remove_values(message, secrets)}
        reporter = Reporter(
            check_mode=bool(self._task.check_mode),
            diff=bool(self._task.diff),
            warn=display.warning,
            progress=self._progress,
        )
        outcome = self.definition.execute(validated.validated_parameters, reporter)
        return remove_values(outcome, secrets) if secrets else outcome

    def _progress(self, message: str) -> None:
        if not self._task.no_log:
            display.display(message)


@contextmanager
def _environment(variables: dict[str, Any]) -> Iterator[None]:
    """Set environment variables for a while; a task runs in a process of its own, loop items share it."""
    before = dict(os.environ)
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
