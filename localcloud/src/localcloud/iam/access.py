"""Who may do what: the local cloud's own principal is the owner, everybody else needs a binding."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.errors import ApiError
from localcloud.iam.policies import Policies
from localcloud.iam.roles import OWNER, Roles
from localcloud.settings import Settings

# Key of the project's own policy among the stored ones.
PROJECT_POLICY = "cloudresourcemanager/policy"
# Permissions that are checked. All others are still everybody's: see the table of what localcloud enforces.
ENFORCED = ("secretmanager.", "iam.", "resourcemanager.projects.setIamPolicy")


class Access:
    """Decides by the policies of a resource and of its project; bindings with a condition grant nothing here."""

    def __init__(self, settings: Settings, policies: Policies, roles: Roles) -> None:
        """Know the owner, the policies and what roles permit."""
        self._owner = settings.service_account_email
        self._policies = policies
        self._roles = roles

    def allows(self, principal: str, permission: str, *resources: str) -> bool:
        """Return whether `principal` has `permission` on a resource, given the keys of the policies that apply to it.

        The project's own policy always applies.
        """
        if not permission.startswith(ENFORCED):
            return True
        if principal == self._owner and self._roles.permits(OWNER, permission):
            return True
        names = {f"serviceAccount:{principal}", f"user:{principal}", "allUsers", "allAuthenticatedUsers"}
        return any(
            not names.isdisjoint(binding["members"]) and self._roles.permits(binding["role"], permission)
            for resource in (*resources, PROJECT_POLICY)
            for binding in self._policies.bindings(resource)
            if not binding.get("condition")
        )

    def require(self, principal: str, permission: str, asked: str, *resources: str) -> None:
        """Refuse who may not, naming the resource as `asked` for: a missing one cannot be told from a closed one.

        Raises ApiError 403.
        """
        if not self.allows(principal, permission, *resources):
            raise ApiError(403, f"Permission '{permission}' denied for resource '{asked}' (or it may not exist).")

    def granted(self, principal: str, permissions: Iterable[str], *resources: str) -> list[str]:
        """Return those of `permissions` that the principal has: what testIamPermissions answers."""
        return [permission for permission in permissions if self.allows(principal, permission, *resources)]
