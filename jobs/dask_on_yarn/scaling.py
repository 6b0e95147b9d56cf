"""Adaptive scaling: Dask's own Adaptive decides how many workers are useful, the slots follow.

Everything here runs on the Dask client's event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import Any

from distributed import Client
from distributed.core import Status
from distributed.deploy.adaptive import Adaptive

from dask_on_yarn.worker_process import parse_worker_name
from dask_on_yarn.worker_slots import WorkerSlots

INTERVAL_SECONDS = 1.0
#: How long a retired worker may take to leave before its job is cancelled.
LEAVE_SECONDS = 30.0


class SlotCluster:
    """The slots as a cluster that Adaptive can scale. Tokens are slot names, not worker names."""

    status = Status.running

    def __init__(self, client: Client, slots: WorkerSlots, most: int, say: Callable[[str], None]) -> None:
        self.most = most
        self._client = client
        self._slots = slots
        self._say = say
        self.workers: dict[str, str] = {}
        self.scheduler_comm = client.scheduler
        self.loop = client.loop

    def see(self, worker_names: Iterable[str]) -> None:
        """Take note of the workers the scheduler knows."""
        worker_names = list(worker_names)
        self._slots.see(worker_names)
        seen = {}
        for name in worker_names:
            parsed = parse_worker_name(name)
            if parsed:
                seen[parsed[0]] = name
        self.workers = seen

    @property
    def plan(self) -> set[str]:
        """Slots that should have a worker."""
        return self._slots.wanted

    requested = plan

    @property
    def observed(self) -> set[str]:
        """Slots whose worker has registered."""
        return set(self.workers) & self.plan

    async def scale(self, n: int) -> None:
        """Open slots until ``n`` are wanted."""
        missing = n - len(self.plan)
        if missing > 0 and self._slots.add(missing):
            self._say(f"asking YARN for {missing} more worker{'s' * (missing > 1)} ({n} in total)")

    async def retire(self, names: Iterable[str], why: str) -> None:
        """Move the data of these slots' workers to others, let the workers leave, and end the slots."""
        names = set(names)
        workers = {name: self.workers[name] for name in names if name in self.workers}
        for name in names:
            self._slots.let_end(name)
        if workers:
            self._say(f"retiring {', '.join(sorted(workers.values()))}: {why}")
            await self._client.scheduler.retire_workers(names=list(workers.values()), close_workers=True, remove=True)
        await asyncio.gather(*(self._end(name, grace=LEAVE_SECONDS if name in workers else 0) for name in names))

    async def _end(self, name: str, grace: float) -> None:
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(None, self._slots.wait_ended, name, grace):
            await loop.run_in_executor(None, self._slots.cancel, name)


class SlotAdaptive(Adaptive):
    """Dask's Adaptive over slots. A worker must be superfluous ``idle_hold`` seconds long before it goes."""

    cluster: Any

    def __init__(self, cluster: SlotCluster, minimum: int, maximum: int, idle_hold: float) -> None:
        super().__init__(
            cluster,
            interval=INTERVAL_SECONDS,
            minimum=minimum,
            maximum=maximum,
            wait_count=max(1, math.ceil(idle_hold / INTERVAL_SECONDS)),
        )

    async def workers_to_close(self, target: int) -> list[str]:
        """The slots of the workers Dask would close."""
        names = await super().workers_to_close(target)
        parsed = [parse_worker_name(str(name)) for name in names]
        return [found[0] for found in parsed if found]

    async def scale_down(self, workers: Iterable[str]) -> None:
        """Give back the containers of these slots."""
        await self.cluster.retire(workers, "not needed any more")
