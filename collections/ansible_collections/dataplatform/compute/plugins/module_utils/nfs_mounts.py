# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared file systems as the node bundle's files, refused where nodes could not mount them or would lose data. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match

DEFAULT_VERSION = "3"
# Set for every mount by init-actions/nfs-mounts.sh.
_SETTLED = frozenset(
    {"hard", "proto", "timeo", "retrans", "rsize", "wsize", "noatime", "_netdev", "nofail", "retry", "vers", "nfsvers"}
)
# A program that writes to such a mount is told that all went well, and the file is not there.
_LOSING = {"soft": "hard", "softerr": "hard", "softreval": "hard"}
# nfs(5).
_KNOWN = (
    *(
        "ac",
        "acdirmax",
        "acdirmin",
        "acregmax",
        "acregmin",
        "actimeo",
        "local_lock",
        "lock",
        "lookupcache",
        "max_connect",
    ),
    *(
        "mountport",
        "mountproto",
        "nconnect",
        "noac",
        "nodev",
        "noexec",
        "nolock",
        "noresvport",
        "nosharecache",
        "nosuid",
    ),
    *("port", "resvport", "ro", "rw", "sec", "sharecache"),
)


def bundle_files(
    server: str, mounts: Sequence[Mapping[str, Any]], accounts: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    """Return {path in the node bundle: text} of the mounts and of the accounts with their numbers.

    Each mount has ``mountpoint`` and ``export`` and may have ``version`` ("3" or "4.1") and ``options``. Raises
    ValidationError with every mount that a node could not have.
    """
    problems = [problem for number, mount in enumerate(mounts) for problem in _problems(number, mount, mounts)]
    if problems:
        raise ValidationError(problems, "the shared file systems")
    # A mount below another one comes after it.
    ordered = sorted(mounts, key=lambda mount: mount["mountpoint"])
    lines = [
        f"{mount['mountpoint']}\t{server}:{mount['export']}\t{mount.get('version', DEFAULT_VERSION)}\t"
        f"{','.join(mount.get('options', ()))}\n"
        for mount in ordered
    ]
    numbers = [f"{name}\t{numbers['uid']}\t{numbers['gid']}\n" for name, numbers in sorted(accounts.items())]
    return {"nfs/mounts.tsv": "".join(lines), "nfs/accounts.tsv": "".join(numbers)}


def _problems(number: int, mount: Mapping[str, Any], mounts: Sequence[Mapping[str, Any]]) -> list[str]:
    where = f"platform_nfs.mounts[{number}]"
    mountpoint = mount["mountpoint"]
    found = []
    if not mountpoint.startswith("/shared/") or posixpath.normpath(mountpoint) != mountpoint:
        found.append(f"{where}.mountpoint: {mountpoint!r}, expected a path below /shared, such as /shared/data")
    if [other["mountpoint"] for other in mounts].index(mountpoint) != number:
        found.append(f"{where}.mountpoint: {mountpoint!r} is another mount's, too; expected every mountpoint once")
    version = mount.get("version", DEFAULT_VERSION)
    for option in mount.get("options", ()):
        name, _separator, value = option.partition("=")
        problem = ""
        if name in _LOSING:
            problem = f"expected none that loses writes while the server is away; mounts are {_LOSING[name]!r}"
        elif name in _SETTLED:
            problem = "is set for every mount already"
        elif name not in _KNOWN:
            match = closest_match(name, _KNOWN)
            problem = "expected an option of nfs(5)" + (f"; did you mean {match!r}?" if match else "")
        elif name in ("lock", "nolock") and version != "3":
            problem = f"expected only with version 3; in version {version} locks are part of the protocol"
        elif name == "sec" and value != "sys":
            problem = "expected sys: Filestore knows no other for clusters"
        if problem:
            found.append(f"{where}.options: {option!r}, {problem}")
    return found
