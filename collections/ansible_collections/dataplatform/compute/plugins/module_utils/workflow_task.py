# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``dataproc_workflow``: its options, and how they reach the runner."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import (
    FOLLOW_ARGUMENTS,
    RunTools,
    follow_task,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_runner import WorkflowRunner


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Start, follow or cancel a workflow."""

    def work(tools: RunTools) -> dict[str, Any]:
        runner = WorkflowRunner(tools.api, tools.objects, tools.progress, tools.interruption, tools.limits)
        return runner.run(params, check_mode=reporter.check_mode)

    return follow_task(params, client, reporter, work)


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "template": {"type": "str"},
            "parameters": {"type": "dict", "default": {}},
            "required_labels": {"type": "dict", "default": {}},
            "request_id": {"type": "str"},
            "operation": {"type": "str"},
            "state": {"type": "str", "choices": ["finished", "started", "cancelled"], "default": "finished"},
            **FOLLOW_ARGUMENTS,
        },
    ),
    run=run,
    constraints={
        "required_one_of": [("template", "operation")],
        "mutually_exclusive": [("template", "operation"), ("request_id", "operation")],
        "required_if": [("state", "cancelled", ("operation",))],
    },
)
