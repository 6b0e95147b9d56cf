"""Jobs submitted as long-running operations."""

from __future__ import annotations

from typing import Any

from localcloud.dataproc.cluster_operations import new_operation_name
from localcloud.dataproc.job_states import is_terminal
from localcloud.dataproc.jobs import Jobs
from localcloud.dataproc.names import Location
from localcloud.dataproc.records import Records
from localcloud.errors import ApiError

METADATA_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.JobMetadata"
JOB_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.Job"


class JobOperations:
    """Operations that end with their job."""

    kind = "dataproc-job"

    def __init__(self, jobs: Jobs, records: Records, operations: Any) -> None:
        """Follow the jobs in `records`."""
        self._jobs = jobs
        self._records = records
        self._operations = operations
        operations.register(self.kind, describe=self._describe, fail=lambda operation, _error: self.cancel(operation))

    def submit(self, location: Location, job: dict[str, Any], request_id: str | None, method_id: str) -> dict[str, Any]:
        """Submit a job and return the operation that follows it. Raises ApiError as `Jobs.submit` does."""
        with self._records.transaction():
            submitted = self._jobs.submit(location, job, request_id)
            record = self._jobs.require(location, submitted["reference"]["jobId"])
            if "operation" in record.internal:
                return self._operations.get(record.internal["operation"])
            record.internal["operation"] = new_operation_name(location)
            self._records.save(record)
            return self._operations.start(
                method_id, record.internal["operation"], kind=self.kind, metadata={}, payload={"key": record.key}
            )

    def cancel(self, operation: Any) -> None:
        """Cancel the job behind an operation."""
        record = self._records.by_key(operation.payload["key"])
        if record is not None and not is_terminal(record.body):
            self._jobs.cancel(record.location, record.id)

    def tick(self) -> None:
        """End the operations whose jobs have ended."""
        for operation in self._operations.pending(self.kind):
            record = self._records.by_key(operation.payload["key"])
            if record is None:
                self._operations.fail(operation.name, ApiError(404, "The job was deleted.", "NOT_FOUND"))
            elif is_terminal(record.body):
                self._end(operation.name, record.body)

    def _end(self, name: str, job: dict[str, Any]) -> None:
        state = job["status"]["state"]
        if state == "DONE":
            self._operations.complete(name, {"@type": JOB_TYPE, **job})
            return
        message = job["status"].get("details") or f"Job {job['reference']['jobId']} ended in state {state}."
        self._operations.fail(
            name, ApiError(400, message, "CANCELLED" if state == "CANCELLED" else "FAILED_PRECONDITION")
        )

    def _describe(self, operation: Any) -> dict[str, Any]:
        record = self._records.by_key(operation.payload["key"])
        metadata = {"@type": METADATA_TYPE, "operationType": "SUBMIT_JOB"}
        if record is not None:
            metadata |= {"jobId": record.id, "status": record.body["status"], "startTime": record.internal["submitted"]}
        return metadata
