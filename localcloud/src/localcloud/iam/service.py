"""The IAM service: service accounts with their policies, and the project's custom roles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.discovery import Method
from localcloud.errors import NotServedError
from localcloud.iam.access import Access
from localcloud.iam.accounts import Accounts
from localcloud.iam.policies import Policies, policy_version
from localcloud.iam.roles import Roles
from localcloud.paging import page
from localcloud.services import require_project
from localcloud.settings import Settings
from localcloud.store import Store

Answer = dict[str, Any]
# What a method needs, where its name does not say it.
_PERMISSIONS = {
    "serviceAccounts.patch": "iam.serviceAccounts.update",
    "roles.patch": "iam.roles.update",
}


@dataclass(frozen=True)
class Call:
    """One request, routed and validated."""

    principal: str
    method: str
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """The resource, or the parent of a new one."""
        return self.path.get("name") or self.path.get("resource") or self.path["parent"]


class IamService:
    """Serves `iam` v1, as far as a deployment uses it."""

    def __init__(
        self, settings: Settings, accounts: Accounts, roles: Roles, policies: Policies, access: Access, *, store: Store
    ) -> None:
        """Serve these parts, which keep what they have in `store`."""
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._roles = roles
        self._policies = policies
        self._access = access
        self._routes = self._account_routes() | self._role_routes()

    def _account_routes(self) -> dict[str, Callable[[Call], Answer]]:
        accounts = self._accounts
        return {
            "serviceAccounts.create": lambda call: accounts.create(call.body),
            "serviceAccounts.get": lambda call: accounts.get(call.name),
            "serviceAccounts.list": lambda call: self._page(call, accounts.list(), "accounts", "email"),
            "serviceAccounts.patch": self._patch_account,
            "serviceAccounts.update": lambda call: accounts.patch(call.name, call.body, None),
            "serviceAccounts.delete": self._delete_account,
            "serviceAccounts.disable": lambda call: accounts.set_disabled(call.name, disabled=True) or {},
            "serviceAccounts.enable": lambda call: accounts.set_disabled(call.name, disabled=False) or {},
            "serviceAccounts.getIamPolicy": lambda call: self._policies.get(
                self._key(call), policy_version(call.query, call.body)
            ),
            "serviceAccounts.setIamPolicy": lambda call: self._policies.set(
                self._key(call), call.body.get("policy", {})
            ),
        }

    def _role_routes(self) -> dict[str, Callable[[Call], Answer]]:
        roles = self._roles
        return {
            "roles.create": lambda call: roles.create(call.name, call.body),
            "roles.get": lambda call: roles.get(call.name),
            "roles.list": lambda call: self._page(
                call,
                roles.list(show_deleted=bool(call.query.get("showDeleted")), full=call.query.get("view") == "FULL"),
                "roles",
                "name",
            ),
            "roles.patch": lambda call: roles.patch(call.name, call.body, call.query.get("updateMask")),
            "roles.delete": lambda call: roles.set_deleted(call.name, deleted=True, etag=call.query.get("etag")),
            "roles.undelete": lambda call: roles.set_deleted(call.name, deleted=False, etag=call.body.get("etag")),
        }

    async def handle(
        self, request: Any, principal: str, method: Method, parameters: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        """Answer one request, already routed and validated. Raises ApiError."""
        short = ".".join(method.id.split(".")[-2:])
        call = Call(principal, short, parameters, request.state.query, body)
        if not method.id.startswith("iam.projects."):
            raise NotServedError(method.id)
        # A service account's address is unique, so that its project may be left out.
        if call.name.split("/")[1] != "-":
            require_project(self._settings, call.name.split("/")[1])
        if short == "serviceAccounts.testIamPermissions":
            return self._test_permissions(call)
        route = self._routes.get(short)
        if route is None:
            raise NotServedError(method.id)
        account = self._accounts.find(call.name.rpartition("/")[2])
        keys = (account_policy(account["email"]),) if account else ()
        self._access.require(principal, _PERMISSIONS.get(short, f"iam.{short}"), call.name, *keys)
        return route(call)

    def _key(self, call: Call) -> str:
        return account_policy(self._accounts.get(call.name)["email"])

    def _test_permissions(self, call: Call) -> Answer:
        granted = self._access.granted(call.principal, call.body.get("permissions", []), self._key(call))
        return {"permissions": granted} if granted else {}

    def _patch_account(self, call: Call) -> Answer:
        mask = call.body.get("updateMask", "")
        fields = {"displayName" if path in ("display_name", "displayName") else path for path in mask.split(",")}
        account = self._accounts.patch(call.name, call.body.get("serviceAccount", {}), fields)
        # Google's answer to a PATCH has the changed fields only.
        return {"name": account["name"], **{field: account[field] for field in sorted(fields) if field in account}}

    def _delete_account(self, call: Call) -> Answer:
        # In one step: an account made later under the same address must not find what this one was granted.
        with self._store.transaction():
            account = self._accounts.delete(call.name)
            member = f"serviceAccount:{account['email']}"
            self._policies.delete(account_policy(account["email"]))
            self._policies.retire(member, f"deleted:{member}?uid={account['uniqueId']}")
        return {}

    @staticmethod
    def _page(call: Call, items: list[Answer], field: str, identifier: str) -> Answer:
        size, token = call.query.get("pageSize"), call.query.get("pageToken")
        return page(items, field, lambda item: item[identifier], size=size, token=token)


def account_policy(email: str) -> str:
    """Return the key of a service account's policy."""
    return f"iam/serviceAccounts/{email}/policy"
