# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What failed lately: jobs, and the operations that made, changed or deleted clusters and ran workflows. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import workflow_report
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    job_state,
    parse_time,
    short_details,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import is_owned, labels_of
from ansible_collections.dataplatform.compute.plugins.module_utils.run_summary import run_record_location
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import read_run

NO_REASON = "Dataproc gave no reason"

# What Dataproc says when the driver ended with an exit code; the reason itself is in brackets where it found one.
_QUOTED = re.compile(r"Job failed with message \[(.*)\]\.?$")
_AGENT_ONLY = re.compile(r"Google Cloud Dataproc Agent reports job failure\.?$")
_ADDRESS = re.compile(r"gs://[^\s'\"]+")
_CANCELLED_CODE = 1
"""google.rpc.Code.CANCELLED"""
_DOING = {"CREATE": "creating", "UPDATE": "changing", "DELETE": "deleting", "DIAGNOSE": "diagnosing"}


@dataclass(frozen=True)
class Failure:
    """One thing that failed. ``run`` is what playbooks/logs.yml takes, empty where there is no run.

    ``log`` is the address of an output, ``record`` that of the run record, ``workflow`` the one whose step a job is;
    all are empty where there is none.
    """

    run: str
    what: str
    owner: str
    team: str
    cluster: str
    ended: datetime
    reason: str
    log: str
    record: str = ""
    workflow: str = ""

    def command(self, inventories: Sequence[str] = ()) -> str:
        """What shows its log, with these inventories; empty for an operation on a cluster, whose log is an object."""
        if not self.run:
            return ""
        options = [word for inventory in inventories for word in ("-i", inventory)]
        return shlex.join(["ansible-playbook", "playbooks/logs.yml", *options, "-e", f"run={self.run}"])


def failed_jobs(jobs: Iterable[Mapping[str, Any]], since: datetime) -> list[Failure]:
    """The jobs that ended in ERROR since then."""
    return [failure for job in jobs if (failure := _failed_job(job, since)) is not None]


def _failed_job(job: Mapping[str, Any], since: datetime) -> Failure | None:
    status = job.get("status") or {}
    ended = parse_time(status.get("stateStartTime"))
    if job_state(job) != "ERROR" or ended is None or ended < since:
        return None
    run = read_run(job)
    directory = run_record_location(job, run.run)
    return Failure(
        run=run.run,
        what=run.workload or run.run,
        owner=run.owner,
        team=run.team,
        cluster=run.cluster,
        ended=ended,
        reason=reason_of(str(status.get("details") or "")),
        log=f"{run.log}.*" if run.log else "",
        record=f"{directory}run.json" if directory else "",
        workflow=run.workflow,
    )


def reason_of(details: str) -> str:
    """The reason in what Dataproc says about a failed job; NO_REASON where it only says that it failed."""
    text = short_details(details)
    quoted = _QUOTED.match(text)
    if quoted:
        return quoted[1]
    return text if text and not _AGENT_ONLY.match(text) else NO_REASON


def failed_operations(
    operations: Collection[Mapping[str, Any]],
    since: datetime,
    *,
    clusters: Mapping[str, Mapping[str, Any]],
    ownership: Mapping[str, str],
    workloads: Mapping[str, Any],
    explained: Collection[str],
) -> list[Failure]:
    """The operations that ended in an error since then.

    A workflow whose job failed is left out, ``explained`` are the workflows and jobs that are already reported, and so
    is the creation of a cluster whose workflow is reported. Operations carry no labels. So a workflow belongs to this
    environment when its template is one of ``workloads``, and an operation on a cluster unless one of the ``clusters``
    that there are has its name and is somebody else's: a cluster that could not be made is often gone.
    """
    workflows = [
        failure
        for operation in operations
        if workflow_report.is_workflow(operation)
        and (failure := _failed_workflow(operation, since, workloads, explained)) is not None
    ]
    reported = {failure.cluster for failure in workflows if failure.cluster}
    clusters = [
        failure
        for operation in operations
        if not workflow_report.is_workflow(operation)
        and (failure := _failed_cluster(operation, since, clusters, ownership, workloads)) is not None
        and failure.cluster not in reported
    ]
    return [*workflows, *clusters]


def _failed_workflow(
    operation: Mapping[str, Any], since: datetime, workloads: Mapping[str, Any], explained: Collection[str]
) -> Failure | None:
    metadata = operation.get("metadata") or {}
    ended = parse_time(metadata.get("endTime"))
    template, run = workflow_report.template_id(operation), workflow_report.operation_id(operation)
    jobs = {str(node.get("jobId")) for node in workflow_report.nodes(operation) if node.get("jobId")}
    if template not in workloads or _ended_well(operation) or ended is None or ended < since:
        return None
    if run in explained or jobs & set(explained):
        return None
    problems = workflow_report.failures(operation, [])
    reason = short_details(problems[0]) if problems else NO_REASON
    return Failure(
        run=run,
        what=template,
        owner=str(workloads[template].get("owner") or ""),
        team=str(workloads[template].get("team") or ""),
        cluster=str(metadata.get("clusterName") or ""),
        ended=ended,
        reason=reason or NO_REASON,
        log=_address_in(" ".join(problems)),
    )


def _failed_cluster(
    operation: Mapping[str, Any],
    since: datetime,
    clusters: Mapping[str, Mapping[str, Any]],
    ownership: Mapping[str, str],
    workloads: Mapping[str, Any],
) -> Failure | None:
    metadata = operation.get("metadata") or {}
    ended = parse_time((metadata.get("status") or {}).get("stateStartTime"))
    kind, cluster = str(metadata.get("operationType") or ""), str(metadata.get("clusterName") or "")
    if kind not in _DOING or _ended_well(operation) or ended is None or ended < since:
        return None
    if cluster in clusters and not is_owned(dict(clusters[cluster]), dict(ownership)):
        return None
    workload, labels = _workload_of(cluster, workloads), labels_of(dict(clusters.get(cluster) or {}))
    message = str(operation["error"].get("message") or "")
    return Failure(
        run="",
        what=labels.get("workload") or workload or cluster,
        owner=labels.get("owner") or str((workloads.get(workload) or {}).get("owner") or ""),
        team=labels.get("team") or str((workloads.get(workload) or {}).get("team") or ""),
        cluster=cluster,
        ended=ended,
        reason=f"{_DOING[kind]} cluster {cluster}: {' '.join(message.split()) or NO_REASON}",
        log=_address_in(message),
    )


def _workload_of(cluster: str, workloads: Mapping[str, Any]) -> str:
    """The workload for whose run a cluster was made, by its name: WORKLOAD-SUFFIX, in workflows and DAGs alike."""
    return max((name for name in workloads if cluster.startswith(f"{name}-")), key=len, default="")


def _ended_well(operation: Mapping[str, Any]) -> bool:
    """Whether it has not ended, or ended without an error; that somebody cancelled it is none."""
    error = operation.get("error")
    return not operation.get("done") or not error or error.get("code") == _CANCELLED_CODE


def _address_in(text: str) -> str:
    """The output that an error names, as those of initialization actions do."""
    found = _ADDRESS.findall(text)
    return found[-1].rstrip(".,;)'") if found else ""
