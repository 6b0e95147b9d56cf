# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directories that nodes mount, as they have to be on the file server's one share. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath, format_key
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match
from ansible_collections.dataplatform.compute.plugins.module_utils.nfs_mounts import DEFAULT_VERSION

# Dataproc's containers run as this account, and so do the workloads' scripts.
DEFAULT_OWNER = "yarn"
# What is made in such a directory belongs to the directory's group, and the group may write.
DEFAULT_MODE = "2775"
_WORLD_WRITABLE, _STICKY = 0o002, 0o1000
# Only directories are made through this mount, so an error loses nothing, and a person who waits wants one.
_OPTIONS = "soft,timeo=100,retrans=2,retry=0,proto=tcp"


def shared_directories(
    file_server: Mapping[str, Any], accounts: Mapping[str, Mapping[str, int]], read_only: bool = False
) -> dict[str, Any]:
    """Return what to mount (``source``, ``options``) and the ``directories`` in it.

    Each directory has ``path`` below the share, ``uid``, ``gid`` and ``mode``. Raises ValidationError with everything
    that could not be prepared.
    """
    problems = [str(finding) for _path, finding in check_shared_directories(file_server, accounts)]
    if not file_server.get("share"):
        problems.append("platform_nfs.share: not set, expected the exported directory that holds all others")
    if problems:
        raise ValidationError(problems, "the shared directories")
    mounts = file_server["mounts"]
    versions = {mount.get("version", DEFAULT_VERSION) for mount in mounts}
    version = versions.pop() if len(versions) == 1 else DEFAULT_VERSION
    directories = {
        mount["export"]: {
            "path": posixpath.basename(mount["export"]),
            "uid": accounts[_owner(mount)]["uid"],
            "gid": accounts[_owner(mount)]["gid"],
            "mode": _mode(mount),
        }
        for mount in mounts
    }
    return {
        "source": f"{file_server['server']}:{file_server['share']}",
        # Version 3 would start a lock manager, which nobody needs here.
        "options": f"vers={version},{_OPTIONS}{',nolock' if version == '3' else ''}{',ro' if read_only else ''}",
        "directories": list(directories.values()),
    }


def check_shared_directories(
    file_server: Mapping[str, Any] | None, accounts: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[KeyPath, Finding]]:
    """Every export is a directory of the share, with an owner who has numbers and a mode that protects its files.

    Not one further down: whoever owns the directory above could put a link in its place, which root would follow.
    """
    share = (file_server or {}).get("share")
    if not file_server or not share:
        return
    stated: dict[str, tuple[str, str, int]] = {}
    for number, mount in enumerate(file_server["mounts"]):
        path: KeyPath = ("platform_nfs", "mounts", number)
        export, owner, mode = mount["export"], _owner(mount), _mode(mount)
        if posixpath.normpath(export) != export or not export.startswith(f"{share.rstrip('/')}/"):
            yield _at((*path, "export"), export, f"expected a directory in the share, such as {share}/data")
        elif posixpath.dirname(export) != posixpath.normpath(share):
            near = posixpath.join(share, posixpath.basename(export))
            yield _at((*path, "export"), export, "expected no directory between the share and the export", near)
        if owner not in accounts:
            known = ", ".join(sorted(accounts))
            near = closest_match(owner, accounts)
            yield _at((*path, "owner"), owner, f"expected one of platform_accounts: {known}", near)
        if int(mode, 8) & _WORLD_WRITABLE and not int(mode, 8) & _STICKY:
            near = f"3{mode[1:]}"
            yield _at((*path, "mode"), mode, "expected the sticky bit where everybody may write", near)
        before = stated.setdefault(export, (owner, mode, number))
        if before[:2] != (owner, mode):
            expected = f"expected owner and mode of mounts[{before[2]}], which has the same export"
            yield _at((*path, "export"), export, expected)


def _owner(mount: Mapping[str, Any]) -> str:
    return mount.get("owner", DEFAULT_OWNER)


def _mode(mount: Mapping[str, Any]) -> str:
    return mount.get("mode", DEFAULT_MODE)


def _at(path: KeyPath, value: object, expected: str, suggestion: str = "") -> tuple[KeyPath, Finding]:
    return path, Finding(format_key(path), repr(value), expected, suggestion)
