"""Roles on secrets, accounts and the project against a local cloud: granted, kept for others, and safe in a race."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import client as client_module
from ansible_collections.dataplatform.compute.plugins.module_utils import iam_members, resources
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

from tests.integration.google import PROJECT, Google
from tests.integration.secrets_support import SECRETS, execute

READ, ADMIN = "roles/secretmanager.secretAccessor", "roles/secretmanager.admin"
NODE = f"dataproc-node@{PROJECT}.iam.gserviceaccount.com"
MEMBER, COLLEAGUE = f"serviceAccount:{NODE}", "user:ada@example.com"
SECRET = f"projects/{PROJECT}/secrets/keytab-etl"
ACCOUNT = f"projects/{PROJECT}/serviceAccounts/{NODE}"
PROJECT_NAME = f"projects/{PROJECT}"
READERS = {
    SECRET: ("GET", "https://secretmanager.googleapis.com/v1"),
    ACCOUNT: ("POST", "https://iam.googleapis.com/v1"),
    PROJECT_NAME: ("POST", "https://cloudresourcemanager.googleapis.com/v3"),
}


@dataclass
class Iam:
    """An empty cloud with a secret and an account, seen through the modules and past them."""

    cloud: Any
    google: Google
    warnings: list[str] = field(default_factory=list)

    def grant(self, resource: str, role: str, *members: str, check: bool = False, **more: Any) -> dict[str, Any]:
        """Run iam_members for one grant."""
        wanted = {
            "resource": resource,
            "role": role,
            "members": list(members),
            "exclusive": more.pop("exclusive", False),
        }
        reporter = Reporter(check_mode=check, diff=True, warn=self.warnings.append)
        return execute(iam_members.DEFINITION, reporter, grants=[wanted], **more)

    def account(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run gcp_resources for the nodes' account."""
        options = {"resources": [{"email": NODE}], **options}
        return execute(resources.DEFINITION, Reporter(check_mode=check), kind="iam_service_account", **options)

    def policy(self, resource: str) -> dict[str, list[str]]:
        """Who has which role, as the cloud says it."""
        method, root = READERS[resource]
        answer = self.google.call(method, f"{root}/{resource}:getIamPolicy").json()
        return {binding["role"]: binding["members"] for binding in answer.get("bindings", [])}

    def set_policy(self, resource: str, *bindings: dict[str, Any]) -> None:
        """Replace a policy past the module."""
        url = f"{READERS[resource][1]}/{resource}:setIamPolicy"
        self.google.call("POST", url, json={"policy": {"bindings": list(bindings), "version": 3}})


