"""Long-running operations on clusters: their names, metadata by the clock, and replays of a request id."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from localcloud.clock import format_timestamp
from localcloud.dataproc.names import Location, require_request_id

METADATA_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.ClusterOperationMetadata"
# Seconds that Google takes, as far as people report it; the clock scales them.
CREATE_SECONDS = 90.0
UPDATE_SECONDS = 40.0
DELETE_SECONDS = 50.0
# An operation counts as PENDING for this part of its time, then as RUNNING.
_PENDING_PART = 0.1


def new_operation_name(location: Location) -> str:
    """Return the resource name of a new operation; Dataproc keeps them under `regions` in any case."""
    return f"projects/{location.project}/regions/{location.region}/operations/{uuid.uuid4()}"


def describe(operation: Any, now: datetime) -> dict[str, Any]:
    """Return ClusterOperationMetadata with the status that the operation has at `now`."""
    metadata = {"@type": METADATA_TYPE, **operation.metadata}
    created = datetime.fromtimestamp(operation.created, UTC)
    if operation.finish_at is None:
        running_since, ended = created.timestamp(), None
    else:
        running_since = operation.created + (operation.finish_at - operation.created) * _PENDING_PART
        ended = operation.finish_at
    history = [{"state": "PENDING", "stateStartTime": format_timestamp(created)}]
    running = {"state": "RUNNING", "stateStartTime": format_timestamp(datetime.fromtimestamp(running_since, UTC))}
    if operation.done:
        end = now if ended is None else datetime.fromtimestamp(ended, UTC)
        metadata["status"] = {"innerState": "DONE", "state": "DONE", "stateStartTime": format_timestamp(end)}
        metadata["statusHistory"] = [*history, running]
    elif now.timestamp() >= running_since and ended is not None:
        metadata["status"] = {**running, "innerState": "RUNNING"}
        metadata["statusHistory"] = history
    else:
        metadata["status"] = {**history[0], "innerState": "PENDING"}
    return metadata


class Replays:
    """Operations by the request id that started them: the same id again answers the first operation."""

    def __init__(self, store: Any, operations: Any) -> None:
        """Remember request ids in `store`."""
        self._store = store
        self._operations = operations

    def find(self, location: Location, request_id: str | None) -> dict[str, Any] | None:
        """Return the operation that `request_id` started before, if any. Raises ApiError 400 for a malformed id."""
        require_request_id(request_id)
        first = self._store.get(self._key(location, request_id)) if request_id else None
        operation = self._operations.find(first["operation"]) if first else None
        return self._operations.render(operation) if operation else None

    def note(self, location: Location, request_id: str | None, operation: dict[str, Any]) -> None:
        """Remember which operation `request_id` started."""
        if request_id:
            self._store.put(self._key(location, request_id), "dataproc/requests", {"operation": operation["name"]})

    @staticmethod
    def _key(location: Location, request_id: str | None) -> str:
        return f"{location.key}/requests/{request_id}"
