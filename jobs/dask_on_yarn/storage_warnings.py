"""Warns when a directory for spilled or shuffled data lies on NFS: it would be slow for everybody who shares it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
NETWORK_TYPES = frozenset({"nfs", "nfs4"})
OCTAL_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


@dataclass(frozen=True)
class Mount:
    """One mounted file system; ``device`` is what ``st_dev`` of its files is."""

    point: str
    kind: str
    source: str
    device: int


def mounts(mountinfo: str | None = None) -> list[Mount]:
    """Parse the text of ``/proc/self/mountinfo`` (read when not given) in its order; malformed lines are skipped."""
    text = MOUNTINFO.read_text() if mountinfo is None else mountinfo
    found = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if separator and len(fields) >= 5 and len(types) >= 2:
            major, _, minor = fields[2].partition(":")
            device = os.makedev(int(major), int(minor))
            found.append(Mount(_unescaped(fields[4]), types[0], _unescaped(types[1]), device))
    return found


def mount_of(path: str | os.PathLike[str], known: Iterable[Mount]) -> Mount | None:
    """Return the mount a path lies on: the longest mount point above it, the last one mounted there."""
    real = os.path.realpath(path)
    best = None
    for mount in known:
        if (real == mount.point or real.startswith(mount.point.rstrip("/") + "/")) and (
            best is None or len(mount.point) >= len(best.point)
        ):
            best = mount
    return best


def check(paths: Mapping[str, str] | Iterable[str], mountinfo: str | None = None) -> list[str]:
    """Return a warning for every path on NFS.

    ``paths`` are directories, or what they are for with the directory (``{"spill": "/mnt/1"}``). An unreadable mount
    table gives no warnings: it is no reason to stop a job.
    """
    named = paths.items() if isinstance(paths, Mapping) else [("temporary", path) for path in paths]
    try:
        known = mounts(mountinfo)
    except OSError:
        return []
    warnings = []
    for purpose, path in named:
        mount = mount_of(path, known)
        if mount is not None and mount.kind in NETWORK_TYPES:
            warnings.append(
                f"{purpose} directory {path} is on {mount.kind} ({mount.source} at {mount.point}): use a local disk,"
                " spilling and shuffling there slows down everybody who shares it"
            )
    return warnings


def _unescaped(text: str) -> str:
    for escape, character in OCTAL_ESCAPES.items():
        text = text.replace(escape, character)
    return text
