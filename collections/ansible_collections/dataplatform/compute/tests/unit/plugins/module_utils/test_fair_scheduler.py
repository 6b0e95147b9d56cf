# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rendered allocation file, element by element, and what is refused before it is."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.fair_scheduler import (
    acl_text,
    allocation_file,
    resource_text,
)
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts


def text_of(facts: dict[str, Any], **options: Any) -> str:
    """The file these facts give."""
    return allocation_file(
        facts["platform_queues"],
        users=facts["platform_users"],
        teams=facts["platform_teams"],
        sizes=facts["platform_sizes"],
        **options,
    )


def parsed(facts: dict[str, Any]) -> ElementTree.Element:
    """The same, as a tree."""
    return ElementTree.fromstring(text_of(facts))  # noqa: S314  our own text


def queue(facts: dict[str, Any], name: str) -> dict[str, str | None]:
    """The elements of one priority's queue."""
    found = parsed(facts).find(f"./queue[@name='root']/queue[@name='{name}']")
    assert found.get("type") == "parent"
    return {element.tag: element.text for element in found}


def problems_after(change: Any, **options: Any) -> list[str]:
    """What is refused after a change to sound facts."""
    facts = sound_facts()
    change(facts)
    with pytest.raises(ValidationError) as caught:
        text_of(facts, **options)
    return caught.value.problems


def test_a_priority_is_a_parent_queue_with_weight_rights_and_the_users_limit() -> None:
    assert queue(sound_facts(), "critical") == {
        "weight": "8",
        "aclSubmitApps": "grace",
        "maxChildResources": "memory-mb=43008,vcores=13",
        "maxRunningApps": "3",
        "fairSharePreemptionTimeout": "30",
        "allowPreemptionFrom": "false",
    }
    assert queue(sound_facts(), "low") == {
        "weight": "1",
        "aclSubmitApps": "ada,grace",
        "maxChildResources": "memory-mb=43008,vcores=13",
        "maxRunningApps": "2",
    }


def test_application_masters_that_would_fill_every_node_are_refused() -> None:
    facts = sound_facts()
    facts["platform_queues"]["normal"]["running_applications"] = 15
    with pytest.raises(ValidationError, match=r"platform_queues: expected fewer than 20 .* found 20"):
        parsed(facts)


def test_the_whole_tree_is_closed_but_for_what_queues_open() -> None:
    root = parsed(sound_facts()).find("queue")
    assert root.get("name") == "root"
    assert (root.findtext("aclSubmitApps"), root.findtext("aclAdministerApps")) == (" ", " ")


def test_everybody_runs_one_application_and_application_masters_are_not_rationed() -> None:
    facts = sound_facts()
    facts["platform_sizes"]["user"]["applications"] = 2
    document = parsed(facts)
    assert document.findtext("userMaxAppsDefault") == "2"
    assert document.findtext("queueMaxAMShareDefault") == "-1.0"
    assert document.findtext("defaultQueueSchedulingPolicy") == "drf"
    assert document.findtext("defaultFairSharePreemptionThreshold") == "1.0"


def test_placement_is_the_users_queue_below_a_queue_that_exists_or_nothing() -> None:
    policy = parsed(sound_facts()).find("queuePlacementPolicy")
    assert [(rule.get("name"), rule.get("create")) for rule in policy] == [
        ("nestedUserQueue", "true"),
        ("reject", None),
    ]
    assert [(rule.get("name"), rule.get("create")) for rule in policy[0]] == [("specified", "false")]


def test_a_closed_queue_has_a_list_of_nobody_and_never_an_empty_element() -> None:
    facts = sound_facts()
    facts["platform_queues"]["critical"]["users"] = []
    assert queue(facts, "critical")["aclSubmitApps"] == " "
    assert "<aclSubmitApps />" not in text_of(facts)


def test_users_and_teams_add_up_sorted_and_without_spaces() -> None:
    facts = sound_facts()
    facts["platform_users"] |= {"zoe": {"team": "growth"}, "bob": {"team": "growth"}}
    facts["platform_queues"]["critical"]["teams"] = ["growth"]
    assert queue(facts, "critical")["aclSubmitApps"] == "ada,bob,grace,zoe"
    assert acl_text(["b", "a"]) == "a,b"
    assert acl_text([]) == " "


def test_the_same_facts_give_the_same_text_whatever_the_order_of_people() -> None:
    facts = sound_facts()
    reordered = sound_facts()
    reordered["platform_users"] = dict(reversed(list(reordered["platform_users"].items())))
    assert text_of(facts) == text_of(reordered)


def test_weights_may_be_fractions() -> None:
    facts = sound_facts()
    facts["platform_queues"]["low"]["weight"] = 0.5
    assert queue(facts, "low")["weight"] == "0.5"


def test_resources_are_in_the_form_that_knows_custom_types() -> None:
    assert resource_text(43008, 13) == "memory-mb=43008,vcores=13"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("platform_queues/low/weight", 0, "platform_queues.low.weight: 0: expected a number above 0"),
        ("platform_queues/critical/users", ["grce"], "platform_queues.critical.users[0]: 'grce'"),
        ("platform_users/ada/team", "grwth", "platform_users.ada.team: 'grwth'"),
        ("platform_sizes/user/memory_mb", 43000, "platform_sizes.user.memory_mb: 43000: expected MiB in full 1024"),
        ("platform_sizes/user/memory_mb", 36864, "platform_sizes.user.memory_mb: 36864: expected at least 37888"),
        ("platform_sizes/worker/memory_mb", 13312, "platform_sizes.worker.memory_mb: 13312: expected a worker beside"),
        ("platform_sizes/nodes/n2-standard-4/yarn_vcores", 4, "platform_sizes.worker.vcores: 4: expected a worker"),
    ],
)
def test_what_yarn_cannot_serve_is_refused(path: str, value: object, expected: str) -> None:
    def change(facts: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        for parent in parents:
            facts = facts[parent]
        facts[last] = value

    (problem,) = problems_after(change)
    assert problem.startswith(expected)


def test_everything_wrong_is_said_at_once() -> None:
    def change(facts: dict[str, Any]) -> None:
        facts["platform_queues"]["low"]["teams"] = ["grwth", "platfrm"]
        facts["platform_sizes"]["user"]["vcores"] = 12

    assert len(problems_after(change, preemption_threshold=0)) == 4
