# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The FairScheduler's allocation file (Hadoop 3.3), rendered from queues, people and sizes. Pure.

A user's total is the same limit on every queue that YARN makes for one (``maxChildResources``) and the number of their
applications that may run (``userMaxAppsDefault``). Applications land in ``root.PRIORITY.USER`` by the placement rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from ansible_collections.dataplatform.compute.plugins.module_utils import inventory_rules_queues as queue_rules
from ansible_collections.dataplatform.compute.plugins.module_utils import inventory_rules_sizes as size_rules
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules_references import check_names_exist
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema import FACTS, schema_findings
from ansible_collections.dataplatform.compute.plugins.module_utils.queue_access import allowed_users

NOBODY = " "
"""The access control list that lets nobody in. An empty element makes the ResourceManager's parser fail."""

_HEADER = (
    " Rendered from the inventory (platform_queues, platform_users, platform_sizes) and fetched by yarn_queues.py. "
    "Do not edit: the next generation replaces it. "
)


def allocation_file(
    queues: Mapping[str, Any],
    *,
    users: Mapping[str, Any],
    teams: Mapping[str, Any],
    sizes: Mapping[str, Any],
    preemption_threshold: float = 1.0,
) -> str:
    """Return the text of ``fair-scheduler.xml``.

    ``queues``, ``users``, ``teams`` and ``sizes`` are the facts ``platform_queues`` and so on;
    ``preemption_threshold`` is the part of its fair share (above 0, at most 1) below which a queue is starved.
    Raises ValidationError with everything that is wrong with them, each naming the fact and the value.
    """
    facts = {
        "platform_queues": dict(queues),
        "platform_users": dict(users),
        "platform_teams": dict(teams),
        "platform_sizes": dict(sizes),
    }
    problems = _problems(facts)
    if not 0 < preemption_threshold <= 1:
        problems.append(f"preemption_threshold: {preemption_threshold!r}: expected above 0 and at most 1")
    if problems:
        raise ValidationError(problems, "the queues")

    user = sizes["user"]
    limit = resource_text(user["memory_mb"], user["vcores"])
    root = ElementTree.Element("allocations")
    root.append(ElementTree.Comment(_HEADER))
    _add(root, "defaultQueueSchedulingPolicy", "drf")
    _add(root, "defaultFairSharePreemptionThreshold", str(preemption_threshold))
    _add(root, "userMaxAppsDefault", str(user["applications"]))
    # YARN's default lets application masters take half of a queue's share: too little for the first one of a busy day.
    _add(root, "queueMaxAMShareDefault", "-1.0")
    top = ElementTree.SubElement(root, "queue", name="root")
    # The root's lists are everybody's unless stated, and every queue inherits them; administrators may submit, too.
    _add(top, "aclSubmitApps", NOBODY)
    _add(top, "aclAdministerApps", NOBODY)
    for name, queue in queues.items():
        _add_queue(top, name, queue, acl_text(allowed_users(queue, users)), limit)
    _add_placement(root)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def resource_text(memory_mb: int, vcores: int) -> str:
    """Resources the way the FairScheduler reads them; other types stay unlimited in a maximum."""
    return f"memory-mb={memory_mb},vcores={vcores}"


def acl_text(users: Iterable[str]) -> str:
    """An access control list of users: sorted, with commas only. After a space Hadoop reads groups, not users."""
    return ",".join(sorted(users)) or NOBODY


def _problems(facts: dict[str, Any]) -> list[str]:
    """Everything wrong with the facts, as ``preflight`` words it; comparisons only between facts of the right form."""
    found = [finding for _path, finding in schema_findings(facts, {name: FACTS[name] for name in facts})]
    if not found:
        queues, users, sizes = facts["platform_queues"], facts["platform_users"], facts["platform_sizes"]
        teams = list(facts["platform_teams"])
        located = [
            *check_names_exist("platform_users", users, ("team",), "platform_teams", teams),
            *check_names_exist("platform_queues", queues, ("users",), "platform_users", list(users)),
            *check_names_exist("platform_queues", queues, ("teams",), "platform_teams", teams),
            *queue_rules.check_queues_name_somebody(queues),
            *queue_rules.check_running_applications(queues, sizes),
            *queue_rules.check_users_have_a_queue(users, facts["platform_teams"], queues),
            *size_rules.check_nodes(sizes),
            *size_rules.check_worker_fits_nodes(sizes),
            *size_rules.check_user_limit(sizes),
        ]
        found = [finding for _path, finding in located]
    return [str(finding) for finding in found]


def _add(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def _add_queue(parent: ElementTree.Element, name: str, queue: Mapping[str, Any], acl: str, limit: str) -> None:
    # type="parent": YARN makes the users' queues below it, and only below such a queue.
    element = ElementTree.SubElement(parent, "queue", name=name, type="parent")
    _add(element, "weight", str(queue["weight"]))
    _add(element, "aclSubmitApps", acl)
    _add(element, "maxChildResources", limit)
    _add(element, "maxRunningApps", str(queue["running_applications"]))
    preemption = queue.get("preemption", {})
    if "timeout" in preemption:
        _add(element, "fairSharePreemptionTimeout", str(preemption["timeout"]))
    if not preemption.get("preemptible", True):
        _add(element, "allowPreemptionFrom", "false")


def _add_placement(root: ElementTree.Element) -> None:
    """The user's queue below the queue that was asked for, if that one exists; anything else is refused."""
    policy = ElementTree.SubElement(root, "queuePlacementPolicy")
    nested = ElementTree.SubElement(policy, "rule", name="nestedUserQueue", create="true")
    ElementTree.SubElement(nested, "rule", name="specified", create="false")
    ElementTree.SubElement(policy, "rule", name="reject")
