"""No network, no database, no processes, no variables and no connections while DAG files are imported.

All of these cost something for every file at every parse, and make a DAG depend on where it is parsed. They are seen
when they happen, whatever function leads there, and named with the line of the archive that asked. This finds mistakes
and is no sandbox: Python tells nobody what native libraries such as gRPC do, and files are not watched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from airflow.models.connection import Connection
from airflow.models.variable import Variable

_EVENTS = {
    "socket.connect": "opens a network connection",
    "socket.getaddrinfo": "looks a name up in the network",
    "socket.sendto": "sends to the network",
    "sqlite3.connect": "uses Airflow's database",
    "subprocess.Popen": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.system": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
}


class ForbiddenAtImportError(RuntimeError):
    """A DAG file did at import what only a task may do."""


@dataclass(frozen=True)
class Access:
    """One such attempt: the file in the archive, its line, and what was done."""

    file: str
    line: int
    what: str
    forbidden: str


@dataclass
class Watch:
    """Notes what code of one archive does while it is imported; inactive outside :func:`watching`."""

    archive: str = ""
    accesses: list[Access] = field(default_factory=list)

    def note(self, what: str, forbidden: str) -> bool:
        """Note an attempt of the archive's code; False when it is not the archive that asked."""
        place = self._place(sys._getframe(2))
        if place is None:
            return False
        access = Access(*place, what, forbidden)
        if access not in self.accesses:
            self.accesses.append(access)
        return True

    def _place(self, frame: FrameType | None) -> tuple[str, int] | None:
        """The innermost line of the archive on the stack."""
        while frame is not None:
            name = frame.f_code.co_filename
            if self.archive and name.startswith(self.archive):
                return name.removeprefix(self.archive).lstrip("/"), frame.f_lineno
            frame = frame.f_back
        return None

    def audit(self, event: str, _arguments: tuple[Any, ...]) -> None:
        """Refuse what an archive does at import; Python calls this for every event of the interpreter."""
        if self.archive and event in _EVENTS and self.note(_EVENTS[event], "processes" if "os." in event else event):
            raise ForbiddenAtImportError(f"{_EVENTS[event]} at import")


@contextmanager
def watching(watch: Watch, archive: str) -> Iterator[None]:
    """Watch the code of one archive."""
    watch.archive, watch.accesses = archive, []
    try:
        yield
    finally:
        watch.archive = ""


def install(watch: Watch) -> None:
    """Put the watch in place, once per process: an audit hook cannot be removed."""
    sys.addaudithook(watch.audit)
    Variable.get_variable_from_secrets = staticmethod(_refuse_variables(watch))
    Connection.get_connection_from_secrets = classmethod(_refuse_connections(watch))


def _refuse_variables(watch: Watch) -> Callable[..., None]:
    def get_variable_from_secrets(key: str) -> None:
        """No variable has a value here, as in an environment that lacks it."""
        watch.note(f"reads the variable {key!r}", "variable")

    return get_variable_from_secrets


def _refuse_connections(watch: Watch) -> Callable[..., Any]:
    def get_connection_from_secrets(_cls: type, conn_id: str) -> Any:
        watch.note(f"reads the connection {conn_id!r}", "connection")
        raise ForbiddenAtImportError(f"reads the connection {conn_id!r} at import")

    return get_connection_from_secrets
