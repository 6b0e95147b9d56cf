# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may use a queue: the users it names and the users of the teams it names. Pure.

Nodes have no group lookup, so a team's right is that of its users, written out. Entries may be wrong in any way (the
schema says so elsewhere); what is no list of texts gives nobody a right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def allowed_users(queue: Mapping[str, Any], users: Mapping[str, Any]) -> list[str]:
    """Return the names of ``users`` (a fact like ``platform_users``) who may use ``queue``, sorted."""
    named, teams = set(_names(queue, "users")), set(_names(queue, "teams"))
    return sorted(
        name
        for name, user in users.items()
        if name in named or (isinstance(user, Mapping) and user.get("team") in teams)
    )


def queues_of(user: str, queues: Mapping[str, Any], users: Mapping[str, Any]) -> list[str]:
    """Return the names of the queues that ``user`` may use, in the order of the inventory."""
    return [name for name, queue in queues.items() if user in allowed_users(queue, users)]


def _names(queue: Mapping[str, Any], key: str) -> list[str]:
    value = queue.get(key)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
