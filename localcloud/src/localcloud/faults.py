"""Injected faults: which requests go wrong, how, and how often. They are kept in the database."""

from __future__ import annotations

import difflib
import fnmatch
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from localcloud.errors import RPC_CODES, STATUS_BY_CODE, ApiError
from localcloud.store import Store

KINDS = ("status", "reset", "truncate", "delay", "disk-full", "operation-error", "operation-hang")
_OPERATION_KINDS = ("operation-error", "operation-hang")
_SCHEMA = "CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY, body TEXT NOT NULL)"


@dataclass
class Fault:
    """One fault: it skips `after` matching requests, then hits `count` of them (0: all)."""

    method: str = "*"
    kind: str = "status"
    status: str = ""
    reason: str = ""
    message: str = ""
    delay: float = 0.0
    retry_after: int = 0
    after: int = 0
    count: int = 0
    hits: int = 0
    id: int = 0

    def __post_init__(self) -> None:
        """Refuse what could never work, naming the value and what was expected."""
        if self.kind not in KINDS:
            near = difflib.get_close_matches(self.kind, KINDS, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"kind is {self.kind!r}, expected one of: {', '.join(KINDS)}{hint}")
        if self.kind == "status" and not (self.status.isdigit() and 400 <= int(self.status) <= 599):
            raise ValueError(f"status is {self.status!r}, expected an HTTP error status from 400 to 599")
        if self.kind == "operation-error" and self.status and self.rpc_status not in RPC_CODES:
            raise ValueError(f"status is {self.status!r}, expected an HTTP status or one of: {', '.join(RPC_CODES)}")
        for name in ("delay", "after", "count", "retry_after"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if self.kind == "delay" and not self.delay:
            raise ValueError("kind is 'delay', but delay is 0; expected seconds")
        self._pattern = re.compile(fnmatch.translate(self.method))

    @property
    def rpc_status(self) -> str:
        """The google.rpc.Code name that `status` stands for."""
        return STATUS_BY_CODE.get(int(self.status), "UNKNOWN") if self.status.isdigit() else self.status

    def matches(self, method_id: str) -> bool:
        """Whether the glob `method` covers a method id."""
        return self._pattern.match(method_id) is not None

    def error(self) -> ApiError:
        """Return the answer of a `status` fault."""
        code = int(self.status)
        message = self.message or f"Injected fault: {code}."
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        return ApiError(code, message, None, self.reason or None, headers=headers)

    def description(self) -> dict[str, Any]:
        """Return the fault as plain data."""
        return asdict(self)


class Faults:
    """The faults of one instance."""

    def __init__(self, store: Store) -> None:
        """Load what is stored."""
        self._store = store
        store.connection.execute(_SCHEMA)
        rows = store.connection.execute("SELECT id, body FROM faults ORDER BY id").fetchall()
        self._faults = [Fault(**{**json.loads(body), "id": identifier}) for identifier, body in rows]

    @property
    def active(self) -> bool:
        """Whether there is anything to look at; the usual answer is no."""
        return bool(self._faults)

    def add(self, description: dict[str, Any]) -> Fault:
        """Add a fault from plain data and return it with its id. Raises ValueError naming what is wrong."""
        known = [field.name for field in fields(Fault) if field.name not in ("id", "hits")]
        for name, value in description.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"unknown field {name!r} of a fault{hint}")
            default = Fault.__dataclass_fields__[name].default
            wanted = (int, float) if isinstance(default, float) else type(default)
            if not isinstance(value, wanted):
                expected = "text" if wanted is str else "a number"
                raise ValueError(f"{name} is {value!r}, expected {expected}")
        fault = Fault(**description)
        with self._store.transaction() as connection:
            cursor = connection.execute("INSERT INTO faults (body) VALUES (?)", (json.dumps(fault.description()),))
            fault.id = cursor.lastrowid or 0
        self._faults.append(fault)
        return fault

    def list(self) -> list[dict[str, Any]]:
        """Return all faults as plain data, oldest first."""
        return [fault.description() for fault in self._faults]

    def clear(self, identifier: int | None = None) -> int:
        """Remove one fault, or all; return how many went."""
        before = len(self._faults)
        with self._store.transaction() as connection:
            if identifier is None:
                connection.execute("DELETE FROM faults")
            else:
                connection.execute("DELETE FROM faults WHERE id = ?", (identifier,))
        self._faults = [fault for fault in self._faults if identifier is not None and fault.id != identifier]
        return before - len(self._faults)

    def for_request(self, method_id: str) -> tuple[float, Fault | None]:
        """Return the delay (seconds) of a request and the fault that hits it, if any; counts both."""
        delay = 0.0
        hit: Fault | None = None
        for fault in list(self._faults):
            if fault.kind in _OPERATION_KINDS or not fault.matches(method_id) or (hit and fault.kind != "delay"):
                continue
            if self._use(fault):
                delay += fault.delay
                hit = hit if fault.kind == "delay" else fault
        return delay, hit

    def for_operation(self, method_id: str) -> dict[str, Any] | None:
        """Return the fault of an operation that `method_id` starts, or None; counts it."""
        for fault in list(self._faults):
            if fault.kind in _OPERATION_KINDS and fault.matches(method_id) and self._use(fault):
                return {"kind": fault.kind, "status": fault.rpc_status, "message": fault.message}
        return None

    def _use(self, fault: Fault) -> bool:
        """Count a match; return whether it is hit. Only faults with limits change, and only those are written."""
        if not fault.after and not fault.count:
            return True
        if fault.after:
            fault.after -= 1
            hit = False
        else:
            fault.hits += 1
            hit = True
        with self._store.transaction() as connection:
            if fault.count and fault.hits >= fault.count:
                connection.execute("DELETE FROM faults WHERE id = ?", (fault.id,))
                self._faults.remove(fault)
            else:
                connection.execute(
                    "UPDATE faults SET body = ? WHERE id = ?", (json.dumps(fault.description()), fault.id)
                )
        return hit
