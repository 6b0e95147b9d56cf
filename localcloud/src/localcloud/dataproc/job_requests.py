"""What a submitted job must satisfy."""

from __future__ import annotations

from typing import Any

from localcloud.dataproc.names import JOB_ID, JOB_TYPES, Location, require_labels, require_match
from localcloud.errors import invalid_argument

_LIMITS = {"maxFailuresPerHour": 10, "maxFailuresTotal": 240}


def checked_job_id(job: dict[str, Any], location: Location) -> str | None:
    """Check a job to be submitted and return the id it asks for, None when the server is to choose one.

    Raises ApiError 400 naming the field that is wrong.
    """
    reference = job.get("reference", {})
    if reference.get("projectId", location.project) != location.project:
        raise invalid_argument(
            f"Project id '{reference['projectId']}' of the job's reference does not match '{location.project}'."
        )
    job_id = reference.get("jobId") or None
    if job_id is not None:
        rule = "It must contain only letters, numbers, underscores, and hyphens, at most 100 characters."
        require_match(JOB_ID, job_id, "job id", rule)
    types = [name for name in JOB_TYPES if name in job]
    if len(types) != 1:
        raise invalid_argument(
            f"A job must have exactly one type, found: {', '.join(types) or 'none'} (of: {', '.join(JOB_TYPES)})."
        )
    placement = job.get("placement", {})
    if not placement.get("clusterName") and not placement.get("clusterLabels"):
        raise invalid_argument("Cluster name is required: placement.clusterName is not set.")
    require_labels(job.get("labels"), f"job '{job_id or ''}'")
    if "pysparkJob" in job and not job["pysparkJob"].get("mainPythonFileUri"):
        raise invalid_argument("pysparkJob.mainPythonFileUri is required.")
    for field, most in _LIMITS.items():
        value = job.get("scheduling", {}).get(field, 0)
        if not 0 <= value <= most:
            raise invalid_argument(f"Invalid value for scheduling.{field}: {value}, expected 0 to {most}.")
    return job_id
