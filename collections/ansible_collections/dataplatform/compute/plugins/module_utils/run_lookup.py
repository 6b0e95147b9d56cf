# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``dataproc_run_info``: find a run by the id a person has, a workflow's or a job's, and read its output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi, StorageObjects
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import DriverOutput
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    GoogleApiError,
    NotFoundError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import describe_job
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import output_lines_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_report import (
    describe_workflow,
    is_workflow,
    nodes,
)

MOST_BYTES = 64 * 1024 * 1024
"""How much of the end of one job's output is read at most."""


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Describe one run with its output; raises ValidationError when there is no such run or step."""
    problems = output_lines_problems(params["output_lines"])
    if problems:
        raise ValidationError(problems, "the options")
    api, objects = DataprocApi(client, client.project, client.region), StorageObjects(client)
    operation, steps = find_run(api, params["run"])
    wanted = params.get("step")
    if wanted is not None and wanted not in steps:
        raise ValidationError(
            [f"step: run {params['run']!r} has no step {wanted!r}; {near_miss(wanted, steps)}"], "the run"
        )
    described = []
    for step, job in steps.items():
        if job is None or wanted not in (None, step):
            continue
        fields = _described(api, objects, job, params["output_lines"])
        described.append({"step_id": step, **fields})
        if params["show_output"]:
            _show(reporter, fields, step)
    if operation is None:
        return {"changed": False, "kind": "job", "jobs": described, "workflow": {}}
    workflow = describe_workflow(operation, described, api.project, api.region)
    return {"changed": False, "kind": "workflow", "jobs": described, "workflow": workflow}


def find_run(api: DataprocApi, name: str) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any] | None]]:
    """The workflow operation (None for a job on its own) and its jobs by step id (None: not started yet).

    ``name`` is the id or full name of a workflow's operation, or a job id. A job that belongs to no workflow here has
    the empty step id.
    """
    operation = _find_operation(api, name)
    if operation is not None and is_workflow(operation):
        found = {}
        for node in nodes(operation):
            job_id = node.get("jobId")
            found[str(node.get("stepId"))] = api.find_job(job_id) if job_id else None
        return operation, found
    job = None if "/" in name else api.find_job(name)
    if job is None:
        raise ValidationError(
            [f"run: {name!r} is neither a workflow run (operation) nor a job in {api.parent}"], "the run"
        )
    return None, {"": job}


def _find_operation(api: DataprocApi, name: str) -> dict[str, Any] | None:
    try:
        return api.get_operation(api.operation_name(name))
    except NotFoundError:
        return None
    except GoogleApiError as error:
        # A job id need not have the form of an operation id.
        if error.status_code == 400:
            return None
        raise


def _described(api: DataprocApi, objects: StorageObjects, job: Mapping[str, Any], lines: int) -> dict[str, Any]:
    uri = job.get("driverOutputResourceUri")
    output: list[str] = []
    error = ""
    if uri:
        reader = DriverOutput(objects, uri, lines)
        try:
            reader.skip_to_tail(MOST_BYTES)
            reader.poll()
            reader.finish()
        except (ComputeError, ValueError) as problem:
            error = str(problem)
        output = list(reader.tail)
    fields = describe_job(job, api.project, api.region, output, error)
    fields["output"] = fields.pop("output_tail")
    return fields


def _show(reporter: Reporter, job: Mapping[str, Any], step: str) -> None:
    name = f"step {step}, job {job['job_id']}" if step else f"job {job['job_id']}"
    reporter.progress(f"--- {name}: {job['state']} {job['details']}".rstrip())
    for line in job["output"]:
        reporter.progress(line)
    if job["output_error"]:
        reporter.warn(f"the output of {name} cannot be read: {job['output_error']}")
    elif not job["output"]:
        reporter.progress("(no output)")


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "run": {"type": "str", "required": True},
            "step": {"type": "str"},
            "output_lines": {"type": "int", "default": 0},
            "show_output": {"type": "bool", "default": False},
        },
    ),
    run=run,
)
