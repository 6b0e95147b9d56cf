"""Looking at one cluster about once a second: what its ResourceManager says, and what is due."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from localcloud.dataproc.cluster_engine import ClusterEngineError, Snapshot
from localcloud.dataproc.cluster_nodes import ClusterNodes
from localcloud.hadoop import HadoopError
from localcloud.hadoop.resource_manager import ResourceManager

INTERVAL_SECONDS = 0.7
# After a failed attempt to start a ResourceManager again.
_RESTART_PAUSE_SECONDS = 10.0
_log = logging.getLogger("localcloud")


class ClusterWatch:
    """A thread that keeps the latest snapshot of a cluster."""

    def __init__(self, nodes: ClusterNodes) -> None:
        """Watch `nodes`, whose ResourceManager is running."""
        self.snapshot: Snapshot | None = None
        self._nodes = nodes
        self._ending = threading.Event()
        self._restart_after = 0.0
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._look()
                self._trouble = ""
            except (HadoopError, ClusterEngineError, OSError, KeyError) as problem:
                if str(problem) != self._trouble and not self._ending.is_set():
                    _log.warning("%s: %s", self._nodes.directory.name, problem)
                self._trouble = str(problem)
            self._ending.wait(INTERVAL_SECONDS)

    def _look(self) -> None:
        self._nodes.end_preempted()
        if not self._nodes.yarn.running():
            self._restart()
            return
        manager = ResourceManager(self._nodes.yarn.resource_manager_url.split("/")[2].partition(":")[0])
        taken = time.monotonic()
        applications: list[dict[str, Any]] = (manager.get("apps?deSelects=resourceRequests").get("apps") or {}).get(
            "app"
        ) or []
        self.snapshot = Snapshot(
            taken,
            metrics=manager.metrics(),
            applications={application["id"]: application for application in applications},
            nodes=self._nodes.views(),
        )

    def _restart(self) -> None:
        """Start a ResourceManager that has ended, as systemd does on a Dataproc node."""
        if time.monotonic() < self._restart_after:
            return
        self._restart_after = time.monotonic() + _RESTART_PAUSE_SECONDS
        _log.warning("%s: the ResourceManager has ended, it is started again", self._nodes.directory.name)
        self._nodes.restart_master()
