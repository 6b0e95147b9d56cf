"""States of a job as clients see them, and the texts that go with them."""

from __future__ import annotations

from typing import Any

TERMINAL = frozenset({"CANCELLED", "DONE", "ERROR"})


def set_state(body: dict[str, Any], state: str, now: str, details: str = "") -> None:
    """Move a job to `state`; what it was before goes to its history."""
    if "status" in body:
        body.setdefault("statusHistory", []).append(body["status"])
    body["status"] = {"state": state, "stateStartTime": now}
    if details:
        body["status"]["details"] = details
    if state in TERMINAL:
        body["done"] = True


def is_terminal(body: dict[str, Any]) -> bool:
    """Return whether a job has ended."""
    return body["status"]["state"] in TERMINAL


def where_to_look(project: str, region: str, job_id: str, output_uri: str) -> str:
    """Return the lines that tell where a failed job's output is: as Google's do, and where the local cloud keeps it."""
    folder = output_uri.removeprefix("gs://").rpartition("/")[0]
    return (
        "Additional details can be found at:\n"
        f"https://console.cloud.google.com/dataproc/jobs/{job_id}?project={project}&region={region}\n"
        f"gcloud dataproc jobs wait '{job_id}' --region '{region}' --project '{project}'\n"
        f"https://console.cloud.google.com/storage/browser/{folder}/\n"
        f"{output_uri}.*"
    )


def failure_details(message: str, project: str, region: str, job_id: str, output_uri: str) -> str:
    """Return the status details of a job whose driver failed with `message`."""
    look = where_to_look(project, region, job_id, output_uri)
    if message:
        return f"Job failed with message [{message}]. {look}"
    return f"Google Cloud Dataproc Agent reports job failure. {look}"
