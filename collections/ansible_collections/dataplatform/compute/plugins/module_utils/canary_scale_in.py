# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a worker away while a job runs, and see its node leave."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.canary_cluster import CanaryCluster
from ansible_collections.dataplatform.compute.plugins.module_utils.canary_plan import CanaryJob, ScaleIn
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    GoogleApiError,
    TransportError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import job_state
from ansible_collections.dataplatform.compute.plugins.module_utils.run_task import RunTools


class ScaleInError(ComputeError):
    """The number of workers could not be lowered; the job's own fate is another matter."""


class ScaleInDuringJob:
    """Watches one job: lowers the number of workers once its driver is ready for it.

    It is the job's progress (it reads the driver's output on its way to the person) and its companion (``look``).
    """

    def __init__(self, tools: RunTools, cluster: CanaryCluster, scale_in: ScaleIn, job: CanaryJob) -> None:
        self._api = tools.api
        self._progress = tools.progress
        self._cluster = cluster
        self._name = cluster.name
        self._scale_in = scale_in
        self._job = job
        self._ready = not scale_in.after_output
        self._operation: dict[str, Any] = {}
        self._nodes: list[str] = []
        self._started = 0.0

    def note(self, text: str) -> None:
        """Pass on what changed."""
        self._progress.note(text)

    def output(self, source: str, line: str) -> None:
        """Pass on a line of the driver, and see whether it is the one that was waited for."""
        self._ready = self._ready or self._scale_in.after_output in line
        self._progress.output(source, line)

    def look(self, job: Mapping[str, Any]) -> None:
        """Lower the number of workers when the job is ready for it. Raises ScaleInError when that is refused."""
        if self._operation or not self._ready or job_state(job) != "RUNNING":
            return
        # A node with the application master leaves when the job has ended: it must not be taken away before.
        graceful = math.ceil(self._job.timeout + self._scale_in.timeout)
        try:
            self._nodes = self._worker_names()
            self._operation = self._api.resize_cluster(self._name, self._scale_in.workers, graceful, str(uuid.uuid4()))
        except (GoogleApiError, TransportError) as error:
            raise ScaleInError(f"the number of workers cannot be lowered: {error}") from error
        self._started = time.monotonic()
        self._progress.note(f"cluster {self._name}: going down to {self._scale_in.workers} workers")

    def finish(self) -> dict[str, Any]:
        """See the node gone, after the job has succeeded; which nodes went and how long it took.

        Raises ScaleInError when the job ended too early for it, or when a node does not leave.
        """
        wanted = self._scale_in
        if not self._operation:
            why = f"its driver never said {wanted.after_output!r}" if wanted.after_output else "it ended too soon"
            raise ScaleInError(f"job {wanted.job} was over before the number of workers could be lowered: {why}")
        what = f"scale-in of cluster {self._name}"
        operation = self._api.get_operation(self._operation["name"])
        operation = self._cluster.wait(operation, what, wanted.timeout, "scale_in.timeout")
        error = operation.get("error")
        if error:
            raise ScaleInError(f"Google could not take a worker away: {error.get('message', 'no reason given')}")
        seconds = round(time.monotonic() - self._started, 1)
        left = sorted(set(self._nodes) - set(self._worker_names()))
        self._progress.note(f"cluster {self._name}: {', '.join(left) or 'no node'} left")
        return {"job": wanted.job, "workers": wanted.workers, "nodes_left": left, "seconds": seconds}

    def _worker_names(self) -> list[str]:
        config = (self._api.find_cluster(self._name) or {}).get("config") or {}
        return list((config.get("workerConfig") or {}).get("instanceNames") or [])
