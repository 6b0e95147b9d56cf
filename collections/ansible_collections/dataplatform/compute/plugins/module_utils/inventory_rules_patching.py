# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about how newer versions come: from which environment, when, and who its smoke workloads run as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import yaml
except ImportError:  # always there with Ansible; absent only where a plugin is merely inspected
    yaml = None

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath, format_key
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match

Located = Iterator[tuple[KeyPath, Finding]]

PIN_FILE = Path("group_vars/all/pins.yml")
_PATCHING_FILE = Path("group_vars/all/patching.yml")


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
    """The environment whose promoted pins come here is another inventory beside this one; the first has none."""
    after = patching["after"]
    if after is None:
        return
    beside = [file.parents[2].name for file in inventory.resolve().parent.glob(f"*/{PIN_FILE}")]
    known = sorted(name for name in beside if name != inventory.name)
    path: KeyPath = ("platform_patching", "after")
    if after not in known:
        expected = (
            f"expected an inventory beside {inventory.name}/ with {PIN_FILE}: {', '.join(known) or 'there is none'}"
        )
        yield path, Finding(format_key(path), repr(after), expected, closest_match(after, known))
        return
    chain, before = [inventory.name], after
    while before and before not in chain:
        chain.append(before)
        before = _named_before(inventory.resolve().parent / before)
    if before:
        expected = f"expected an end, for without one no version ever comes: {' after '.join([*chain, before])}"
        yield path, Finding(format_key(path), repr(after), expected)


def _named_before(inventory: Path) -> str | None:
    """Return which environment another inventory names, or None where it names none in plain words.

    What is wrong in that inventory is said where that one is used.
    """
    try:
        facts = yaml.safe_load((inventory / _PATCHING_FILE).read_text(encoding="utf-8"))
        after = facts["platform_patching"]["after"]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return None
    return after if isinstance(after, str) else None
