"""What roles permit: the predefined ones that the local cloud enforces, and the project's custom roles."""

from __future__ import annotations

import base64
import fnmatch
import re
import secrets
from typing import Any

from localcloud.errors import ApiError, already_exists, invalid_argument, not_found
from localcloud.iam.policies import same_etag
from localcloud.settings import Settings
from localcloud.store import Store

_COLLECTION = "iam/roles"
_ID = re.compile(r"[a-zA-Z0-9_.]{3,64}")
_READ_SECRETS = (
    "secretmanager.secrets.get",
    "secretmanager.secrets.list",
    "secretmanager.versions.get",
    "secretmanager.versions.list",
)
_READ_ACCOUNTS = ("iam.serviceAccounts.get", "iam.serviceAccounts.list")
_MANAGE_VERSIONS = tuple(
    f"secretmanager.versions.{verb}" for verb in ("add", "destroy", "disable", "enable", "get", "list")
)
OWNER = "roles/owner"
# Owning a project does not include acting as its accounts: that is granted for each of them.
_NOT_THE_OWNERS = frozenset({"iam.serviceAccounts.getAccessToken"})
# Permissions by role, as patterns. The basic roles read no payload, but for the owner's: a node whose account is an
# editor still needs to be granted the secrets it may read.
PREDEFINED: dict[str, tuple[str, ...]] = {
    OWNER: ("*",),
    "roles/editor": (
        *_READ_SECRETS,
        *_READ_ACCOUNTS,
        *_MANAGE_VERSIONS,
        "secretmanager.secrets.create",
        "secretmanager.secrets.delete",
        "secretmanager.secrets.update",
        "iam.roles.get",
        "iam.roles.list",
        "iam.serviceAccounts.actAs",
        "iam.serviceAccounts.create",
        "iam.serviceAccounts.delete",
        "iam.serviceAccounts.disable",
        "iam.serviceAccounts.enable",
        "iam.serviceAccounts.update",
    ),
    "roles/viewer": (*_READ_SECRETS, *_READ_ACCOUNTS, "iam.roles.get", "iam.roles.list"),
    "roles/secretmanager.admin": ("secretmanager.*",),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add",),
    "roles/secretmanager.secretVersionManager": _MANAGE_VERSIONS,
    "roles/secretmanager.viewer": (*_READ_SECRETS, "secretmanager.secrets.getIamPolicy"),
    "roles/iam.roleAdmin": ("iam.roles.*",),
    "roles/iam.securityAdmin": ("*.getIamPolicy", "*.setIamPolicy"),
    "roles/iam.serviceAccountAdmin": (
        *_READ_ACCOUNTS,
        *(
            f"iam.serviceAccounts.{verb}"
            for verb in ("create", "delete", "disable", "enable", "getIamPolicy", "setIamPolicy", "update")
        ),
    ),
    "roles/iam.serviceAccountTokenCreator": (*_READ_ACCOUNTS, "iam.serviceAccounts.getAccessToken"),
    "roles/iam.serviceAccountUser": (*_READ_ACCOUNTS, "iam.serviceAccounts.actAs"),
    "roles/iam.serviceAccountViewer": (*_READ_ACCOUNTS, "iam.serviceAccounts.getIamPolicy"),
    "roles/resourcemanager.projectIamAdmin": (
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    ),
}


