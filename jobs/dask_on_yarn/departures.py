"""Hosts that are about to go: move their workers' data away in time and do not come back to them.

YARN announces a graceful decommission by the node's state, Google announces the loss of a spot machine in the machine's
metadata; both end here. A slot on such a host is retired, and its replacement is asked for only when the executor is
gone, as the new worker would land on it otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from dask_on_yarn.node_watch import DecommissionWatch
from dask_on_yarn.worker_preload import PREEMPTED_TOPIC
from dask_on_yarn.worker_process import parse_worker_name

if TYPE_CHECKING:
    from distributed import Client

    from dask_on_yarn.resource_manager import ResourceManager
    from dask_on_yarn.scaling import SlotCluster

WATCH_SECONDS = 2.0
#: How long an executor whose slot ended may stay before a replacement is asked for anyway.
EXECUTOR_GONE_SECONDS = 60.0


class Departures:
    """Watches for hosts that go and handles each once; ``executor_hosts`` blocks a moment and lists live executors."""

    def __init__(
        self,
        client: Client,
        cluster: SlotCluster,
        executor_hosts: Callable[[], list[str]],
        resource_manager: ResourceManager,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._executor_hosts = executor_hosts
        self._say = say
        self._leaving: set[str] = set()
        self._watch = DecommissionWatch(resource_manager, WATCH_SECONDS)

    def start(self) -> None:
        """Begin to watch."""
        self._client.subscribe_topic(PREEMPTED_TOPIC, self._on_preemption)
        self._watch.start(lambda host: self._client.loop.add_callback(self.leave, host, "YARN decommissions it"))

    def stop(self) -> None:
        """Watch no more."""
        self._watch.stop()

    def _on_preemption(self, event: tuple[float, dict[str, str]]) -> None:
        parsed = parse_worker_name(event[1]["name"])
        if parsed:
            self._client.loop.add_callback(self.leave, parsed[1], "Google takes the spot machine back")

    async def leave(self, host: str, why: str) -> None:
        """Retire every worker on ``host`` and replace it elsewhere; runs on the client's loop."""
        if host in self._leaving:
            return
        self._leaving.add(host)
        slots = {
            slot
            for slot, name in self._cluster.workers.items()
            if (parsed := parse_worker_name(name)) and parsed[1] == host
        }
        if not slots:
            self._leaving.discard(host)
            return
        wanted = len(self._cluster.plan)
        await self._cluster.retire(slots, f"node {host} goes, {why}")
        loop = asyncio.get_running_loop()
        for _ in range(int(EXECUTOR_GONE_SECONDS)):
            if host not in await loop.run_in_executor(None, self._executor_hosts):
                break
            await asyncio.sleep(1)
        await self._cluster.scale(min(wanted, self._cluster.most))
        self._leaving.discard(host)  # it may be taken back into service and go again
