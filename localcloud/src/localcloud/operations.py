"""Long-running operations, shared by all services.

An operation ends by the clock (`seconds`), or when its service says so (`complete`, `fail`). What is to happen at its
end is a handler registered under a `kind`, and the operation's `payload` carries the handler's arguments: both survive
a restart, so an operation that was under way when the server died ends properly afterwards.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from localcloud.clock import Clock
from localcloud.errors import ApiError
from localcloud.paging import page
from localcloud.store import Store

_SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
  name TEXT PRIMARY KEY, kind TEXT NOT NULL, method TEXT NOT NULL, created REAL NOT NULL, finish_at REAL,
  state TEXT NOT NULL, payload TEXT NOT NULL, metadata TEXT NOT NULL, response TEXT, error TEXT, fault TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS operations_due ON operations (finish_at) WHERE state = 'RUNNING';
"""
_COLUMNS = "name, kind, method, created, finish_at, state, payload, metadata, response, error, fault"
RUNNING = "RUNNING"
DONE = "DONE"
_log = logging.getLogger("localcloud")


@dataclass
class Operation:
    """One operation as stored; `created` and `finish_at` are seconds since the epoch."""

    name: str
    kind: str
    method: str
    created: float
    finish_at: float | None
    state: str = RUNNING
    payload: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    fault: dict[str, Any] | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self.state == DONE


class OperationFaults(Protocol):
    """What an operation asks when it starts: is it to end in an error, or never?"""

    def for_operation(self, method_id: str) -> dict[str, Any] | None:
        """Return {"kind": "operation-error", "status": ..., "message": ...}, {"kind": "operation-hang"}, or None."""


@dataclass
class Handler:
    """What a service does at the ends of its operations, and how it describes them."""

    finish: Callable[[Operation], dict[str, Any] | None] | None = None
    fail: Callable[[Operation, ApiError], None] | None = None
    describe: Callable[[Operation], dict[str, Any]] | None = None
    cancel: Callable[[Operation], None] | None = None
    ready: Callable[[Operation], bool] | None = None