class Roles:
    """The roles of one project. Custom roles that were deleted stay for a while on Google, and here for good."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Keep custom roles in `store`."""
        self._settings = settings
        self._store = store

    def permits(self, role: str, permission: str) -> bool:
        """Return whether `role` contains `permission`; roles that are not known here contain nothing."""
        if role == OWNER and permission in _NOT_THE_OWNERS:
            return False
        if role in PREDEFINED:
            return any(fnmatch.fnmatchcase(permission, pattern) for pattern in PREDEFINED[role])
        custom = self._find(role)
        return custom is not None and not custom.get("deleted") and permission in custom.get("includedPermissions", [])

    def can_be_bound(self, role: str) -> bool:
        """Return whether a policy may name `role`: a predefined one, known here or not, or a custom one that exists."""
        if role.startswith("roles/"):
            return bool(role.removeprefix("roles/"))
        found = self._find(role)
        return found is not None and not found.get("deleted")

    def create(self, parent: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a custom role from a CreateRoleRequest. Raises ApiError 400 or 409."""
        identifier = body.get("roleId", "")
        if not _ID.fullmatch(identifier):
            raise invalid_argument(
                f"The role_id {identifier!r} is not valid: expected 3 to 64 letters, digits, '_' and '.'."
            )
        existing = self._store.get(f"{_COLLECTION}/{identifier}")
        name = f"projects/{self._settings.project}/roles/{identifier}"
        if existing is not None and existing.get("deleted"):
            raise ApiError(
                400,
                f"You can't create a role with role_id ({identifier}) where there is an existing role with that "
                "role_id in a deleted state.",
                "FAILED_PRECONDITION",
            )
        role = {**_writable(body.get("role", {})), "name": name, "etag": _etag()}
        role.setdefault("stage", "ALPHA")
        if not self._store.create(f"{_COLLECTION}/{identifier}", _COLLECTION, role):
            raise already_exists(f"A role named {identifier} in {parent} already exists.")
        return _rendered(role)

    def get(self, name: str) -> dict[str, Any]:
        """Return a custom role, also a deleted one. Raises ApiError 404."""
        return _rendered(self._require(name))

    def list(self, *, show_deleted: bool, full: bool) -> list[dict[str, Any]]:
        """Return the custom roles in order of their ids; permissions only when `full`."""
        roles = [_rendered(role) for _key, role in self._store.list(_COLLECTION)]
        shown = [role for role in roles if show_deleted or not role.get("deleted")]
        return shown if full else [_without(role, "includedPermissions") for role in shown]

    def patch(self, name: str, body: dict[str, Any], mask: str | None) -> dict[str, Any]:
        """Change the masked fields, or those given. Raises ApiError 400, 404, or 409 for an outdated etag."""
        role = self._require(name)
        self._check_etag(role, body.get("etag"))
        given = _writable(body)
        fields = {_field(path) for path in mask.split(",")} if mask else set(given)
        unknown = fields - set(_FIELDS)
        if unknown:
            raise invalid_argument(f"Invalid field mask: {', '.join(sorted(unknown))}")
        changed = {**_without(role, *fields), **{field: given[field] for field in fields if field in given}}
        return self._save({**changed, "etag": _etag()})

    def set_deleted(self, name: str, *, deleted: bool, etag: str | None) -> dict[str, Any]:
        """Delete or restore a role. Raises ApiError 400, 404 or 409."""
        role = self._require(name)
        self._check_etag(role, etag)
        if bool(role.get("deleted")) == deleted:
            state = "already deleted" if deleted else "not in a deleted state"
            raise ApiError(400, f"The role named {role['name']} is {state}.", "FAILED_PRECONDITION")
        return self._save({**_without(role, "deleted"), **({"deleted": True} if deleted else {}), "etag": _etag()})

    def _save(self, role: dict[str, Any]) -> dict[str, Any]:
        self._store.put(f"{_COLLECTION}/{role['name'].rpartition('/')[2]}", _COLLECTION, role)
        return _rendered(role)

    def _find(self, name: str) -> dict[str, Any] | None:
        prefix, _, identifier = name.rpartition("/")
        if prefix not in (
            f"projects/{self._settings.project}/roles",
            f"projects/{self._settings.project_number}/roles",
        ):
            return None
        return self._store.get(f"{_COLLECTION}/{identifier}")

    def _require(self, name: str) -> dict[str, Any]:
        role = self._find(name)
        if role is None:
            raise not_found(f"The role named {name} was not found.")
        return role

    @staticmethod
    def _check_etag(role: dict[str, Any], given: str | None) -> None:
        if given and not same_etag(given, role["etag"]):
            raise ApiError(409, "There were concurrent changes of the role. Read it again and retry.", "ABORTED")


_FIELDS = ("title", "description", "includedPermissions", "stage")


def _writable(body: dict[str, Any]) -> dict[str, Any]:
    return {field: body[field] for field in _FIELDS if field in body}


def _field(path: str) -> str:
    return "includedPermissions" if path.strip() in ("included_permissions", "includedPermissions") else path.strip()


def _without(role: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in role.items() if key not in fields}


def _rendered(role: dict[str, Any]) -> dict[str, Any]:
    """Return a role as Google answers it: a stage of ALPHA, the default, is left out."""
    return _without(role, "stage") if role.get("stage") == "ALPHA" else role


def _etag() -> str:
    return base64.b64encode(b"\x07" + secrets.token_bytes(7)).decode()
