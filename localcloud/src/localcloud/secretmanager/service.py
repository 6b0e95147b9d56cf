"""The Secret Manager service: from discovery method to the part that serves it, and who may call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.clock import Clock
from localcloud.discovery import Method
from localcloud.errors import NotServedError
from localcloud.iam.access import Access
from localcloud.iam.policies import Policies, policy_version
from localcloud.paging import page
from localcloud.secretmanager.filters import parse_filter
from localcloud.secretmanager.names import SecretName, parse_name
from localcloud.secretmanager.payloads import Payloads
from localcloud.secretmanager.secrets import Secrets, policy_of
from localcloud.secretmanager.versions import DESTROYED, DISABLED, ENABLED, Versions
from localcloud.services import require_project
from localcloud.settings import Settings
from localcloud.store import Store

Answer = dict[str, Any]
_PREFIX = "secretmanager.projects.secrets."
_LARGEST_PAGE = 25_000
# What a method needs, where its name does not say it.
_PERMISSIONS = {"secrets.patch": "secretmanager.secrets.update", "secrets.addVersion": "secretmanager.versions.add"}


@dataclass(frozen=True)
class Call:
    """One request, routed and validated; `name` has no parts where the request is about the project."""

    name: SecretName
    query: dict[str, Any]
    body: dict[str, Any]


class SecretManagerService:
    """Serves `secretmanager` v1 for global secrets."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, policies: Policies, access: Access) -> None:
        """Build the parts on the stored state."""
        self._settings = settings
        self._policies = policies
        self._access = access
        self._secrets = Secrets(store, policies, clock)
        self._store = store
        self._payloads = Payloads(settings.secrets_directory)
        self._versions = Versions(store, self._payloads, self._secrets, clock)
        self._routes = self._secret_routes() | self._version_routes()

    def _secret_routes(self) -> dict[str, Callable[[Call], Answer]]:
        secrets, policies = self._secrets, self._policies
        return {
            "secrets.create": lambda call: secrets.create(self._new(call), call.body),
            "secrets.get": lambda call: secrets.get(call.name),
            "secrets.list": lambda call: _page(call, secrets.list(), "secrets"),
            "secrets.patch": lambda call: secrets.patch(call.name, call.body, call.query.get("updateMask")),
            "secrets.delete": self._delete,
            "secrets.addVersion": lambda call: self._versions.add(call.name, call.body),
            "secrets.getIamPolicy": lambda call: policies.get(self._policy(call), policy_version(call.query)),
            "secrets.setIamPolicy": lambda call: policies.set(self._policy(call), call.body.get("policy", {})),
        }

    def _version_routes(self) -> dict[str, Callable[[Call], Answer]]:
        versions = self._versions
        return {
            "versions.get": lambda call: versions.get(call.name),
            "versions.list": lambda call: _page(call, versions.list(call.name), "versions"),
            "versions.access": lambda call: versions.access(call.name),
            "versions.enable": lambda call: versions.set_state(call.name, ENABLED, call.body.get("etag")),
            "versions.disable": lambda call: versions.set_state(call.name, DISABLED, call.body.get("etag")),
            "versions.destroy": lambda call: versions.set_state(call.name, DESTROYED, call.body.get("etag")),
        }

    async def handle(
        self, request: Any, principal: str, method: Method, parameters: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        """Answer one request, already routed and validated. Raises ApiError."""
        if not method.id.startswith(_PREFIX):
            raise NotServedError(method.id)
        asked = parameters.get("name") or parameters.get("resource") or parameters["parent"]
        require_project(self._settings, asked.split("/")[1])
        name = SecretName(self._settings.project_number, "")
        if asked.count("/") >= 3:
            name = parse_name(asked, self._settings.project_number)
        call = Call(name, request.state.query, body)
        keys = (policy_of(name),) if name.secret else ()
        short = ".".join(method.id.split(".")[-2:])
        if short == "secrets.testIamPermissions":
            self._secrets.require(name)
            granted = self._access.granted(principal, body.get("permissions", []), *keys)
            return {"permissions": granted} if granted else {}
        route = self._routes.get(short)
        if route is None:
            raise NotServedError(method.id)
        self._access.require(principal, _PERMISSIONS.get(short, f"secretmanager.{short}"), asked, *keys)
        return route(call)

    def _new(self, call: Call) -> SecretName:
        return SecretName(self._settings.project_number, call.query.get("secretId", ""))

    def _delete(self, call: Call) -> Answer:
        with self._store.transaction():
            self._secrets.delete(call.name, call.query.get("etag"))
            payloads = self._versions.delete_all(call.name)
        for payload in payloads:
            self._payloads.discard(payload)
        return {}

    def _policy(self, call: Call) -> str:
        self._secrets.require(call.name)
        return policy_of(call.name)


def _page(call: Call, items: list[Answer], field: str) -> Answer:
    matches = parse_filter(call.query.get("filter"))
    found = [item for item in items if matches(item)]
    answer = page(
        found,
        field,
        lambda item: item["name"],
        size=call.query.get("pageSize"),
        token=call.query.get("pageToken"),
        maximum_size=_LARGEST_PAGE,
    )
    return answer if call.query.get("filter") else {**answer, "totalSize": len(found)}
