# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What two locks of Python packages differ in. Pure."""

from __future__ import annotations

import re

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def lock_changes(before: str, after: str) -> list[str]:
    """Return one line for each package that has other versions, by name; a package may have one for each Python."""
    old, new = _versions(before), _versions(after)
    return [
        f"{name} {' and '.join(old.get(name, ['none']))} -> {' and '.join(new.get(name, ['none']))}"
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]


def _versions(lock: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in _PINNED.findall(lock):
        found.setdefault(name, []).append(version)
    return {name: sorted(versions) for name, versions in found.items()}
