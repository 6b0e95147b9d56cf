"""What the kernel says about the node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from node_metrics import figures
from node_metrics.figures import Reading

PROC = Path("/proc")
#: Where Dataproc mounts local disks; YARN's and Dask's files are there, or on the boot disk.
_DISKS_BELOW = "/mnt/"


class Node:
    """Processor time is a part of what passed since the last look, so the first look has none."""

    def __init__(self, proc: Path = PROC) -> None:
        """Read below `proc`."""
        self._proc = proc
        self._before: tuple[int, int] | None = None

    def read(self) -> Iterator[Reading]:
        """Yield the figures. Raises OSError."""
        status = (self._proc / "stat").read_text(encoding="utf-8")
        yield from self._processor(status)
        yield Reading(figures.BLOCKED, blocked_processes(status))
        yield Reading(figures.MEMORY, memory_utilization((self._proc / "meminfo").read_text(encoding="utf-8")))
        for mountpoint in disks((self._proc / "self" / "mounts").read_text(encoding="utf-8")):
            yield Reading(figures.DISK, disk_utilization(mountpoint), {"disk": mountpoint})

    def _processor(self, status: str) -> Iterator[Reading]:
        before, self._before = self._before, processor_times(status)
        if before is None:
            return
        busy, total = (now - then for now, then in zip(self._before, before, strict=True))
        if total > 0:
            yield Reading(figures.CPU, busy / total)


def processor_times(status: str) -> tuple[int, int]:
    """Return (busy, all) in ticks from /proc/stat; waiting for a disk is not busy, and guests are in user already."""
    user, nice, system, idle, waiting, *rest = (int(word) for word in status.splitlines()[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + waiting


def blocked_processes(status: str) -> int:
    """Return how many processes sleep without being interruptible, from /proc/stat."""
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("procs_blocked "))


def memory_utilization(text: str) -> float:
    """Return the part that programs cannot have, from /proc/meminfo."""
    values = {line.partition(":")[0]: int(line.split()[1]) for line in text.splitlines()}
    return 1 - values["MemAvailable"] / values["MemTotal"]


def disks(mounts: str) -> list[str]:
    """Return the boot disk and the local disks among /proc/self/mounts: no file server, which might not answer."""
    found = ["/"]
    for line in mounts.splitlines():
        source, mountpoint = line.split()[:2]
        if source.startswith("/dev/") and mountpoint.startswith(_DISKS_BELOW) and mountpoint not in found:
            found.append(mountpoint)
    return found


def disk_utilization(mountpoint: str) -> float:
    """Return the used part of what others than root can have, as df does."""
    state = os.statvfs(mountpoint)
    used = state.f_blocks - state.f_bfree
    return used / ((used + state.f_bavail) or 1)
