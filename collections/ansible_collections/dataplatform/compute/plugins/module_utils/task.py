# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One definition of a task, run by two shells: a module (any target) and an action plugin (in-process, fast).

A core is a function ``run(params, client, reporter) -> result``; it returns what the task returns and raises the
errors of ``errors.py``. It never touches AnsibleModule, so it is tested without Ansible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, client_from_params
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError


def _ignore(_message: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Reporter:
    """What a core may know about its run, and how it speaks to the user while it runs.

    ``progress`` shows a line at once where the shell can (an action plugin); a module cannot and drops it.
    """

    check_mode: bool = False
    diff: bool = False
    warn: Callable[[str], None] = _ignore
    progress: Callable[[str], None] = _ignore


@dataclass(frozen=True)
class TaskDefinition:
    """The options of a task and the function that does its work.

    ``constraints`` holds ``mutually_exclusive``, ``required_if`` and their like; ``needs_client`` is False for a core
    that makes no call (its ``client`` is then None).
    """

    argument_spec: dict[str, Any]
    run: Callable[[dict[str, Any], Any, Reporter], dict[str, Any]]
    constraints: dict[str, Any] = field(default_factory=dict)
    needs_client: bool = True

    def execute(self, params: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Run the core and return its result, or the result of a failed task."""
        client: GoogleClient | None = None
        try:
            if self.needs_client:
                client = client_from_params(params)
            return self.run(params, client, reporter)
        except ComputeError as error:
            return {"changed": False, **error.to_result(), "failed": True}
        finally:
            if client is not None:
                client.close()


def run_as_module(definition: TaskDefinition) -> None:
    """Be the ``main`` of a module: validate, run the core, exit."""
    module = AnsibleModule(argument_spec=definition.argument_spec, supports_check_mode=True, **definition.constraints)
    reporter = Reporter(check_mode=module.check_mode, diff=module._diff, warn=module.warn)
    result = definition.execute(module.params, reporter)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
