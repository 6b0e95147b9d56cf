# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about queues: each says who may use it, every user has one, every workload runs in one its owner may use.

All take entries as they are written, so that a mistake in one field does not hide another or seem to be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    KeyPath,
    format_key,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.queue_access import allowed_users, queues_of

Located = Iterator[tuple[KeyPath, Finding]]


def check_queues_name_somebody(queues: dict[str, Any]) -> Located:
    """A queue that is closed to everybody says so with empty lists; one that says nothing was forgotten."""
    for name, queue in queues.items():
        if "users" not in queue and "teams" not in queue:
            path: KeyPath = ("platform_queues", name)
            expected = "expected users or teams who may use it; users: [] closes the queue"
            yield path, Finding(format_key(path), "", expected)


def check_running_applications(queues: dict[str, Any], sizes: dict[str, Any]) -> Located:
    """So few applications run at once that their masters leave room for a worker on some node of a full cluster.

    A worker and one application master fill a node. With two masters on every node no worker fits anywhere, nobody is
    above a fair share, and so nothing is preempted: all applications wait for ever.
    """
    nodes = sizes["cluster"]["workers_max"]
    running = sum(queue["running_applications"] for queue in queues.values())
    if running >= 2 * nodes:
        path: KeyPath = ("platform_queues",)
        expected = (
            f"expected fewer than {2 * nodes} running_applications in all queues together, found {running}: "
            f"two application masters on each of {nodes} nodes (platform_sizes.cluster.workers_max) leave no room"
        )
        yield path, Finding(format_key(path), "", expected)


def check_users_have_a_queue(users: dict[str, Any], teams: dict[str, Any], queues: dict[str, Any]) -> Located:
    """Whoever is in no queue can run nothing. A user whose team does not exist has another mistake first."""
    for name, user in users.items():
        if queues and user.get("team") in teams and not queues_of(name, queues, users):
            path: KeyPath = ("platform_users", name)
            expected = f"expected to be in a queue, or in a team that is: {', '.join(queues)}"
            yield path, Finding(format_key(path), "", expected)


def check_workload_rights(workloads: dict[str, Any], queues: dict[str, Any], users: dict[str, Any]) -> Located:
    """The owner of a workload may use the queue of its priority; the ResourceManager would refuse it otherwise."""
    for name, workload in workloads.items():
        priority, owner = workload.get("priority"), workload.get("owner")
        if priority not in queues or owner not in users:
            continue
        allowed = allowed_users(queues[priority], users)
        if owner in allowed:
            continue
        path: KeyPath = ("platform_workloads", name, "priority")
        own = ", ".join(queues_of(owner, queues, users)) or "none"
        who = f"root.{priority} is for {', '.join(allowed)}" if allowed else f"root.{priority} is closed"
        yield path, Finding(format_key(path), repr(priority), f"expected a queue that {owner} may use ({own}); {who}")
