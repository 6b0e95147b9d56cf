"""Finds the Dataproc job that this driver belongs to, and reads the labels its submitter gave it."""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException

from dask_on_yarn.node_watch import DEFAULT_METADATA_HOST

JOB_TAG = re.compile(r"(?:^|,)\s*dataproc_job_([A-Za-z0-9_-]+)\s*(?=,|$)")
METADATA_SECONDS = 2
REQUEST_SECONDS = 10
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@dataclass(frozen=True)
class OwnJob:
    """The job of this driver; ``labels`` is None when they could not be read, and ``reason`` says why."""

    job_id: str | None
    labels: dict[str, str] | None = None
    reason: str = ""
    project: str = ""
    region: str = ""
    cluster: str = ""
    driver_output: str = field(default="", repr=False)


def job_id_of(spark_yarn_tags: str) -> str | None:
    """Return the Dataproc job id from the YARN tags that Dataproc gives every application of a job."""
    found = JOB_TAG.search(spark_yarn_tags)
    return found[1] if found else None


def own_job(spark_yarn_tags: str, environment: Mapping[str, str] | None = None) -> OwnJob:
    """Read this driver's job with ``jobs.get``; never raises, and takes at most about 15 seconds.

    Project and region come from the machine's metadata server (GCE_METADATA_HOST when set).
    """
    job_id = job_id_of(spark_yarn_tags)
    if job_id is None:
        return OwnJob(None, reason=f"spark.yarn.tags is {spark_yarn_tags!r}, expected a tag dataproc_job_<job id>")
    host = (os.environ if environment is None else environment).get("GCE_METADATA_HOST") or DEFAULT_METADATA_HOST
    try:
        project = _metadata(host, "project/project-id")
        region = _metadata(host, "instance/attributes/dataproc-region")
    except (OSError, HTTPException) as error:
        return OwnJob(job_id, reason=f"metadata server {host}: {error}")
    try:
        answer = _get_job(project, region, job_id)
    except Exception as error:
        return OwnJob(job_id, reason=f"job {job_id}: {error}", project=project, region=region)
    return OwnJob(
        job_id,
        labels=dict(answer.get("labels", {})),
        project=project,
        region=region,
        cluster=answer.get("placement", {}).get("clusterName", ""),
        driver_output=answer.get("driverOutputResourceUri", ""),
    )


def _metadata(host: str, path: str) -> str:
    request = urllib.request.Request(f"http://{host}/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=METADATA_SECONDS) as response:
        return response.read().decode().strip()


def _get_job(project: str, region: str, job_id: str) -> dict:
    # Imported here: the driver may run where google-auth is not installed, and imports cost start-up time.
    import google.auth  # noqa: PLC0415
    from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415

    credentials, _ = google.auth.default(scopes=SCOPES)
    with AuthorizedSession(credentials, max_refresh_attempts=1, refresh_timeout=REQUEST_SECONDS) as session:
        response = session.get(
            f"https://dataproc.googleapis.com/v1/projects/{project}/regions/{region}/jobs/{job_id}",
            timeout=REQUEST_SECONDS,
        )
        response.raise_for_status()
        return response.json()
