# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which process holds a lock, so that the next one can tell whether it is still alive."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Return `host:pid` for people, and what identifies the process: boot, PID namespace, start time."""
    return process_identity(os.getpid())


def process_identity(pid: int) -> str:
    """Return the same of another process of this machine."""
    return f"{socket.gethostname()}:{pid} {_process_world()} {_start_time(pid)}"


def is_dead_process_of_this_machine(identity: str) -> bool:
    """Return True only when the process certainly ran here, in this PID namespace and boot, and runs no more."""
    return _runs_here(identity) is False


def is_live_process_of_this_machine(identity: str) -> bool:
    """Return True only when the process certainly runs here now."""
    return _runs_here(identity) is True


def _runs_here(identity: str) -> bool | None:
    """Return whether the process runs, None where nobody here can tell."""
    try:
        name, world, started = identity.split(" ")
        pid = int(name.rpartition(":")[2])
    except ValueError:
        return None
    return _start_time(pid) == started if world and world == _process_world() else None


def _process_world() -> str:
    """Identify boot and PID namespace; empty where the system does not tell (then only the lease counts)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Return the start time of a process in clock ticks since boot, or `gone`."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return "gone"