class Operations:
    """The store of operations; all methods are quick and are called on the event loop."""

    def __init__(self, store: Store, clock: Clock, faults: OperationFaults | None = None) -> None:
        """Create the table when it is missing."""
        self._store = store
        self._clock = clock
        self._faults = faults
        self._handlers: dict[str, Handler] = {}
        store.connection.executescript(_SCHEMA)

    def register(  # noqa: PLR0917  (handlers are given by name)
        self,
        kind: str,
        finish: Callable[[Operation], dict[str, Any] | None] | None = None,
        fail: Callable[[Operation, ApiError], None] | None = None,
        describe: Callable[[Operation], dict[str, Any]] | None = None,
        cancel: Callable[[Operation], None] | None = None,
        ready: Callable[[Operation], bool] | None = None,
    ) -> None:
        """Say what happens to operations of `kind`; a service registers its kinds whenever it is created.

        `finish` runs when the time has come and returns the response (with "@type"), or raises ApiError to end in an
        error; `fail` runs when it ends in an error, injected or not; both run inside the transaction that records the
        end.
        `describe` renders the metadata (default: the stored metadata); `cancel` runs when a client cancels. An
        operation whose time has come goes on until `ready` says that it can end, or raises ApiError.
        """
        self._handlers[kind] = Handler(finish, fail, describe, cancel, ready)

    def start(
        self,
        method_id: str,
        name: str,
        *,
        kind: str,
        metadata: dict[str, Any],
        payload: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Record a new operation and return it rendered.

        `name` is its full resource name; `seconds` is how long Google takes (scaled by the clock), None when the
        service ends it itself. Call it inside the transaction that records the operation's subject.
        """
        now = self._clock.now()
        finish_at = None if seconds is None else (now + timedelta(seconds=self._clock.duration(seconds))).timestamp()
        fault = self._faults.for_operation(method_id) if self._faults else None
        if fault and fault["kind"] == "operation-hang":
            finish_at = None
        elif fault and finish_at is None:
            finish_at = now.timestamp()
        operation = Operation(
            name, kind, method_id, now.timestamp(), finish_at, RUNNING, payload or {}, metadata, fault=fault
        )
        self._write(operation)
        return self.render(operation)

    def find(self, name: str) -> Operation | None:
        """Return the operation, ended first if its time has come, or None."""
        operation = self._read(name)
        if operation and not operation.done and self._is_due(operation):
            self._end(operation)
        return operation

    def get(self, name: str) -> dict[str, Any]:
        """Return the operation rendered; raises ApiError 404."""
        return self.render(self._require(name))

    def list(
        self, prefix: str, page_size: int = 0, page_token: str = "", keep: Callable[[Operation], bool] | None = None
    ) -> dict[str, Any]:
        """Return ListOperationsResponse for names under `prefix`, newest first; `keep` filters."""
        self.tick()
        escaped = prefix.rstrip("/").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = self._store.connection.execute(
            f"SELECT {_COLUMNS} FROM operations WHERE name LIKE ? ESCAPE '\\' ORDER BY created DESC, name",  # noqa: S608
            (f"{escaped}/%",),
        ).fetchall()
        operations = [operation for operation in map(_from_row, rows) if keep is None or keep(operation)]
        answer = page(operations, "operations", lambda operation: operation.name, size=page_size, token=page_token)
        if "operations" in answer:
            answer["operations"] = [self.render(operation) for operation in answer["operations"]]
        return answer

    def pending(self, kind: str) -> list[Operation]:
        """Return the unfinished operations of `kind`, oldest first."""
        rows = self._store.connection.execute(
            f"SELECT {_COLUMNS} FROM operations WHERE state = 'RUNNING' AND kind = ? ORDER BY created",  # noqa: S608
            (kind,),
        ).fetchall()
        return [_from_row(row) for row in rows]

    def update(self, name: str, metadata: dict[str, Any], payload: dict[str, Any] | None = None) -> None:
        """Replace the metadata (and the payload) of a running operation."""
        operation = self._require(name)
        operation.metadata = metadata
        if payload is not None:
            operation.payload = payload
        self._write(operation)

    def complete(self, name: str, response: dict[str, Any] | None, metadata: dict[str, Any] | None = None) -> None:
        """End a running operation well; an operation that a fault keeps hanging, or that has ended, stays as it is."""
        operation = self._read(name)
        if operation is None or operation.done or operation.fault:
            return
        if metadata is not None:
            operation.metadata = metadata
        operation.response = response if response is not None else {}
        operation.state = DONE
        self._write(operation)

    def fail(self, name: str, error: ApiError, metadata: dict[str, Any] | None = None) -> None:
        """End a running operation in an error, without calling the handler (the service knows)."""
        operation = self._read(name)
        if operation is None or operation.done:
            return
        if metadata is not None:
            operation.metadata = metadata
        operation.error = error.rpc_status()
        operation.state = DONE
        self._write(operation)

    def cancel(self, name: str) -> None:
        """Cancel: a running operation ends in CANCELLED, an ended one is left alone; raises ApiError 404."""
        operation = self._require(name)
        if operation.done:
            return
        with self._store.transaction():
            handler = self._handlers.get(operation.kind, Handler())
            if handler.cancel:
                handler.cancel(operation)
            self.fail(name, ApiError(499, "Operation was cancelled.", "CANCELLED"))

    def delete(self, name: str) -> None:
        """Forget an operation that has ended; raises ApiError 404, or 400 while it runs."""
        operation = self._require(name)
        if not operation.done:
            raise ApiError(400, f"Operation {name} is still running.", "FAILED_PRECONDITION")
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM operations WHERE name = ?", (name,))

    def tick(self) -> None:
        """End every operation whose time has come."""
        rows = self._store.connection.execute(
            f"SELECT {_COLUMNS} FROM operations WHERE state = 'RUNNING' AND finish_at <= ? ORDER BY finish_at",  # noqa: S608
            (self._clock.now().timestamp(),),
        ).fetchall()
        for row in rows:
            operation = self._read(row[0])
            if operation and not operation.done:
                self._end(operation)

    def render(self, operation: Operation) -> dict[str, Any]:
        """Return google.longrunning.Operation; an unfinished one has no `done`, as on Google."""
        describe = self._handlers.get(operation.kind, Handler()).describe
        rendered: dict[str, Any] = {
            "name": operation.name,
            "metadata": describe(operation) if describe else operation.metadata,
        }
        if operation.done:
            rendered["done"] = True
            if operation.error is not None:
                rendered["error"] = operation.error
            else:
                rendered["response"] = operation.response or {}
        return rendered

    def _is_due(self, operation: Operation) -> bool:
        return operation.finish_at is not None and operation.finish_at <= self._clock.now().timestamp()

    def _end(self, operation: Operation) -> None:
        """Run the handler and record the end, in one transaction; what a failed `finish` wrote is undone."""
        handler = self._handlers.get(operation.kind, Handler())
        error: ApiError | None = None
        if operation.fault and operation.fault["kind"] == "operation-error":
            error = _injected_error(operation.fault)
        else:
            try:
                if handler.ready:
                    if not handler.ready(operation):
                        return
                    operation.finish_at = self._clock.now().timestamp()
                with self._store.transaction():
                    operation.response = (handler.finish(operation) if handler.finish else None) or {}
                    operation.state = DONE
                    self._write(operation)
                return
            except ApiError as raised:
                error = raised
            except (OSError, sqlite3.Error):
                # The disk is full, or the like: it ends another time.
                raise
            except Exception as raised:
                # One operation that cannot end well must not keep the others from ending.
                _log.exception("operation %s", operation.name)
                error = ApiError(500, f"localcloud failed while ending {operation.method}: {raised!r}", "INTERNAL")
        with self._store.transaction():
            operation.response = None
            operation.error = error.rpc_status()
            operation.state = DONE
            if handler.fail:
                handler.fail(operation, error)
            self._write(operation)

    def _require(self, name: str) -> Operation:
        operation = self.find(name)
        if operation is None:
            raise ApiError(404, f"Not found: Operation {name}")
        return operation

    def _read(self, name: str) -> Operation | None:
        row = self._store.connection.execute(
            f"SELECT {_COLUMNS} FROM operations WHERE name = ?",  # noqa: S608
            (name,),
        ).fetchone()
        return _from_row(row) if row else None

    def _write(self, operation: Operation) -> None:
        with self._store.transaction() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO operations ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
                (
                    operation.name,
                    operation.kind,
                    operation.method,
                    operation.created,
                    operation.finish_at,
                    operation.state,
                    json.dumps(operation.payload),
                    json.dumps(operation.metadata),
                    _dump(operation.response),
                    _dump(operation.error),
                    _dump(operation.fault),
                ),
            )


def _dump(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _load(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _from_row(row: tuple[Any, ...]) -> Operation:
    *plain, payload, metadata, response, error, fault = row
    return Operation(*plain, json.loads(payload), json.loads(metadata), _load(response), _load(error), _load(fault))


def _injected_error(fault: dict[str, Any]) -> ApiError:
    status = fault.get("status") or "INTERNAL"
    message = fault.get("message") or f"Injected fault: the operation ends in {status}."
    return ApiError(400, message, status)
