"""The launcher's lines for people, on one stream: every line starts with ``dask: ``, so the script's own stand out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

PREFIX = "dask: "
STATUS_SECONDS = 10.0
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Status:
    """What a running job is doing; memory and spilled data in bytes, over all workers."""

    tasks_done: int
    tasks_total: int
    workers: int
    memory: int = 0
    memory_limit: int = 0
    spilled: int = 0
    tasks_erred: int = 0

    def __str__(self) -> str:
        """Return one line; what is zero and only interesting when it is not, is left out."""
        parts = [f"{self.tasks_done} of {self.tasks_total} tasks done"]
        if self.tasks_erred:
            parts.append(f"{self.tasks_erred} failed")
        parts.append(f"{self.workers} worker{'' if self.workers == 1 else 's'}")
        memory = format_bytes(self.memory)
        parts.append(
            f"memory {memory} of {format_bytes(self.memory_limit)}" if self.memory_limit else f"memory {memory}"
        )
        if self.spilled:
            parts.append(f"{format_bytes(self.spilled)} spilled to disk")
        return ", ".join(parts)


class Progress:
    """Writes lines to a stream from any thread; a stream that is gone never fails the job."""

    def __init__(
        self, stream: TextIO, interval: float = STATUS_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``interval`` is the least number of seconds between two status lines."""
        self._stream, self._interval, self._clock = stream, interval, clock
        self._lock = threading.Lock()
        self._last_status: Status | None = None
        self._last_time = float("-inf")

    def say(self, text: str) -> None:
        """Write a text at once; each of its lines gets the prefix."""
        lines = "".join(f"{PREFIX}{line}\n" for line in text.splitlines() or [""])
        with self._lock:
            try:
                self._stream.write(lines)
                self._stream.flush()
            except (OSError, ValueError):
                # Closed or broken: who reads the output has gone, the job goes on.
                return

    def update(self, status: Status) -> bool:
        """Write a status line if anything it would show changed and the last is old enough; return whether it did."""
        now = self._clock()
        if now - self._last_time < self._interval:
            return False
        if self._last_status is not None and str(status) == str(self._last_status):
            return False
        self._last_status, self._last_time = status, now
        self.say(str(status))
        return True


def format_bytes(count: float) -> str:
    """Return a number of bytes in the largest unit that keeps it at 1 or more: ``1.5 GiB``."""
    for unit in UNITS:
        if abs(count) < 1024 or unit == UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the last unit always returns")
