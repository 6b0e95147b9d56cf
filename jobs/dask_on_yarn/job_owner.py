"""Is the owner on the command line the one the Dataproc job was submitted for? The job's label decides."""

from __future__ import annotations

import re

from dask_on_yarn.dataproc_job import OwnJob
from dask_on_yarn.exit_codes import NOT_ALLOWED, RunEnded

LABEL = "owner"


def label_value(owner: str) -> str:
    """A user name as a Google label can hold it."""
    return re.sub(r"[^a-z0-9_-]", "-", owner.lower())


def confirm_owner(owner: str, job: OwnJob) -> str | None:
    """Raise RunEnded when the job's label names somebody else; otherwise a sentence for people, or None.

    A launcher started by hand has no job, and a cluster's service account may lack the right to read jobs: the
    name is then taken as given, because it decides about fairness among colleagues and not about access.
    """
    if job.job_id is None:
        return None
    if job.labels is None:
        return f"the owner {owner} is not confirmed by the job's label: {job.reason}"
    label = job.labels.get(LABEL)
    if label is None:
        return f"the owner {owner} is not confirmed: job {job.job_id} has no label {LABEL!r}"
    if label != label_value(owner):
        raise RunEnded(
            NOT_ALLOWED, f"--owner {owner!r} does not agree with the label {LABEL}={label!r} of job {job.job_id}"
        )
    return None
