"""The journal of requests: requests.jsonl, one line each, never with tokens, bodies or secrets of the query."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

_FLUSH_LINES = 200
_ROTATE_BYTES = 64 * 1024 * 1024
_SECRET_PARAMETERS = frozenset(
    {
        "access_token",
        "oauth_token",
        "id_token",
        "key",
        "upload_id",
        "x-goog-signature",
        "x-goog-credential",
        "signature",
    }
)


class Journal:
    """Appends lines in batches; `flush` is called several times a second by the server's ticker."""

    def __init__(self, path: Path) -> None:
        """Write to `path`, readable by its owner alone."""
        self.path = path
        # One file of older lines is kept: together they take at most twice the size at which they change places.
        self._older = path.with_suffix(".jsonl.1")
        self._lines: list[str] = []

    def record(
        self,
        *,
        started: float,
        duration: float,
        method_id: str,
        http_method: str,
        host: str,
        path: str,
        query: str,
        status: int,
        served: bool,
        principal: str = "",
        fault: str = "",
        rpc: str = "",
    ) -> None:
        """Note one request: `started` in seconds since the epoch, `duration` in seconds; `status` 0 means reset.

        `rpc` is the path of the gRPC call that the request stands for.
        """
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
            "method_id": method_id,
            "method": http_method,
            "host": host,
            "path": path,
            "status": status,
            "duration": round(duration, 4),
            "served": served,
        }
        if query:
            entry["query"] = _without_secrets(query)
        if principal:
            entry["principal"] = principal
        if fault:
            entry["fault"] = fault
        if rpc:
            entry["rpc"] = rpc
        self._lines.append(json.dumps(entry, ensure_ascii=False))
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered. A full disk loses journal lines, never a request."""
        if not self._lines:
            return
        content = "\n".join(self._lines) + "\n"
        self._lines.clear()
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as stream:
                stream.write(content)
                size = stream.tell()
            if size > _ROTATE_BYTES:
                self.path.replace(self._older)
        except OSError:
            return

    def clear(self) -> None:
        """Forget all requests so far."""
        self._lines.clear()
        self.path.unlink(missing_ok=True)
        self._older.unlink(missing_ok=True)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a journal file, oldest first; a line cut short by a crash is left out."""
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
    except FileNotFoundError:
        return


def now() -> float:
    """Return seconds since the epoch."""
    return time.time()


def _without_secrets(query: str) -> str:
    if not any(secret in query.lower() for secret in _SECRET_PARAMETERS):
        return query
    pairs = [
        (name, "(removed)" if name.lower() in _SECRET_PARAMETERS else value)
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return urlencode(pairs)
