"""From a template to a workflow: parameters filled in, names and labels of everything it will make."""

from __future__ import annotations

import re
from typing import Any

from localcloud.dataproc.names import JOB_TYPES, random_suffix
from localcloud.dataproc.templates import job_order
from localcloud.errors import invalid_argument

METADATA_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.WorkflowMetadata"
_LABEL = "goog-dataproc-workflow-"
_SUFFIX_LENGTH = 13


def plan_workflow(template: dict[str, Any], template_id: str, instance_id: str) -> dict[str, Any]:
    """Return what a workflow will do: `jobs` by step id in an order that works, and `cluster` (managed) or `selector`.

    Raises ApiError 400 for a template that cannot be run.
    """
    if not template.get("jobs"):
        raise invalid_argument("The workflow template has no jobs, it cannot be instantiated.")
    suffix = random_suffix(_SUFFIX_LENGTH)
    labels = {**template.get("labels", {}), f"{_LABEL}instance-id": instance_id}
    if template_id:
        labels[f"{_LABEL}template-id"] = template_id.lower()
    by_step = {job["stepId"]: job for job in template["jobs"]}
    plan: dict[str, Any] = {"jobs": {}, "steps": job_order(template["jobs"])}
    for step in plan["steps"]:
        job = by_step[step]
        plan["jobs"][step] = {
            "reference": {"jobId": f"{step}-{suffix}"},
            "labels": {**labels, **job.get("labels", {}), f"{_LABEL}step-id": step.lower()},
            **{name: job[name] for name in JOB_TYPES if name in job},
        }
    placement = template["placement"]
    if "clusterSelector" in placement:
        plan["selector"] = placement["clusterSelector"].get("clusterLabels", {})
        return plan
    managed = placement["managedCluster"]
    prefix = managed.get("clusterName") or re.sub(r"[^a-z0-9-]", "-", f"w-{template_id or 'inline'}".lower())[
        :35
    ].rstrip("-")
    plan["cluster"] = {
        "clusterName": f"{prefix}-{suffix}",
        "config": managed.get("config", {}),
        "labels": {**labels, **managed.get("labels", {})},
    }
    return plan


def initial_metadata(template: dict[str, Any], name: str, parameters: dict[str, str], now: str) -> dict[str, Any]:
    """Return the WorkflowMetadata of a workflow that has just been accepted."""
    metadata: dict[str, Any] = {"@type": METADATA_TYPE, "state": "PENDING", "startTime": now}
    if name:
        metadata["template"] = name
        metadata["version"] = template.get("version", 0)
    if parameters:
        metadata["parameters"] = parameters
    if "dagTimeout" in template:
        metadata["dagTimeout"] = template["dagTimeout"]
    nodes = []
    for job in template["jobs"]:
        node = {"stepId": job["stepId"], "state": "BLOCKED" if job.get("prerequisiteStepIds") else "RUNNABLE"}
        if job.get("prerequisiteStepIds"):
            node["prerequisiteStepIds"] = job["prerequisiteStepIds"]
        nodes.append(node)
    metadata["graph"] = {"nodes": nodes}
    return metadata
