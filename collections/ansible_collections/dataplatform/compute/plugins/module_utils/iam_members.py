# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The core of iam_members: read each policy once, plan, write it under its etag."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ConflictError,
    NotFoundError,
    PartialFailureError,
    ValidationError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.iam_policy import (
    MEMBER,
    MEMBER_EXPECTATION,
    POLICY_VERSION,
    ROLE,
    ROLE_EXPECTATION,
    Grant,
    PolicyPlan,
    plan_policy,
    shown,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryableFailure, RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

UPDATE, NONE = "update", "none"
_CONCURRENCY = 8
_VERSION_PARAMETER = {"options.requestedPolicyVersion": POLICY_VERSION}
_VERSION_BODY = {"options": {"requestedPolicyVersion": POLICY_VERSION}}
_PROJECT = r"projects/[a-z][a-z0-9:.-]+"
# What a resource's name looks like, the service that has its policy, and how that one lets policies be read.
_SERVICES: tuple[tuple[re.Pattern[str], str, dict[str, Any]], ...] = (
    (
        re.compile(rf"^{_PROJECT}/secrets/[A-Za-z0-9_-]+$"),
        "https://secretmanager.googleapis.com/v1",
        {"method": "GET", "params": _VERSION_PARAMETER},
    ),
    (
        re.compile(rf"^{_PROJECT}/serviceAccounts/[a-z0-9-]+@[a-z0-9.-]+$"),
        "https://iam.googleapis.com/v1",
        {"method": "POST", "params": _VERSION_PARAMETER},
    ),
    (
        re.compile(rf"^{_PROJECT}$"),
        "https://cloudresourcemanager.googleapis.com/v3",
        {"method": "POST", "json": _VERSION_BODY},
    ),
)
_RESOURCE_EXPECTATION = "projects/PROJECT, projects/PROJECT/secrets/SECRET or projects/PROJECT/serviceAccounts/EMAIL"


@dataclass
class Outcome:
    """What became of the policy of one resource."""

    resource: str
    roles: list[str]
    before: dict[str, Any] = field(default_factory=dict)
    plan: PolicyPlan = field(default_factory=lambda: PolicyPlan({}))
    error: ComputeError | None = None

    @property
    def changed(self) -> bool:
        """Return whether the policy was changed, or would be."""
        return self.plan.changed and self.error is None

    def to_result(self) -> dict[str, Any]:
        """Return the entry of ``results``."""
        done = self.plan if self.error is None else PolicyPlan({})
        result = {
            "resource": self.resource,
            "action": UPDATE if done.changed else NONE,
            "added": [{"role": role, "member": member} for role, member in done.added],
            "removed": [{"role": role, "member": member} for role, member in done.removed],
            "changed": self.changed,
        }
        if self.error is not None:
            result |= {"failed": True, "message": str(self.error), "error": self.error.to_result()["error"]}
        return result

    def diff(self) -> dict[str, Any]:
        """Return who has the stated roles before and after, for ``--diff``."""
        header = f"IAM policy of {self.resource}"
        return {
            "before_header": header,
            "after_header": header,
            "before": shown(self.before, self.roles),
            "after": shown(self.plan.policy, self.roles),
        }


class Converger:
    """Brings policies, one at a time, into the wanted state; safe to share between threads."""

    def __init__(self, client: GoogleClient, reporter: Reporter, *, absent: bool) -> None:
        self._client = client
        self._reporter = reporter
        self._absent = absent

    def converge(self, wanted: tuple[str, list[Grant]]) -> Outcome:
        """Return what was done, or in check mode what would be; an error stops only its resource."""
        resource, grants = wanted
        outcome = Outcome(resource, [grant.role for grant in grants])
        try:
            self._converge(outcome, grants)
        except ComputeError as error:
            outcome.error = error
        return outcome

    def _converge(self, outcome: Outcome, grants: list[Grant]) -> None:
        read, url = _reader(self._client, outcome.resource)

        def attempt(_number: int) -> None:
            live = self._read(outcome.resource, read)
            plan = plan_policy(live, grants, absent=self._absent)
            # What is told is the plan that was written: after a lost race the last one, and after a lost answer, which
            # leaves nothing to do, the one before.
            if plan.changed or not outcome.plan.changed:
                outcome.before, outcome.plan = live, plan
            if not plan.changed or self._reporter.check_mode:
                return
            try:
                self._client.request("POST", f"{url}:setIamPolicy", json={"policy": plan.policy})
            except ConflictError as error:
                raise RetryableFailure(error) from error

        RetryPolicy().call(attempt)

    def _read(self, resource: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return read()
        except NotFoundError:
            if not self._reporter.check_mode:
                raise
            self._reporter.warn(f"{resource} does not exist yet; shown is what a run grants once it does.")
            return {}


def _reader(client: GoogleClient, resource: str) -> tuple[Callable[[], dict[str, Any]], str]:
    """Return what reads a policy, and the resource's address. The name has been checked."""
    root, options = next((root, options) for pattern, root, options in _SERVICES if pattern.fullmatch(resource))
    url = f"{root}/{resource}"
    method = options["method"]
    more = {name: value for name, value in options.items() if name != "method"}
    return lambda: client.request(method, f"{url}:getIamPolicy", **more), url


def check_grants(grants: list[dict[str, Any]], *, absent: bool) -> dict[str, list[Grant]]:
    """Return the grants by resource, in the order given; raises ValidationError with every problem. Pure."""
    problems: list[str] = []
    checked: dict[str, list[Grant]] = {}
    for position, grant in enumerate(grants):
        where = f"grants[{position}]"
        resource, role, members = grant["resource"], grant["role"], grant["members"]
        if not any(pattern.fullmatch(resource) for pattern, _root, _options in _SERVICES):
            problems.append(f"{where}: resource is '{resource}'; expected {_RESOURCE_EXPECTATION}")
        if not ROLE.fullmatch(role):
            problems.append(f"{where}: role is '{role}'; expected {ROLE_EXPECTATION}")
        problems += [
            f"{where}: members has '{member}'; expected {MEMBER_EXPECTATION}"
            for member in members
            if not MEMBER.fullmatch(member)
        ]
        if not members and not grant["exclusive"]:
            problems.append(f"{where}: members is empty; expected at least one, or exclusive: true for nobody at all")
        if absent and grant["exclusive"]:
            problems.append(f"{where}: exclusive is true and state is 'absent'; expected exclusive with present only")
        if role in [one.role for one in checked.get(resource, [])]:
            problems.append(f"{where}: {role} on {resource} is listed already; expected all its members in one entry")
        checked.setdefault(resource, []).append(Grant(role, tuple(members), grant["exclusive"]))
    if problems:
        raise ValidationError(problems, "the grants")
    return checked


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Grant or withdraw; returns what the task returns (see the module's RETURN)."""
    absent = params["state"] == "absent"
    grants = check_grants(plain(params["grants"]), absent=absent)
    converger = Converger(client, reporter, absent=absent)
    with ThreadPoolExecutor(max_workers=_CONCURRENCY) as pool:
        outcomes = list(pool.map(converger.converge, grants.items()))
    result = {
        "changed": any(outcome.changed for outcome in outcomes),
        "results": [outcome.to_result() for outcome in outcomes],
        "diff": [outcome.diff() for outcome in outcomes if outcome.changed],
    }
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        lines = "".join(f"\n- {outcome.resource}: {outcome.error}" for outcome in failed)
        done = ", ".join(outcome.resource for outcome in outcomes if outcome.changed) or "nothing"
        raise PartialFailureError(
            f"{len(failed)} of {len(outcomes)} policies failed. Changed: {done}. A repeated run continues from here."
            f" Failed:{lines}",
            result,
        )
    return result


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "grants": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "resource": {"type": "str", "required": True},
                    "role": {"type": "str", "required": True},
                    "members": {"type": "list", "elements": "str", "required": True},
                    "exclusive": {"type": "bool", "default": False},
                },
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }
    ),
    run=run,
)
