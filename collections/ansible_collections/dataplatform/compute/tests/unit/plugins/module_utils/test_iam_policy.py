# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What becomes of a policy: what is stated changes, and nothing else."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.iam_members import check_grants
from ansible_collections.dataplatform.compute.plugins.module_utils.iam_policy import Grant, plan_policy, shown

READ, ADMIN = "roles/secretmanager.secretAccessor", "roles/secretmanager.admin"
NODE, COLLEAGUE = "serviceAccount:node@p.iam.gserviceaccount.com", "user:ada@example.com"
LATER = {"title": "until spring", "expression": "request.time < timestamp('2027-03-21T00:00:00Z')"}
KEYTAB = "projects/example-project/secrets/keytab-etl-dev"


def policy(*bindings):
    return {"version": 1, "etag": "BwXy", "auditConfigs": [{"service": "allServices"}], "bindings": list(bindings)}


def bound(role, *members, **more):
    return {"role": role, "members": list(members), **more}


def test_a_policy_that_was_never_set_gets_its_first_binding():
    plan = plan_policy({"etag": "ACAB"}, [Grant(READ, (NODE,))])
    assert plan.policy == {"etag": "ACAB", "version": 3, "bindings": [bound(READ, NODE)]}
    assert (plan.added, plan.removed) == ([(READ, NODE)], [])


def test_what_is_not_stated_stays():
    live = policy(bound(READ, COLLEAGUE), bound(ADMIN, COLLEAGUE), bound(READ, COLLEAGUE, condition=LATER))
    before = copy.deepcopy(live)
    plan = plan_policy(live, [Grant(READ, (NODE,))])
    assert plan.policy["bindings"] == [bound(READ, COLLEAGUE, NODE), *before["bindings"][1:]]
    assert plan.policy["auditConfigs"] == live["auditConfigs"]
    assert plan.policy["etag"] == "BwXy"
    assert live == before, "the plan must not change Google's answer"


def test_what_is_there_is_no_change_in_whatever_letters():
    plan = plan_policy(
        policy(bound(READ, NODE)), [Grant(READ, (NODE.upper().replace("SERVICEACCOUNT", "serviceAccount"),))]
    )
    assert not plan.changed


def test_a_grant_under_a_condition_is_not_the_grant():
    plan = plan_policy(policy(bound(READ, NODE, condition=LATER)), [Grant(READ, (NODE,))])
    assert plan.added == [(READ, NODE)]
    assert plan.policy["bindings"] == [bound(READ, NODE, condition=LATER), bound(READ, NODE)]


def test_an_exclusive_grant_is_nobody_elses_also_under_a_condition():
    live = policy(bound(READ, NODE, COLLEAGUE), bound(ADMIN, COLLEAGUE), bound(READ, COLLEAGUE, condition=LATER))
    plan = plan_policy(live, [Grant(READ, (NODE,), exclusive=True)])
    assert plan.policy["bindings"] == [bound(READ, NODE), bound(ADMIN, COLLEAGUE)]
    assert plan.removed == [(READ, COLLEAGUE), (READ, COLLEAGUE)]
    assert not plan_policy(plan.policy, [Grant(READ, (NODE,), exclusive=True)]).changed


def test_absent_takes_only_the_stated_members():
    live = policy(bound(READ, NODE, COLLEAGUE), bound(READ, NODE, condition=LATER))
    plan = plan_policy(live, [Grant(READ, (NODE,)), Grant(ADMIN, (NODE,))], absent=True)
    assert plan.policy["bindings"] == [bound(READ, COLLEAGUE), bound(READ, NODE, condition=LATER)]
    assert plan.removed == [(READ, NODE)]


def test_a_diff_shows_the_stated_roles_with_their_conditions():
    live = policy(bound(READ, NODE), bound(ADMIN, COLLEAGUE), bound(READ, COLLEAGUE, condition=LATER))
    assert shown(live, [READ]) == {READ: [NODE], f"{READ} if until spring": [COLLEAGUE]}


@pytest.mark.parametrize(
    ("grant", "problem"),
    [
        (
            {"resource": "keytab-etl-dev"},
            "resource is 'keytab-etl-dev'; expected projects/PROJECT, projects/PROJECT/secrets",
        ),
        ({"role": "secretAccessor"}, "role is 'secretAccessor'; expected roles/SERVICE.ROLE"),
        (
            {"members": ["node@p.iam.gserviceaccount.com"]},
            "members has 'node@p.iam.gserviceaccount.com'; expected user:",
        ),
        ({"members": ["allUsers"]}, "members has 'allUsers'; expected"),
        ({"members": []}, "members is empty; expected at least one, or exclusive: true"),
        ({"exclusive": True}, "exclusive is true and state is 'absent'"),
    ],
)
def test_wrong_grants_are_refused_together(grant, problem):
    right = {"resource": KEYTAB, "role": READ, "members": [NODE], "exclusive": False}
    with pytest.raises(ValidationError) as caught:
        check_grants([{**right, **grant}, {**right, "role": ADMIN}, {**right, "role": ADMIN}], absent=True)
    assert any(problem in one for one in caught.value.problems), caught.value.problems
    assert any(f"grants[2]: {ADMIN} on {KEYTAB} is listed already" in one for one in caught.value.problems)
