"""Long-running operations on environments: how they start, and their metadata by the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from localcloud.clock import format_timestamp
from localcloud.composer.names import new_operation_name, parse_name
from localcloud.operations import Operation, Operations

MESSAGE_TYPE = "type.googleapis.com/google.cloud.orchestration.airflow.service.v1"
# Of Google's time; creating takes it 25 minutes, updating about ten.
_SECONDS = {"CREATE": 300.0, "UPDATE": 120.0, "DELETE": 120.0}
# An operation counts as PENDING for this part of its time, then as RUNNING.
_PENDING_PART = 0.1


def start_operation(
    operations: Operations,
    kind: str,
    resource: dict[str, Any],
    method_id: str,
    payload: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Record an operation of `kind` (CREATE, UPDATE or DELETE) on an environment; return it rendered."""
    return operations.start(
        method_id,
        new_operation_name(parse_name(resource["name"])),
        kind=f"composer.{kind.lower()}",
        metadata={"operationType": kind, "resource": resource["name"], "resourceUuid": resource["uuid"]},
        payload={"name": resource["name"], **(payload or {})},
        seconds=_SECONDS[kind],
    )


def describe_operation(operation: Operation, now: datetime) -> dict[str, Any]:
    """Return OperationMetadata with the state that the operation has at `now`."""
    state = "PENDING"
    if operation.finish_at is not None:
        running_since = operation.created + (operation.finish_at - operation.created) * _PENDING_PART
        state = "RUNNING" if now.timestamp() >= running_since else state
    metadata = {
        "@type": f"{MESSAGE_TYPE}.OperationMetadata",
        **operation.metadata,
        "createTime": format_timestamp(datetime.fromtimestamp(operation.created, UTC)),
        "state": state,
    }
    if operation.done:
        metadata["state"] = "FAILED" if operation.error else "SUCCEEDED"
        ended = operation.finish_at or now.timestamp()
        metadata["endTime"] = format_timestamp(datetime.fromtimestamp(ended, UTC))
    return metadata
