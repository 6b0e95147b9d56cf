"""Preload of every worker: what it logs reaches the driver's output with the worker's name.

``dask_setup`` runs in the worker's process, ``print_forwarded`` and ``print_no_more`` in the launcher. Lines travel as
Dask events over the connection that exists anyway; they also stay in the container's own log. What a nanny says is in
the container's log alone, and its last lines reach the driver's output when the worker ends badly.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

TOPIC = "dask-on-yarn-log"
FORMAT = "%(levelname)s %(name)s: %(message)s"
#: More lines than this in ten seconds from one process are counted, not sent: chatty tasks must not clog the scheduler.
LINES_PER_WINDOW = 100
WINDOW_SECONDS = 10.0


class ForwardingHandler(logging.Handler):
    """Sends log records to the scheduler as events; ``send`` may fail, logging then goes on."""

    def __init__(self, name: str, send: Callable[[dict[str, Any]], None], clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT))
        self._name, self._send, self._clock = name, send, clock
        self._window, self._lines, self._dropped = clock(), 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, unless there are too many."""
        now = self._clock()
        if now - self._window > WINDOW_SECONDS:
            dropped, self._dropped, self._lines, self._window = self._dropped, 0, 0, now
            if dropped:
                self._deliver(
                    f"WARNING {__name__}: {dropped} lines were not forwarded, they are in the container's log"
                )
        if self._lines >= LINES_PER_WINDOW:
            self._dropped += 1
            return
        self._lines += 1
        self._deliver(self.format(record))

    def _deliver(self, line: str) -> None:
        with contextlib.suppress(Exception):  # a log line must never break what it reports on
            self._send({"name": self._name, "line": line})


def dask_setup(server: Any) -> None:
    """Called by Dask in a worker that starts."""

    def send(message: dict[str, Any]) -> None:
        server.loop.add_callback(server.log_event, TOPIC, message)

    handler = ForwardingHandler(str(server.name), send)
    container_log = logging.StreamHandler(sys.stderr)
    container_log.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.addHandler(container_log)
    root.setLevel(min(root.level, logging.INFO))
    # Dask gives its own loggers handlers and keeps their records from the root logger.
    logging.getLogger("distributed").addHandler(handler)


def print_forwarded(client: Any, say: Callable[[str], None]) -> None:
    """Say every line that workers forward from now on."""

    def on_event(event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        say(f"{message['name']} | {message['line']}")

    client.subscribe_topic(TOPIC, on_event)


def print_no_more(client: Any | None) -> None:
    """Keep back what Dask's parts say while they are closed, here and in the workers that ``client`` listens to.

    How the run ended is known by then. A connection that was cut while it was being made would be the last error in
    the driver's output, where people and Dataproc look for the script's own.
    """
    if client:
        with contextlib.suppress(Exception):  # nothing was subscribed, or the loop is in whatever state
            client.unsubscribe_topic(TOPIC)
    logging.disable(logging.CRITICAL)
