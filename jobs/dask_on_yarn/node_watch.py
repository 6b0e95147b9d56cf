"""Notices early that a node goes away: graceful decommission by YARN, and preemption of a spot machine by Google."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Protocol

DECOMMISSIONING = "DECOMMISSIONING"
DEFAULT_METADATA_HOST = "metadata.google.internal"
#: How long one request waits at the metadata server for a change, in seconds; the server answers then in any case.
LONG_POLL_SECONDS = 60


class _HasNodes(Protocol):
    def nodes(self, states: tuple[str, ...]) -> list: ...


class DecommissionWatch:
    """Polls the ResourceManager and reports every host that turns DECOMMISSIONING, once per turn.

    Polling errors are retried at the next interval: the watch ends only by ``stop``.
    """

    def __init__(self, resource_manager: _HasNodes, interval: float = 2.0) -> None:
        """Take a client with ``nodes(states)`` and the seconds between two polls."""
        self._resource_manager, self._interval = resource_manager, interval
        self._seen: frozenset[str] = frozenset()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def poll(self) -> list[str]:
        """Ask once; return the hosts that turned DECOMMISSIONING since the last call, ResourceManagerError passes."""
        hosts = {node.id: node.host for node in self._resource_manager.nodes(states=(DECOMMISSIONING,))}
        # A node that was taken back into service and is decommissioned later counts as new.
        turned = [host for node, host in hosts.items() if node not in self._seen]
        self._seen = frozenset(hosts)
        return turned

    def start(self, callback: Callable[[str], None], on_error: Callable[[str], None] | None = None) -> None:
        """Call ``callback(host)`` from a daemon thread; ``on_error`` gets the first error of several in a row."""
        self._thread = threading.Thread(
            target=self._run, args=(callback, on_error), name="decommission-watch", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a poll under way is waited for at most one second."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1)

    def _run(self, callback: Callable[[str], None], on_error: Callable[[str], None] | None) -> None:
        failing = False
        while not self._stopped.is_set():
            try:
                turned = self.poll()
                failing = False
            except Exception as error:
                turned = []
                if on_error is not None and not failing:
                    on_error(f"node states cannot be read: {error}")
                failing = True
            for host in turned:
                callback(host)
            self._stopped.wait(self._interval)


class PreemptionNotice:
    """Waits at the metadata server of a Google machine for the notice that the machine is preempted (30 s ahead).

    Where there is no metadata server, it ends quietly after the first try.
    """

    def __init__(
        self,
        callback: Callable[[], None],
        environment: Mapping[str, str] | None = None,
        *,
        long_poll: int = LONG_POLL_SECONDS,
        pause: float = 2.0,
    ) -> None:
        """Take what to call (once, from a thread); the server is GCE_METADATA_HOST of the environment when set there.

        ``long_poll`` is how long a request may wait at the server, ``pause`` the wait after a failed one, in seconds.
        """
        host = (os.environ if environment is None else environment).get("GCE_METADATA_HOST") or DEFAULT_METADATA_HOST
        self._url = f"http://{host}/computeMetadata/v1/instance/preempted"
        self._callback, self._long_poll, self._pause = callback, long_poll, pause
        self._stopped = threading.Event()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def start(self) -> None:
        """Wait in a daemon thread."""
        threading.Thread(target=self.run, name="preemption-notice", daemon=True).start()

    def stop(self) -> None:
        """Do not call back any more; a request at the server is left to end by itself."""
        self._stopped.set()

    def run(self) -> None:
        """Wait for the notice in this thread."""
        etag = ""
        while not self._stopped.is_set():
            try:
                preempted, etag = self._ask(etag)
            except (OSError, HTTPException):
                if not etag:
                    return
                # The server was there before; it restarts with the machine's guest environment.
                self._stopped.wait(self._pause)
                continue
            if preempted and not self._stopped.is_set():
                self._callback()
                return

    def _ask(self, etag: str) -> tuple[bool, str]:
        """Return whether the machine is preempted; with an etag the answer waits until that changes."""
        query = {"wait_for_change": "true", "last_etag": etag, "timeout_sec": str(self._long_poll)} if etag else {}
        url = f"{self._url}?{urllib.parse.urlencode(query)}" if query else self._url
        request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})  # noqa: S310 - always http
        with self._opener.open(request, timeout=self._long_poll + 10 if etag else 5) as response:
            return response.read().strip().upper() == b"TRUE", response.headers.get("ETag") or "0"
