# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about how newer versions come: from which environment, when, and who its smoke workloads run as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath, format_key
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match

Located = Iterator[tuple[KeyPath, Finding]]

PIN_FILE = Path("group_vars/all/pins.yml")


def check_window(patching: dict[str, Any]) -> Located:
    """A window lasts for some time."""
    window = patching["window"]
    if window and window["from"] == window["until"]:
        path: KeyPath = ("platform_patching", "window", "until")
        yield path, Finding(format_key(path), repr(window["until"]), "expected another time than from")


def check_owner(patching: dict[str, Any], users: dict[str, Any]) -> Located:
    """The owner of the smoke workloads is a user, so that a queue takes them."""
    owner = patching["owner"]
    if owner not in users:
        path: KeyPath = ("platform_patching", "owner")
        expected = f"expected one of platform_users: {', '.join(sorted(users)) or 'none is defined'}"
        yield path, Finding(format_key(path), repr(owner), expected, closest_match(owner, users))


def check_environment_before(patching: dict[str, Any], inventory: Path) -> Located:
    """The environment whose promoted pins come here is another inventory beside this one."""
    after = patching["after"]
    if after is None:
        return
    beside = [file.parents[2].name for file in inventory.resolve().parent.glob(f"*/{PIN_FILE}")]
    known = sorted(name for name in beside if name != inventory.name)
    if after not in known:
        path: KeyPath = ("platform_patching", "after")
        expected = (
            f"expected an inventory beside {inventory.name}/ with {PIN_FILE}: {', '.join(known) or 'there is none'}"
        )
        yield path, Finding(format_key(path), repr(after), expected, closest_match(after, known))
