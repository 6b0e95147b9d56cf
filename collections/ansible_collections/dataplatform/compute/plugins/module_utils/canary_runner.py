# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One canary from the first look to the last: sweep, create, run jobs, take a worker away, read results, delete.

Whatever happens, an error, a limit, a signal, the cluster is deleted and seen to be gone before the task ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_cluster import CanaryCluster
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import PURPOSE, CanaryJob, CanaryPlan
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_results import (
    measurements,
    read_results,
    results_generation,
    run_record_uri,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_scale_in import ScaleInDuringJob, ScaleInError
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.job_runner import JobRunner
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import (
    RunFailedError,
    RunInterruptedError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import RunTools


class CanaryRunner:
    """One task of ``dataproc_canary``."""

    def __init__(self, tools: RunTools, plan: CanaryPlan) -> None:
        self._tools = tools
        self._plan = plan
        self._cluster = CanaryCluster(tools, plan)
        self._step = ""
        self._lines: list[str] = []
        self._canary: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "cluster": plan.name,
            "jobs": {},
        }

    def run(self, *, check_mode: bool = False) -> dict[str, Any]:
        """Do the whole of it; what the task returns.

        Raises RunFailedError (RunInterruptedError after Ctrl-C) with what was learned so far, ValidationError before
        anything was changed, GoogleApiError when the first look fails.
        """
        leftovers = self._cluster.leftovers()
        self._lines = self._plan.lines(one["clusterName"] for one in leftovers)
        if check_mode:
            for line in self._lines:
                self._tools.progress.note(f"would {line}")
            return self._result(changed=True)
        if self._tools.interruption.requested:
            raise RunInterruptedError("interrupted before anything was started", self._result(changed=False))
        try:
            self._steps(leftovers)
        except ComputeError as error:
            raise self._failure(error, self._clean_up()) from error
        except BaseException:
            # A defect, or the task's own `timeout:` keyword, which arrives as an exception that is no Exception.
            self._clean_up()
            raise
        self._step = "delete"
        left = self._clean_up()
        if left:
            raise RunFailedError(f"canary {self._plan.name} ran well, but {left}", self._result(changed=True))
        return self._result(changed=True)

    def _steps(self, leftovers: list[dict[str, Any]]) -> None:
        if leftovers:
            self._begin("sweep")
            self._cluster.sweep(leftovers)
        self._begin("create")
        live, seconds = self._cluster.create()
        self._stop_if_interrupted()
        software = (live.get("config") or {}).get("softwareConfig") or {}
        self._canary |= {
            "cluster_uuid": live.get("clusterUuid", ""),
            "image_version": software.get("imageVersion", ""),
            "creation_seconds": seconds,
        }
        self._tools.progress.note(f"cluster {self._plan.name}: running after {seconds:.0f} s")
        for job in self._plan.jobs:
            self._run_job(job)

    def _run_job(self, job: CanaryJob) -> None:
        self._begin(f"job {job.name}")
        tools, identity = self._tools, f"{self._plan.name}-{job.name}-{self._canary['cluster_uuid'][:8]}"
        learned = self._canary["jobs"].setdefault(job.name, {"job_id": identity})
        before = results_generation(tools.objects, job)
        scale_in = self._scale_in_of(job)
        runner = JobRunner(
            tools.api,
            tools.objects,
            scale_in or tools.progress,
            tools.interruption,
            replace(tools.limits, timeout=job.timeout),
            companion=scale_in.look if scale_in else None,
        )
        labels = {**self._plan.mark, **(job.body.get("labels") or {}), **PURPOSE}
        body = {**job.body, "placement": {"clusterName": self._plan.name}, "labels": labels}
        try:
            ended = runner.run({"job": body, "job_id": identity, "state": "finished"})
        except RunFailedError as error:
            learned |= _summary(error.result)
            raise
        except ScaleInError:
            self._begin(f"scale-in during job {job.name}")
            # The job would end with its cluster anyway; told first, it ends as cancelled and not as an error.
            with contextlib.suppress(ComputeError):
                tools.api.cancel_job(identity)
            raise
        learned |= _summary(ended)
        if scale_in:
            self._begin(f"scale-in during job {job.name}")
            self._canary["scale_in"] = scale_in.finish()
            self._stop_if_interrupted()
        self._begin(f"results of job {job.name}")
        document = read_results(tools.objects, job, before)
        used = measurements(tools.objects, document, ended, run_record_uri(job.body, identity))
        kept = {
            key: document[key] for key in ("results", "versions", "workload", "workers", "parts") if key in document
        }
        learned |= {**kept, **used}

    def _scale_in_of(self, job: CanaryJob) -> ScaleInDuringJob | None:
        wanted = self._plan.scale_in
        if wanted is None or wanted.job != job.name:
            return None
        return ScaleInDuringJob(self._tools, self._cluster, wanted, job)

    def _begin(self, step: str) -> None:
        self._stop_if_interrupted()
        self._step = step

    def _stop_if_interrupted(self) -> None:
        if self._tools.interruption.requested:
            raise RunInterruptedError("it was interrupted by the person who followed it", {})

    def _clean_up(self) -> str:
        """Delete what was created; what is left of it as a sentence."""
        self._tools.interruption.begin_clean_up()
        return self._cluster.delete()

    def _failure(self, error: ComputeError, left: str) -> RunFailedError:
        first, newline, rest = str(error).partition("\n")
        kind = RunInterruptedError if isinstance(error, RunInterruptedError) else RunFailedError
        end = left or "nothing is left behind"
        text = f"canary {self._plan.name} failed at the step {self._step!r}: {first.rstrip('.')}; {end}{newline}{rest}"
        return kind(text, {**self._result(changed=self._cluster.touched), "failed_step": self._step})

    def _result(self, *, changed: bool) -> dict[str, Any]:
        return {"changed": changed, "plan": self._lines, "canary": self._canary, "failed_step": ""}


def _summary(ended: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a job that ended, well or not."""
    return {key: ended[key] for key in ("state", "driver_output_uri", "run_seconds") if key in ended}
