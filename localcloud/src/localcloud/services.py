"""The small services: what gcloud, google-auth and a look at one's permissions ask around the big ones."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from typing import Any

from starlette.requests import Request

from localcloud.clock import Clock
from localcloud.discovery import Method
from localcloud.errors import ApiError, NotServedError, invalid_argument
from localcloud.iam.access import PROJECT_POLICY, Access
from localcloud.iam.policies import Policies, policy_version
from localcloud.operations import Operation, Operations
from localcloud.paging import page
from localcloud.settings import Settings
from localcloud.store import Store

# Services that a platform like this one finds enabled; every other one is there, disabled.
ENABLED_AT_FIRST = (
    "billingbudgets",
    "cloudbilling",
    "cloudkms",
    "cloudresourcemanager",
    "composer",
    "compute",
    "dataproc",
    "dns",
    "file",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "secretmanager",
    "serviceusage",
    "storage",
    "storage-api",
    "storage-component",
)
_SERVICE_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(googleapis\.com|goog)")
_EMPTY_METADATA = {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}
_ENABLE_SECONDS = 4.0
_SERVICE_OPERATION = "serviceusage"


def create_services(
    settings: Settings, store: Store, clock: Clock, operations: Operations, *, policies: Policies, access: Access
) -> dict[tuple[str, str], Any]:
    """Return the services by (API, version)."""
    resource_manager = ResourceManager(settings, store, clock, policies, access)
    return {
        ("serviceusage", "v1"): ServiceUsage(settings, store, operations),
        ("cloudresourcemanager", "v1"): resource_manager,
        ("cloudresourcemanager", "v3"): resource_manager,
    }


def require_project(settings: Settings, project: str) -> None:
    """Refuse any project but the instance's own, as Google does with a project one may not see. Raises ApiError 403."""
    if project not in (settings.project, settings.project_number):
        raise ApiError(403, "The caller does not have permission")


class ServiceUsage:
    """Which Google services are enabled in the project."""

    def __init__(self, settings: Settings, store: Store, operations: Operations) -> None:
        """Keep states in `store`; enabling takes an operation."""
        self._settings = settings
        self._store = store
        self._operations = operations
        operations.register(_SERVICE_OPERATION, finish=self._finish)

    async def handle(
        self, request: Request, _principal: str, method: Method, parameters: dict[str, str], body: Any
    ) -> dict[str, Any]:
        """Answer one request. Raises ApiError."""
        name = parameters.get("name") or parameters.get("parent") or ""
        query = request.state.query
        if name.startswith("projects/"):
            require_project(self._settings, name.split("/")[1])
        service = name.rpartition("/")[2]
        match method.id:
            case "serviceusage.services.list":
                answer = self._list(query)
            case "serviceusage.services.get":
                answer = self._render(service)
            case "serviceusage.services.batchGet":
                answer = {"services": [self._render(each.rpartition("/")[2]) for each in query.get("names", [])]}
            case "serviceusage.services.enable" | "serviceusage.services.disable":
                answer = self._start(method, [service])
            case "serviceusage.services.batchEnable":
                answer = self._start(method, body.get("serviceIds", []))
            case "serviceusage.operations.get":
                answer = self._operations.get(name)
            case "serviceusage.operations.list":
                answer = self._operations.list("operations", query.get("pageSize", 0), query.get("pageToken", ""))
            case _:
                raise NotServedError(method.id)
        return answer

    def _list(self, query: dict[str, Any]) -> dict[str, Any]:
        changed = {key.rpartition("/")[2]: body["state"] for key, body in self._store.list("serviceusage/services")}
        names = sorted({f"{short}.googleapis.com" for short in ENABLED_AT_FIRST} | set(changed))
        wanted = query.get("filter", "").replace(" ", "").upper()
        rendered = [self._render(name) for name in names]
        if wanted:
            state = wanted.removeprefix("STATE:").removeprefix("STATE=")
            if state not in ("ENABLED", "DISABLED"):
                raise invalid_argument(f"filter is {query['filter']!r}, expected state:ENABLED or state:DISABLED.")
            rendered = [body for body in rendered if body["state"] == state]
        return page(
            rendered,
            "services",
            identify=lambda body: body["name"],
            size=query.get("pageSize"),
            token=query.get("pageToken"),
            default_size=200,
            maximum_size=200,
        )

    def _render(self, service: str) -> dict[str, Any]:
        if not _SERVICE_NAME.fullmatch(service):
            raise ApiError(403, f"Not found or permission denied for service(s): {service}.")
        parent = f"projects/{self._settings.project_number}"
        stored = self._store.get(f"serviceusage/services/{service}")
        first = "ENABLED" if service.removesuffix(".googleapis.com") in ENABLED_AT_FIRST else "DISABLED"
        return {
            "name": f"{parent}/services/{service}",
            "config": {"name": service},
            "parent": parent,
            "state": stored["state"] if stored else first,
        }

    def _start(self, method: Method, services: list[str]) -> dict[str, Any]:
        if not 1 <= len(services) <= 20:
            raise invalid_argument(f"service_ids has {len(services)} entries, expected 1 to 20.")
        for service in services:
            self._render(service)
        return self._operations.start(
            method.id,
            f"operations/acf.p2-{self._settings.project_number}-{uuid.uuid4()}",
            kind=_SERVICE_OPERATION,
            metadata=_EMPTY_METADATA,
            payload={"verb": method.verb, "services": services},
            seconds=_ENABLE_SECONDS,
        )

    def _finish(self, operation: Operation) -> dict[str, Any]:
        verb = operation.payload["verb"]
        state = "DISABLED" if verb == "disable" else "ENABLED"
        for service in operation.payload["services"]:
            self._store.put(f"serviceusage/services/{service}", "serviceusage/services", {"state": state})
        rendered = [self._render(service) for service in operation.payload["services"]]
        kind = {"enable": "EnableService", "disable": "DisableService", "batchEnable": "BatchEnableServices"}[verb]
        content = {"services": rendered} if verb == "batchEnable" else {"service": rendered[0]}
        return {"@type": f"type.googleapis.com/google.api.serviceusage.v1.{kind}Response", **content}


