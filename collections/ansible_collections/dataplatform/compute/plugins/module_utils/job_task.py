# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``dataproc_job``: its options, and how they reach the runner."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.job_runner import JobRunner
from ansible_collections.dataplatform.compute.plugins.module_utils.job_schema import checked_job
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import (
    FOLLOW_ARGUMENTS,
    RunTools,
    follow_task,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Refuse a job with unknown fields, then submit, follow or cancel it."""
    job = params.get("job")
    checked = {**params, "job": None if job is None else checked_job(job)}

    def work(tools: RunTools) -> dict[str, Any]:
        runner = JobRunner(tools.api, tools.objects, tools.progress, tools.interruption, tools.limits)
        return runner.run(checked, check_mode=reporter.check_mode)

    return follow_task(params, client, reporter, work)


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "job": {"type": "dict"},
            "job_id": {"type": "str"},
            "request_id": {"type": "str"},
            "state": {"type": "str", "choices": ["finished", "submitted", "cancelled"], "default": "finished"},
            **FOLLOW_ARGUMENTS,
        },
    ),
    run=run,
    constraints={"required_one_of": [("job", "job_id", "request_id")]},
)
