# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of ipa_service_principals: look at each service, plan, and change only what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    PartialFailureError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_client import (
    DUPLICATE,
    IPA_ARGUMENTS,
    IPA_CONSTRAINTS,
    NOT_FOUND,
    IpaClient,
    IpaError,
    with_login,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_names import canonical, principal_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

# What a list of the options is in FreeIPA's commands, and what its attributes end with.
_KINDS = {"users": "user", "groups": "group", "hosts": "host", "hostgroups": "hostgroup"}
# The option, the end of the commands' names, and the attributes' part.
_OPERATIONS = {"allow_retrieve_keytab": ("retrieve_keytab", "read"), "allow_create_keytab": ("create_keytab", "write")}
_NO_CHANGE = ("This entry is already a member", "This entry is not a member")

_MEMBERS: dict[str, Any] = {
    "type": "dict",
    # Names of users and groups; the option's own name looks like a secret's.
    "no_log": False,
    "options": {name: {"type": "list", "elements": "str"} for name in _KINDS},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    **IPA_ARGUMENTS,
    "principals": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, **dict.fromkeys(_OPERATIONS, _MEMBERS)},
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "skip_host_check": {"type": "bool", "default": True},
    "force": {"type": "bool", "default": True},
}


@dataclass
class Membership:
    """Members of one kind that one command adds or removes."""

    command: str
    kind: str
    names: list[str]


@dataclass
class Plan:
    """What happens to one service; ``before`` and ``after`` are what a diff shows."""

    principal: str
    action: str
    has_keytab: bool = False
    memberships: list[Membership] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    # What the service is once a call has changed it: all there is to show where a later call fails.
    reached: dict[str, Any] | None = None

    def result(self) -> dict[str, Any]:
        """What the task returns of it."""
        diff = {"before": self.before, "after": self.after} if self.action != "none" else {}
        return {"principal": self.principal, "action": self.action, "has_keytab": self.has_keytab, "diff": diff}


def plan(principal: str, wanted: dict[str, Any], live: dict[str, Any] | None, state: str) -> Plan:
    """Compare one service with its entry (None: there is none). A list that is not given is left as it is. Pure."""
    has_keytab = bool(live and live.get("has_keytab"))
    before = _shown(principal, live)
    if state == "absent":
        return Plan(principal, "delete" if live else "none", has_keytab, before=before)
    after = before or {"principal": principal}
    memberships = []
    for option, (command, attribute) in _OPERATIONS.items():
        for name, kind in _KINDS.items():
            given = (wanted.get(option) or {}).get(name)
            if given is None:
                continue
            names = _folded(given)
            present = _folded((live or {}).get(f"ipaallowedtoperform_{attribute}_keys_{kind}", ()))
            for verb, changed in (("allow", names - present), ("disallow", present - names)):
                if changed:
                    memberships.append(Membership(f"service_{verb}_{command}", kind, sorted(changed)))
            after = {**after, f"{option}.{name}": sorted(names)} if names else _without(after, f"{option}.{name}")
    action = "create" if live is None else "update" if memberships else "none"
    return Plan(principal, action, has_keytab, memberships, before, after)


def _shown(principal: str, live: dict[str, Any] | None) -> dict[str, Any]:
    """An entry as far as this module manages it."""
    if live is None:
        return {}
    shown: dict[str, Any] = {"principal": principal}
    for option, (_command, attribute) in _OPERATIONS.items():
        for name, kind in _KINDS.items():
            members = live.get(f"ipaallowedtoperform_{attribute}_keys_{kind}")
            if members:
                shown[f"{option}.{name}"] = sorted(_folded(members))
    return shown


def _folded(names: Iterable[str]) -> set[str]:
    """Names as FreeIPA compares and keeps them: in lower case, whatever they name."""
    return {name.lower() for name in names}


def _without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def run(params: dict[str, Any], _client: None, reporter: Reporter) -> dict[str, Any]:
    """Make the services as wanted; returns what the task returns (see the module's RETURN)."""
    problems = principal_problems((wanted["name"] for wanted in params["principals"]), params["realm"])
    if problems:
        raise ValidationError(problems, "the principals")
    with IpaClient(with_login(params)) as client:
        plans = []
        for wanted in params["principals"]:
            principal = canonical(wanted["name"], params["realm"])
            plans.append(plan(principal, wanted, client.show_service(principal), params["state"]))
        done: list[Plan] = []
        if not reporter.check_mode:
            for one in plans:
                try:
                    _apply(client, one, params)
                except ComputeError as error:
                    if one.reached is not None:
                        one.after = one.reached
                        done.append(one)
                    result = _result(done, reporter.diff)
                    raise PartialFailureError(f"{one.principal}: {error}", result) from error
                done.append(one)
    return _result(plans, reporter.diff)


def _apply(client: IpaClient, one: Plan, params: dict[str, Any]) -> None:
    try:
        if one.action == "delete":
            client.call("service_del", [one.principal])
        elif one.action == "create":
            client.call("service_add", one.principal, skip_host_check=params["skip_host_check"], force=params["force"])
            one.reached = _shown(one.principal, {})
    except IpaError as error:
        # An earlier attempt whose answer was lost, or somebody else at the same time: either way it is as wanted.
        if error.code != (NOT_FOUND if one.action == "delete" else DUPLICATE):
            raise
    for membership in one.memberships:
        answer = client.call(membership.command, one.principal, **{membership.kind: membership.names})
        refused = [
            f"{membership.kind} {name!r}: {reason}"
            for by_kind in answer["failed"].values()
            for members in by_kind.values()
            for name, reason in members
            if reason not in _NO_CHANGE
        ]
        if answer["completed"]:
            one.reached = _shown(one.principal, answer["result"])
        if refused:
            raise ComputeError(f"{client.server} refused members of {membership.command}: {', '.join(refused)}")


def _result(plans: list[Plan], with_diff: bool) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for one in plans:
        counts[one.action] = counts.get(one.action, 0) + 1
    result: dict[str, Any] = {
        "changed": any(one.action != "none" for one in plans),
        "results": [one.result() for one in plans],
        "summary": ", ".join(f"{number} {action}" for action, number in sorted(counts.items())) or "no principals",
    }
    if with_diff:
        result["diff"] = [
            {"before_header": one.principal, "after_header": one.principal, **one.result()["diff"]}
            for one in plans
            if one.action != "none"
        ]
    return result


DEFINITION = TaskDefinition(ARGUMENTS, run, IPA_CONSTRAINTS, needs_client=False)
