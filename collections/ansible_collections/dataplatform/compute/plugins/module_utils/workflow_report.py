# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the metadata of a workflow operation says, in words and numbers. Pure: no clock, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    cluster_console_url,
    parse_time,
    seconds_between,
    short_details,
    state_times,
    total_usage,
    workflow_console_url,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss

METADATA_TYPE = "google.cloud.dataproc.v1.WorkflowMetadata"

_CANCELLED_CODE = 1
"""google.rpc.Code.CANCELLED"""


def is_workflow(operation: Mapping[str, Any]) -> bool:
    """Whether an operation is a workflow's."""
    metadata = operation.get("metadata") or {}
    return str(metadata.get("@type", "")).endswith(METADATA_TYPE) or "graph" in metadata


def operation_id(operation: Mapping[str, Any]) -> str:
    """The last part of an operation's name, which is what people pass around."""
    return str(operation.get("name", "")).rpartition("/")[2]


def nodes(operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The steps of the workflow, each with its state and, once submitted, its job id."""
    return ((operation.get("metadata") or {}).get("graph") or {}).get("nodes") or []


def template_id(operation: Mapping[str, Any]) -> str:
    """The id of the template the workflow was started from; empty for one without a stored template."""
    return str((operation.get("metadata") or {}).get("template") or "").rpartition("/")[2]


def parameter_problems(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parameters for a template: names it does not have, values it does not allow."""
    declared = {one.get("name"): one for one in template.get("parameters") or []}
    problems = []
    for name, value in parameters.items():
        if name not in declared:
            hint = near_miss(str(name), map(str, declared))
            problems.append(f"parameters.{name}: template {template.get('id')!r} has no such parameter; {hint}")
            continue
        problems += _value_problems(name, str(value), declared[name].get("validation") or {})
    return problems


def label_problems(template: Mapping[str, Any], required: Mapping[str, Any]) -> list[str]:
    """Which labels the template, or a step of it, does not carry as required: what it would be charged to."""
    problems = []
    for where, labels in [
        ("", template.get("labels") or {}),
        *((f" step {job.get('stepId')!r}", job.get("labels") or {}) for job in template.get("jobs") or []),
    ]:
        for name, value in required.items():
            if labels.get(name) != str(value):
                problems.append(
                    f"template {template.get('id')!r}{where} has the label {name}={labels.get(name, '')}; "
                    f"expected {name}={value}. Bring the template up to date first"
                )
    return problems


def _value_problems(name: str, value: str, validation: Mapping[str, Any]) -> list[str]:
    allowed = (validation.get("values") or {}).get("values")
    if allowed and value not in allowed:
        return [f"parameters.{name} is {value!r}, which is not allowed; {near_miss(value, allowed)}"]
    patterns = (validation.get("regex") or {}).get("regexes") or []
    # Google matches the whole value; its RE2 patterns are read by Python's engine, which knows all but rare ones.
    if patterns and not any(_matches(pattern, value) for pattern in patterns):
        return [f"parameters.{name} is {value!r}: expected a match of {' or '.join(patterns)}"]
    return []


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True


def progress_lines(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """What a person following the workflow should read, given its operation at the last look and now."""
    old, new = (before or {}).get("metadata") or {}, now.get("metadata") or {}
    lines = []
    if old.get("state") != new.get("state") and new.get("state"):
        lines.append(f"workflow {template_id(now)}: {new['state']}")
    lines += _cluster_lines(old.get("createCluster"), new.get("createCluster"), new, "creating", "created")
    seen = {node.get("stepId"): node for node in nodes(before or {})}
    for node in nodes(now):
        previous = seen.get(node.get("stepId")) or {}
        if previous.get("state") != node.get("state") or (node.get("jobId") and not previous.get("jobId")):
            job = f" (job {node['jobId']})" if node.get("jobId") else ""
            lines.append(f"step {node.get('stepId')}: {node.get('state')}{job}")
        if node.get("error") and node.get("error") != previous.get("error"):
            lines.append(f"step {node.get('stepId')}: {node['error']}")
    lines += _cluster_lines(old.get("deleteCluster"), new.get("deleteCluster"), new, "deleting", "deleted")
    return lines


def _cluster_lines(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, metadata: Mapping[str, Any], doing: str, done: str
) -> list[str]:
    old, new = old or {}, new or {}
    name = metadata.get("clusterName") or ""
    if new.get("error") and not old.get("error"):
        return [f"{doing} cluster {name} failed: {new['error']}"]
    if new.get("done") and not old.get("done"):
        return [f"cluster {name} {done}"]
    if new and not old:
        return [f"{doing} cluster {name}"]
    return []


def failures(operation: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Everything that went wrong, most specific first; empty for a workflow that succeeded."""
    metadata, found = operation.get("metadata") or {}, []
    failed_jobs = {job["step_id"]: job for job in jobs if job["state"] in ("ERROR", "CANCELLED")}
    for node in nodes(operation):
        step = str(node.get("stepId"))
        job = failed_jobs.get(step)
        why = short_details((job or {}).get("details") or node.get("error") or "")
        if job:
            found.append(f"step {step}: job {job['job_id']} ended as {job['state']}: {why or 'no details given'}")
        elif node.get("state") == "FAILED" or node.get("error"):
            found.append(f"step {step} failed: {why or 'no details given'}")
    for key, doing in (("createCluster", "creating"), ("deleteCluster", "deleting")):
        error = (metadata.get(key) or {}).get("error")
        if error:
            found.append(f"{doing} cluster {metadata.get('clusterName')}: {error}")
    if operation.get("error"):
        found.append(str(operation["error"].get("message") or f"error code {operation['error'].get('code')}"))
    return found


def outcome(operation: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> str:
    """``running``, ``succeeded``, ``cancelled`` or ``failed``."""
    if not operation.get("done"):
        return "running"
    if (operation.get("error") or {}).get("code") == _CANCELLED_CODE:
        return "cancelled"
    return "failed" if failures(operation, jobs) else "succeeded"


def timings(operation: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Seconds the parts of a workflow took, by the service's clock; None for a part that has not ended.

    ``cluster_seconds`` runs from the start to the submission of the first job, ``jobs_seconds`` from there to the end
    of the last job, ``cleanup_seconds`` from there to the end of the workflow, ``duration_seconds`` over all.
    """
    metadata = operation.get("metadata") or {}
    start, end = parse_time(metadata.get("startTime")), parse_time(metadata.get("endTime"))
    histories = [history for job in jobs if (history := state_times(job["job"]))]
    first = min((history[0][1] for history in histories), default=None)
    all_ended = bool(jobs) and all(job["duration_seconds"] is not None for job in jobs)
    last = max((history[-1][1] for history in histories), default=None) if all_ended else None
    return {
        "cluster_seconds": seconds_between(start, first),
        "jobs_seconds": seconds_between(first, last),
        "cleanup_seconds": seconds_between(last, end),
        "duration_seconds": seconds_between(start, end),
    }


def describe_workflow(
    operation: Mapping[str, Any], jobs: Sequence[dict[str, Any]], project: str, region: str
) -> dict[str, Any]:
    """The fields every module returns for one workflow; ``jobs`` as described one by one, with ``step_id``."""
    metadata = operation.get("metadata") or {}
    cluster = metadata.get("clusterName") or ""
    name = operation_id(operation)
    return {
        "operation": dict(operation),
        "operation_id": name,
        "template": template_id(operation),
        "state": metadata.get("state") or "UNKNOWN",
        "outcome": outcome(operation, jobs),
        "cluster": cluster,
        "cluster_uuid": metadata.get("clusterUuid") or "",
        "cluster_deleted": bool((metadata.get("deleteCluster") or {}).get("done")),
        "cluster_console_url": cluster_console_url(project, region, cluster) if cluster else "",
        "console_url": workflow_console_url(project, region, name) if name else "",
        "jobs": list(jobs),
        "usage": total_usage(job["usage"] for job in jobs),
        **timings(operation, jobs),
    }


def failure_message(described: Mapping[str, Any], reason: str = "") -> str:
    """Why a workflow did not succeed, the last lines of the drivers concerned, and where everything is."""
    problems = failures(described["operation"], described["jobs"])
    why = reason or (problems[0] if problems else "no reason was given")
    name = described["template"] or described["operation_id"]
    lines = [f"workflow {name} (run {described['operation_id']}) {described['outcome']}: {why}"]
    lines += [f"  also: {problem}" for problem in problems if problem != why]
    for job in described["jobs"]:
        if job["state"] == "DONE":
            continue
        if job["output_tail"]:
            lines.append(f"Last {len(job['output_tail'])} lines of step {job['step_id']}:")
            lines += [f"    {line}" for line in job["output_tail"]]
        if job["driver_output_uri"]:
            lines.append(f"Whole log of step {job['step_id']}: {job['driver_output_uri']}.*")
        lines.append(f"Console: {job['console_url']}")
    if not described["jobs"]:
        lines.append(f"No job was started. Console: {described['console_url']}")
    return "\n".join(lines)
