# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What becomes of the IAM policy of one resource when some of its members are wanted or not wanted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# Conditions of bindings are only shown to, and kept for, those who say that they know them.
POLICY_VERSION = 3
_BY_ADDRESS = ("user:", "group:", "serviceAccount:", "domain:")
_EMAIL = r"[^@\s:]+@[^@\s:]+\.[^@\s:]+"
MEMBER = re.compile(rf"^((user|group|serviceAccount):{_EMAIL}|domain:[^@\s:]+\.[^@\s:]+|principal(Set)?://\S+)$")
MEMBER_EXPECTATION = (
    "user:EMAIL, group:EMAIL, serviceAccount:EMAIL, domain:DOMAIN, principal://... or principalSet://..., and never "
    "everybody"
)
ROLE = re.compile(r"^(roles|(projects|organizations)/[a-z0-9:.-]+/roles)/[A-Za-z0-9_.]+$")
ROLE_EXPECTATION = "roles/SERVICE.ROLE, or projects/PROJECT/roles/ROLE for a role of your own"


@dataclass(frozen=True)
class Grant:
    """Members of one role; ``exclusive``: nobody else has it, under whatever condition."""

    role: str
    members: tuple[str, ...]
    exclusive: bool = False


@dataclass(frozen=True)
class PolicyPlan:
    """The whole target policy, and what of it is new: (role, member) each."""

    policy: dict[str, Any]
    added: list[tuple[str, str]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Return whether the policy is to be written."""
        return bool(self.added or self.removed)


def plan_policy(live: dict[str, Any], grants: Iterable[Grant], *, absent: bool = False) -> PolicyPlan:
    """Return the policy with these members, or without them; bindings that are not stated stay as they are.

    A grant is a binding without a condition. What an exclusive grant does not name loses the role, also where it had it
    under a condition.
    """
    bindings = [{**binding, "members": list(binding.get("members", []))} for binding in live.get("bindings", [])]
    added: list[tuple[str, str]] = []
    removed: list[tuple[str, str]] = []
    for grant in grants:
        wanted = {_canonical(member): member for member in grant.members}
        of_role = [binding for binding in bindings if binding["role"] == grant.role]
        for binding in of_role:
            if absent:
                unwanted = [] if binding.get("condition") else _named(binding["members"], wanted, among=True)
            else:
                unwanted = _named(binding["members"], wanted, among=False) if grant.exclusive else []
            binding["members"] = [member for member in binding["members"] if member not in unwanted]
            removed += [(grant.role, member) for member in unwanted]
        if not absent:
            place = next((binding for binding in of_role if not binding.get("condition")), None)
            present = {_canonical(member) for member in place["members"]} if place else set()
            missing = [member for key, member in wanted.items() if key not in present]
            if missing and place is None:
                place = {"role": grant.role, "members": []}
                bindings.append(place)
            if place is not None:
                place["members"] += missing
            added += [(grant.role, member) for member in missing]
    target = {**live, "bindings": [binding for binding in bindings if binding["members"]], "version": POLICY_VERSION}
    return PolicyPlan(target, added, removed)


def shown(policy: dict[str, Any], roles: Iterable[str]) -> dict[str, list[str]]:
    """Return who has these roles, as a diff shows it."""
    result: dict[str, list[str]] = {}
    for binding in policy.get("bindings", []):
        if binding["role"] in set(roles):
            condition = (binding.get("condition") or {}).get("title", "")
            name = f"{binding['role']} if {condition}" if binding.get("condition") else binding["role"]
            result[name] = sorted([*result.get(name, []), *binding["members"]])
    return result


def _named(members: list[str], wanted: dict[str, str], *, among: bool) -> list[str]:
    return [member for member in members if (_canonical(member) in wanted) is among]


def _canonical(member: str) -> str:
    """Addresses are the same in capitals and small letters; other principals are not."""
    return member.lower() if member.startswith(_BY_ADDRESS) else member
