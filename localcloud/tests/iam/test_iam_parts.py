"""Identity and access, its parts put together, without a server."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.clock import Clock
from localcloud.iam.access import PROJECT_POLICY
from localcloud.iam.parts import Identity
from localcloud.iam.service import account_policy
from localcloud.settings import Settings
from localcloud.store import Store

SOMEBODY = "somebody@example.com"
ACT_AS = "iam.serviceAccounts.getAccessToken"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    tokens: Any = SimpleNamespace(unique_id=lambda _email: "100000000000000000001")
    return Identity(Settings(tmp_path), Store(tmp_path / "state.sqlite"), Clock(), tokens)


def call(identity: Identity, method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call a method of service accounts as the owner."""
    request = SimpleNamespace(state=SimpleNamespace(query={}))
    described: Any = SimpleNamespace(id=f"iam.projects.serviceAccounts.{method}")
    owner = "localcloud@local-project.iam.gserviceaccount.com"
    service = identity.services["iam", "v1"]
    return asyncio.run(service.handle(request, owner, described, {"name": name}, body or {}))


@pytest.mark.parametrize(
    ("role", "acts"), [("roles/owner", False), ("roles/editor", False), ("roles/iam.serviceAccountTokenCreator", True)]
)
def test_who_owns_a_project_may_not_act_as_its_accounts(identity: Identity, role: str, acts: bool) -> None:
    identity.policies.set(PROJECT_POLICY, {"bindings": [{"role": role, "members": [f"user:{SOMEBODY}"]}]})
    assert identity.access.allows(SOMEBODY, ACT_AS) is acts
    assert identity.access.allows(SOMEBODY, "iam.serviceAccounts.get")


def test_an_account_goes_with_its_policy_and_memberships_or_not_at_all(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = call(identity, "create", "projects/local-project", {"accountId": "robot-1"})
    binding = {"role": "roles/viewer", "members": [f"user:{SOMEBODY}"]}
    identity.policies.set(account_policy(account["email"]), {"bindings": [binding]})
    with monkeypatch.context() as faulty:

        def full(*_arguments: str) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        faulty.setattr(identity.policies, "retire", full)
        with pytest.raises(sqlite3.OperationalError):
            call(identity, "delete", account["name"])
    assert call(identity, "get", account["name"]) == account
    assert identity.policies.bindings(account_policy(account["email"])) == [binding]
    call(identity, "delete", account["name"])
    assert identity.policies.bindings(account_policy(account["email"])) == []
