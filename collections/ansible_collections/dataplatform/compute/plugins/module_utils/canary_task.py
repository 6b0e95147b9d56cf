# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``dataproc_canary``: its options, and how they reach the runner."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import make_plan
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_runner import CanaryRunner
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import (
    FOLLOW_ARGUMENTS,
    RunTools,
    follow_task,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

_JOB_OPTIONS = {
    "name": {"type": "str", "required": True},
    "job": {"type": "dict", "required": True},
    "results": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 1800.0},
}

_SCALE_IN_OPTIONS = {
    "job": {"type": "str", "required": True},
    "workers": {"type": "int", "required": True},
    "timeout": {"type": "float", "default": 600.0},
    "after_output": {"type": "str", "default": ""},
}


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Refuse a plan that cannot work, then carry it out; in check mode only tell it."""
    plan = make_plan(params)

    def work(tools: RunTools) -> dict[str, Any]:
        return CanaryRunner(tools, plan).run(check_mode=reporter.check_mode)

    # Every step has a limit of its own; there is none over all of them.
    return follow_task({**params, "timeout": 0.0}, client, reporter, work)


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "cluster": {"type": "str", "required": True},
            "config": {"type": "dict", "required": True},
            "labels": {"type": "dict", "required": True},
            "jobs": {"type": "list", "elements": "dict", "required": True, "options": _JOB_OPTIONS},
            "scale_in": {"type": "dict", "options": _SCALE_IN_OPTIONS},
            "sweep": {"type": "bool", "default": True},
            "create_timeout": {"type": "float", "default": 1200.0},
            "delete_timeout": {"type": "float", "default": 900.0},
            **{name: option for name, option in FOLLOW_ARGUMENTS.items() if name != "timeout"},
        },
    ),
    run=run,
)
