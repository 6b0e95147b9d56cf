# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job that has not ended, as a person on call sees it: whose it is, what it does now, how long it may go on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    job_arguments,
    job_state,
    option_value,
    state_times,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import labels_of
from ansible_collections.dataplatform.compute.plugins.module_utils.run_summary import yarn_queue

STARTING, WAITING, RUNNING, CANCELLING = "starting", "waiting", "running", "being cancelled"

DRIVER_STATES = frozenset({"SETUP_DONE", "RUNNING", "CANCEL_PENDING", "CANCEL_STARTED"})
"""States in which a job has a driver on its cluster's master, or is about to have one."""

WAITING_APPLICATION = frozenset({"NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED"})
_WORKFLOW_LABEL = "goog-dataproc-workflow-instance-id"


@dataclass(frozen=True)
class Run:
    """One job. Names are empty and times None where Dataproc does not say.

    ``application`` is the state of its YARN application, of the most advanced one where there are several, and empty
    where there is none. ``timeout`` and ``queue_timeout`` are the driver's limits, in seconds, ``master_memory_mb`` is
    the size of its application master, in MiB; ``slots`` is for how many workers of its owner it counts.
    """

    run: str
    workload: str
    owner: str
    team: str
    priority: str
    cluster: str
    state: str
    substate: str
    details: str
    application: str
    submitted: datetime | None
    running_since: datetime | None
    timeout: float | None
    queue_timeout: float | None
    master_memory_mb: float | None
    slots: int | None
    shared: bool
    workflow: str
    log: str

    @property
    def queue(self) -> str:
        """The user's queue in YARN."""
        return f"root.{self.priority}.{self.owner}" if self.priority and self.owner else ""

    @property
    def waits_for_driver(self) -> bool:
        """Whether the job has been accepted and has no driver yet."""
        return self.state == "PENDING" or self.substate == "QUEUED" or self.state == "ATTEMPT_FAILURE"

    @property
    def has_driver(self) -> bool:
        """Whether it takes one of its cluster's places for drivers."""
        return self.state in DRIVER_STATES and not self.waits_for_driver

    @property
    def waits_in_queue(self) -> bool:
        """Whether its driver runs and YARN has not let its application begin."""
        return self.state == "RUNNING" and not self.waits_for_driver and self.application in WAITING_APPLICATION

    @property
    def phase(self) -> str:
        """One of STARTING, WAITING, RUNNING and CANCELLING."""
        if self.waits_for_driver or self.waits_in_queue:
            return WAITING
        if self.state == "RUNNING":
            return RUNNING
        return CANCELLING if self.state.startswith("CANCEL") else STARTING

    def seconds_left(self, now: datetime) -> float | None:
        """At least how long it may go on doing what it does, None without a limit or before its driver runs.

        In the queue that is until ``queue_timeout``, later until ``timeout``, which counts from the start of the
        script. When that was is not known, only that it was not before the driver's own start; hence "at least".
        0 means that its time is up unless it had to wait.
        """
        limit = self.queue_timeout if self.waits_in_queue else self.timeout
        if limit is None or self.running_since is None or self.phase not in (WAITING, RUNNING):
            return None
        return max(0.0, limit - (now - self.running_since).total_seconds())


def read_run(job: Mapping[str, Any]) -> Run:
    """One job as Dataproc lists it."""
    status, labels, times = job.get("status") or {}, labels_of(dict(job)), state_times(job)
    driver, _script = job_arguments(job)
    substate = str(status.get("substate") or "")
    return Run(
        run=str((job.get("reference") or {}).get("jobId") or ""),
        workload=labels.get("workload") or option_value(driver, "--workload"),
        owner=labels.get("owner") or option_value(driver, "--owner"),
        team=labels.get("team", ""),
        priority=labels.get("priority") or yarn_queue(job).removeprefix("root.").partition(".")[0],
        cluster=str((job.get("placement") or {}).get("clusterName") or ""),
        state=job_state(job),
        substate="" if substate == "UNSPECIFIED" else substate,
        details=str(status.get("details") or ""),
        application=application_state(job),
        submitted=times[0][1] if times else None,
        running_since=next((moment for state, moment in times if state == "RUNNING"), None),
        timeout=_number(option_value(driver, "--timeout")),
        queue_timeout=_number(option_value(driver, "--queue-timeout")),
        master_memory_mb=_number(option_value(driver, "--master-memory-mb")),
        slots=int(labels["slots"]) if labels.get("slots", "").isdigit() else None,
        shared=labels.get("placement") == "shared",
        workflow=labels.get(_WORKFLOW_LABEL, ""),
        log=str(job.get("driverOutputResourceUri") or ""),
    )


def application_state(job: Mapping[str, Any]) -> str:
    """The state of a job's YARN application; one that runs stands for all, then one that waits."""
    states = [str(one.get("state") or "") for one in job.get("yarnApplications") or []]
    for wanted in ({"RUNNING"}, WAITING_APPLICATION):
        found = [state for state in states if state in wanted]
        if found:
            return found[-1]
    return states[-1] if states else ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