class ResourceManager:
    """The project itself, its IAM policy, and what the caller may do in it."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, policies: Policies, access: Access) -> None:
        """Know one project, made when its state was; `policies` holds its policy, `access` decides by it."""
        self._settings = settings
        self._policies = policies
        self._access = access
        created = store.get_value("project_created")
        if created is None:
            created = clock.timestamp()
            store.set_value("project_created", created)
        self._created: str = created

    async def handle(
        self, _request: Request, principal: str, method: Method, parameters: dict[str, str], body: Any
    ) -> dict[str, Any]:
        """Answer one request. Raises ApiError."""
        recent = method.path.startswith("v3/")
        match method.id:
            case "cloudresourcemanager.projects.list" | "cloudresourcemanager.projects.search":
                return {"projects": [self._render(recent)]}
        named = parameters.get("projectId") or parameters.get("resource") or parameters.get("name") or ""
        if not named.startswith(("folders/", "organizations/")):
            require_project(self._settings, named.removeprefix("projects/"))
        match method.id:
            case "cloudresourcemanager.projects.get":
                return self._render(recent)
            case "cloudresourcemanager.projects.testIamPermissions":
                permissions = self._access.granted(principal, body.get("permissions", []))
                return {"permissions": permissions} if permissions else {}
            case "cloudresourcemanager.projects.getIamPolicy":
                return self._policies.get(PROJECT_POLICY, policy_version({}, body))
            case "cloudresourcemanager.projects.setIamPolicy":
                self._access.require(
                    principal, "resourcemanager.projects.setIamPolicy", f"projects/{self._settings.project}"
                )
                return self._policies.set(PROJECT_POLICY, body.get("policy", {}))
            case "cloudresourcemanager.projects.getAncestry":
                return {"ancestor": [{"resourceId": {"type": "project", "id": self._settings.project}}]}
        raise NotServedError(method.id)

    def _render(self, recent: bool) -> dict[str, Any]:
        project, number = self._settings.project, self._settings.project_number
        if recent:
            return {
                "name": f"projects/{number}",
                "projectId": project,
                "state": "ACTIVE",
                "displayName": project,
                "createTime": self._created,
                "updateTime": self._created,
                "etag": _etag({"projectId": project}),
            }
        return {
            "projectNumber": number,
            "projectId": project,
            "lifecycleState": "ACTIVE",
            "name": project,
            "createTime": self._created,
        }


def _etag(content: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return base64.b64encode(digest[:8]).decode()
