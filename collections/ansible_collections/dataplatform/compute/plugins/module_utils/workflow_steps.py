# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs of a workflow's steps while it is followed: their states and their drivers' output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import ObjectReader
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import Progress
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.job_output import JobOutput
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    describe_job,
    is_terminal,
    progress_lines,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.workflow_report import nodes


class WorkflowSteps:
    """All jobs of one workflow, by step id, as last seen."""

    def __init__(
        self,
        api: DataprocApi,
        objects: ObjectReader,
        progress: Progress,
        interruption: Interruption,
        output_lines: int,
    ) -> None:
        self._api = api
        self._objects = objects
        self._progress = progress
        self._interruption = interruption
        self._output_lines = output_lines
        self._jobs: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, JobOutput] = {}
        self._drained: set[str] = set()

    def look(self, operation: Mapping[str, Any], *, new_only: bool = False) -> bool:
        """Look at every job that has not ended (or was never looked at), and show what is new; whether anything was."""
        several = len(nodes(operation)) > 1
        news = False
        for step, job_id in self._started(operation):
            before = self._jobs.get(step)
            if before is not None and (new_only or is_terminal(before)):
                continue
            job = self._api.find_job(job_id)
            if job is None:
                continue
            self._jobs[step] = job
            for line in progress_lines(before, job):
                self._progress.note(f"job {job_id}: {line}")
                news = True
            news = self._output(step, several=several).poll(job) or news
            if is_terminal(job):
                # A job first seen when all is over has ended long ago: its cluster is gone already.
                self._drain(step, just_ended=before is not None or not operation.get("done"))
        return news

    def finish(self, operation: Mapping[str, Any]) -> None:
        """Look at every job a last time, and show the end of its output."""
        self.look(operation)
        for step in self._jobs:
            self._drain(step, just_ended=False)

    def read_ends(self, operation: Mapping[str, Any]) -> None:
        """Fetch the jobs and the last lines of their output, for a workflow nobody followed."""
        for step, job_id in self._started(operation):
            job = self._api.find_job(job_id)
            if job is not None:
                self._jobs[step] = job
                self._output(step, several=False).read_end(job)

    def describe(self, operation: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every started step: step id, the workflow's word on it, and the job in full."""
        described = []
        for node in nodes(operation):
            step = str(node.get("stepId"))
            job = self._jobs.get(step)
            if job is None:
                continue
            output = self._outputs.get(step)
            tail, error = (output.tail, output.error) if output else ([], "")
            fields = describe_job(job, self._api.project, self._api.region, tail, error)
            described.append({"step_id": step, "step_state": node.get("state") or "", **fields})
        return described

    def _started(self, operation: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(str(node.get("stepId")), node["jobId"]) for node in nodes(operation) if node.get("jobId")]

    def _output(self, step: str, *, several: bool) -> JobOutput:
        if step not in self._outputs:
            source = step if several else ""
            self._outputs[step] = JobOutput(self._objects, self._progress, source, self._output_lines)
        return self._outputs[step]

    def _drain(self, step: str, *, just_ended: bool) -> None:
        if step not in self._drained:
            self._drained.add(step)
            self._outputs[step].drain(self._jobs[step], self._interruption, just_ended=just_ended)
