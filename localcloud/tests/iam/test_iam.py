"""Accounts, roles and policies as clients meet them, and what a binding lets somebody do."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
import requests

PROJECT = "projects/local-project"
IAM = f"https://iam.googleapis.com/v1/{PROJECT}"
ACCOUNTS, ROLES = f"{IAM}/serviceAccounts", f"{IAM}/roles"
SECRETS = f"https://secretmanager.googleapis.com/v1/{PROJECT}/secrets"
RESOURCE_MANAGER = f"https://cloudresourcemanager.googleapis.com/v3/{PROJECT}"
CREDENTIALS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
SCOPE = ["https://www.googleapis.com/auth/cloud-platform"]
OWNER = "serviceAccount:localcloud@local-project.iam.gserviceaccount.com"
READ, TOKENS = "roles/secretmanager.secretAccessor", "roles/iam.serviceAccountTokenCreator"
NUMBERS = itertools.count(1)


@pytest.fixture
def account(session: requests.Session) -> dict[str, Any]:
    """A new service account."""
    body = {"accountId": f"account-{next(NUMBERS)}", "serviceAccount": {"displayName": "A robot"}}
    made = session.post(ACCOUNTS, json=body)
    assert made.status_code == 200, made.text
    return made.json()


def bind(session: requests.Session, url: str, *bindings: dict[str, Any], **more: Any) -> requests.Response:
    return session.post(f"{url}:setIamPolicy", json={"policy": {"bindings": list(bindings), **more}})


def session_of(server: Any, session: requests.Session, account: dict[str, Any]) -> requests.Session:
    """A session as another account, which lets the owner act as it."""
    granted = bind(session, f"{ACCOUNTS}/{account['email']}", {"role": TOKENS, "members": [OWNER]})
    assert granted.status_code == 200, granted.text
    token = session.post(f"{CREDENTIALS}/{account['email']}:generateAccessToken", json={"scope": SCOPE})
    assert token.status_code == 200, token.text
    other = server.anonymous_session()
    other.headers["Authorization"] = f"Bearer {token.json()['accessToken']}"
    return other


def make_secret(session: requests.Session) -> str:
    name = f"iam-{next(NUMBERS)}"
    session.post(SECRETS, params={"secretId": name}, json={"replication": {"automatic": {}}})
    payload = {"data": base64.b64encode(b"x").decode()}
    session.post(f"{SECRETS}/{name}:addVersion", json={"payload": payload})
    return f"{SECRETS}/{name}"


def test_an_account_is_answered_as_google_did(session: requests.Session, account: dict[str, Any]) -> None:
    recorded = {"displayName", "email", "etag", "name", "oauth2ClientId", "projectId", "uniqueId"}
    assert set(account) == recorded
    assert account["name"] == f"{PROJECT}/serviceAccounts/{account['email']}"
    address = f"{ACCOUNTS}/{account['email']}"
    assert session.get(address).json() == account
    change = {
        "serviceAccount": {"description": "New", "displayName": "Newer"},
        "updateMask": "description,display_name",
    }
    # Google answers a PATCH with what was changed.
    assert session.patch(address, json=change).json() == {
        "name": account["name"],
        "description": "New",
        "displayName": "Newer",
    }
    assert session.get(address).json()["description"] == "New"
    assert session.delete(address).json() == {}
    missing = session.get(address)
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "Unknown service account"


def test_names_of_accounts_are_checked_and_taken_once(session: requests.Session, account: dict[str, Any]) -> None:
    assert session.post(ACCOUNTS, json={"accountId": "Robot"}).status_code == 400
    again = session.post(ACCOUNTS, json={"accountId": account["email"].partition("@")[0]})
    assert (again.status_code, again.json()["error"]["status"]) == (409, "ALREADY_EXISTS")


def test_nobody_reads_a_secret_without_a_binding_on_it(
    server: Any, session: requests.Session, account: dict[str, Any]
) -> None:
    robot = session_of(server, session, account)
    open_one, closed_one = make_secret(session), make_secret(session)
    refused = robot.get(f"{open_one}/versions/latest:access")
    assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert "'secretmanager.versions.access' denied" in refused.json()["error"]["message"]
    absent = robot.get(f"{SECRETS}/absent/versions/latest:access")
    assert absent.status_code == 403, "who may not read cannot tell what exists"
    bind(session, open_one, {"role": READ, "members": [f"serviceAccount:{account['email']}"]})
    assert robot.get(f"{open_one}/versions/latest:access").status_code == 200
    assert robot.get(f"{closed_one}/versions/latest:access").status_code == 403
    # Reading is all that it may do.
    assert robot.post(f"{open_one}:addVersion", json={"payload": {"data": "eA=="}}).status_code == 403
    assert bind(robot, open_one).status_code == 403
    asked = {"permissions": ["secretmanager.versions.access", "secretmanager.versions.add"]}
    assert robot.post(f"{open_one}:testIamPermissions", json=asked).json() == {"permissions": asked["permissions"][:1]}


def test_a_binding_of_the_project_counts_for_what_is_in_it(
    server: Any, session: requests.Session, account: dict[str, Any]
) -> None:
    robot, secret = session_of(server, session, account), make_secret(session)
    member = f"serviceAccount:{account['email']}"
    try:
        bind(session, RESOURCE_MANAGER, {"role": "roles/editor", "members": [member]})
        assert robot.get(secret).status_code == 200
        assert robot.get(f"{secret}/versions/latest:access").status_code == 403, "an editor reads no payloads"
        bind(session, RESOURCE_MANAGER, {"role": "roles/secretmanager.admin", "members": [member]})
        assert robot.get(f"{secret}/versions/latest:access").status_code == 200
    finally:
        bind(session, RESOURCE_MANAGER)


def test_a_role_of_the_projects_own_permits_what_it_names(
    server: Any, session: requests.Session, account: dict[str, Any]
) -> None:
    robot, secret = session_of(server, session, account), make_secret(session)
    identifier = f"reader{next(NUMBERS)}"
    role = {"title": "Reader", "includedPermissions": ["secretmanager.versions.access"], "stage": "GA"}
    made = session.post(ROLES, json={"roleId": identifier, "role": role}).json()
    assert made["includedPermissions"] == role["includedPermissions"]
    bound = bind(session, secret, {"role": made["name"], "members": [f"serviceAccount:{account['email']}"]})
    assert bound.status_code == 200, bound.text
    assert robot.get(f"{secret}/versions/latest:access").status_code == 200
    session.delete(f"{ROLES}/{identifier}")
    assert robot.get(f"{secret}/versions/latest:access").status_code == 403


def test_of_two_writers_the_second_loses(session: requests.Session) -> None:
    secret = make_secret(session)
    etag = session.get(f"{secret}:getIamPolicy").json()["etag"]
    binding = {"role": READ, "members": ["user:ada@example.com"]}
    assert bind(session, secret, binding, etag=etag).status_code == 200
    late = bind(session, secret, etag=etag)
    assert (late.status_code, late.json()["error"]["status"]) == (409, "ABORTED")
    assert session.get(f"{secret}:getIamPolicy").json()["bindings"] == [binding]


def test_conditions_are_kept_for_those_who_know_them(session: requests.Session) -> None:
    secret = make_secret(session)
    condition = {"title": "soon", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"}
    binding = {"role": READ, "members": ["user:ada@example.com"], "condition": condition}
    refused = bind(session, secret, binding)
    assert "must have version 3" in refused.json()["error"]["message"]
    assert bind(session, secret, binding, version=3).status_code == 200
    whole = session.get(f"{secret}:getIamPolicy", params={"options.requestedPolicyVersion": 3}).json()
    assert (whole["version"], whole["bindings"]) == (3, [binding])
    [hidden] = session.get(f"{secret}:getIamPolicy").json()["bindings"]
    assert hidden["role"].startswith(f"{READ}_withcond_")
    assert "condition" not in hidden


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ({"role": READ, "members": ["ada@example.com"]}, "unknown type"),
        ({"role": READ, "members": ["serviceAccount:nobody@local-project.iam.gserviceaccount.com"]}, "does not exist"),
        ({"role": "projects/local-project/roles/absent", "members": ["user:ada@example.com"]}, "is not supported"),
    ],
)
def test_bindings_of_what_does_not_exist_are_refused(
    session: requests.Session, binding: dict[str, Any], words: str
) -> None:
    refused = bind(session, make_secret(session), binding)
    assert refused.status_code == 400
    assert words in refused.json()["error"]["message"]


def test_an_account_made_later_under_the_same_address_inherits_nothing(
    session: requests.Session, account: dict[str, Any]
) -> None:
    secret, member = make_secret(session), f"serviceAccount:{account['email']}"
    bind(session, secret, {"role": READ, "members": [member]})
    session.delete(f"{ACCOUNTS}/{account['email']}")
    session.post(ACCOUNTS, json={"accountId": account["email"].partition("@")[0]})
    [binding] = session.get(f"{secret}:getIamPolicy").json()["bindings"]
    assert binding["members"] == [f"deleted:{member}?uid={account['uniqueId']}"]


def test_nobody_acts_as_an_account_without_being_let(
    server: Any, session: requests.Session, account: dict[str, Any]
) -> None:
    address = f"{CREDENTIALS}/{account['email']}:generateAccessToken"
    refused = session.post(address, json={"scope": SCOPE})
    assert refused.status_code == 403
    assert session_of(server, session, account).get(f"{SECRETS}").status_code == 403
    session.post(f"{ACCOUNTS}/{account['email']}:disable", json={})
    assert session.post(address, json={"scope": SCOPE}).json()["error"]["status"] == "FAILED_PRECONDITION"