@pytest.fixture
def iam(empty_localcloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    quick = functools.partial(RetryPolicy, attempts=4, first_wait=0.05)
    monkeypatch.setattr(client_module, "RetryPolicy", quick)
    monkeypatch.setattr(iam_members, "RetryPolicy", quick)
    for name, value in empty_localcloud.environment.items():
        monkeypatch.setenv(name, value)
    iam = Iam(empty_localcloud, Google(empty_localcloud.environment))
    made = iam.account()
    assert [one["action"] for one in made["results"]] == ["create"], made
    iam.google.call("POST", SECRETS, params={"secretId": "keytab-etl"}, json={"replication": {"automatic": {}}})
    yield iam
    empty_localcloud.cli("fault", "clear")


@pytest.mark.parametrize("resource", READERS)
def test_a_role_is_granted_once_and_taken_away(iam: Iam, resource: str) -> None:
    role = "roles/iam.serviceAccountUser"
    foretold = iam.grant(resource, role, MEMBER, check=True)
    assert foretold["changed"]
    assert role not in iam.policy(resource)
    granted = iam.grant(resource, role, MEMBER)
    assert granted["results"][0]["added"] == [{"role": role, "member": MEMBER}]
    assert granted["diff"] == foretold["diff"]
    assert iam.policy(resource)[role] == [MEMBER]
    again = iam.grant(resource, role, MEMBER)
    assert (again["changed"], again["diff"]) == (False, [])
    assert iam.grant(resource, role, MEMBER, state="absent")["changed"]
    assert role not in iam.policy(resource)
    assert not iam.grant(resource, role, MEMBER, state="absent")["changed"]


def test_others_keep_what_they_have_unless_a_grant_is_exclusive(iam: Iam) -> None:
    condition = {"title": "soon", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"}
    iam.set_policy(
        SECRET,
        {"role": READ, "members": [COLLEAGUE]},
        {"role": ADMIN, "members": [COLLEAGUE]},
        {"role": "roles/secretmanager.viewer", "members": [COLLEAGUE], "condition": condition},
    )
    iam.grant(SECRET, READ, MEMBER)
    policy = iam.policy(SECRET)
    assert policy[READ] == [COLLEAGUE, MEMBER]
    result = iam.grant(SECRET, READ, MEMBER, exclusive=True)
    assert result["results"][0]["removed"] == [{"role": READ, "member": COLLEAGUE}]
    assert iam.policy(SECRET) == {**policy, READ: [MEMBER]}
    assert policy[ADMIN] == [COLLEAGUE]
    assert len(policy) == 3, "a binding with a condition was lost"


def test_a_lost_race_is_run_again_and_loses_nothing(iam: Iam) -> None:
    """Somebody changes the policy between our reading and our writing."""
    request = client_module.GoogleClient.request
    raced = []

    def race(self: Any, method: str, url: str, **options: Any) -> Any:
        if url.endswith("setIamPolicy") and not raced:
            raced.append(url)
            iam.set_policy(SECRET, *({"role": role, "members": [COLLEAGUE]} for role in (ADMIN, READ)))
        return request(self, method, url, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module.GoogleClient, "request", race)
        result = iam.grant(SECRET, READ, MEMBER, exclusive=True)
    assert not result.get("failed"), result
    assert iam.policy(SECRET) == {ADMIN: [COLLEAGUE], READ: [MEMBER]}
    assert result["results"][0]["removed"] == [{"role": READ, "member": COLLEAGUE}], "told is not what was written"
    assert result["diff"][0]["before"] == {READ: [COLLEAGUE]}


@pytest.mark.parametrize("fault", [{"status": 503}, {"kind": "truncate"}], ids=["503", "half-an-answer"])
def test_passing_faults_and_lost_answers_grant_once(iam: Iam, fault: dict[str, Any]) -> None:
    for method in ("getIamPolicy", "setIamPolicy"):
        arguments = [f"--{name}={value}" for name, value in fault.items()]
        iam.cloud.cli("fault", "add", f"--method=secretmanager.projects.secrets.{method}", "--count=1", *arguments)
    result = iam.grant(SECRET, READ, MEMBER)
    assert (result["changed"], result.get("failed", False)) == (True, False)
    assert result["results"][0]["added"] == [{"role": READ, "member": MEMBER}]
    assert iam.policy(SECRET) == {READ: [MEMBER]}


def test_a_policy_that_could_not_be_written_is_told_as_it_is(iam: Iam) -> None:
    iam.cloud.cli("fault", "add", "--method=secretmanager.projects.secrets.setIamPolicy", "--status=403")
    result = iam.grant(SECRET, READ, MEMBER)
    assert (result["failed"], result["changed"], result["diff"]) == (True, False, [])
    told = result["results"][0]
    assert (told["action"], told["added"], told["removed"], told["failed"]) == ("none", [], [], True)


def test_what_does_not_exist_yet_is_foretold_and_not_granted(iam: Iam) -> None:
    absent = f"projects/{PROJECT}/secrets/keytab-ml"
    assert iam.grant(absent, READ, MEMBER, check=True)["changed"]
    assert f"{absent} does not exist yet" in iam.warnings[0]
    result = iam.grant(absent, READ, MEMBER)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "keytab-ml] not found" in result["msg"]


def test_an_account_is_changed_in_place_and_deleted_only_on_purpose(iam: Iam) -> None:
    wanted = [{"email": NODE, "displayName": "Nodes"}]
    assert [one["action"] for one in iam.account(resources=wanted)["results"]] == ["update"]
    assert not iam.account(resources=wanted)["changed"]
    refused = iam.account(state="absent")
    assert "has no labels that say whose it is. Set adopt: always" in refused["msg"]
    assert "list those that shall go" in iam.account(purge=True)["msg"]
    assert [one["action"] for one in iam.account(state="absent", adopt="always")["results"]] == ["delete"]


def test_an_account_of_another_project_is_refused_before_a_call(iam: Iam) -> None:
    iam.cloud.clear_requests()
    result = iam.account(resources=[{"email": "dataproc-node@elsewhere.iam.gserviceaccount.com"}])
    assert f"expected {NODE} in project {PROJECT}" in result["msg"]
    assert iam.cloud.requests() == []
