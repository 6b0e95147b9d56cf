"""IAM policies of any resource: read, replaced under their etag, checked as Google checks them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from localcloud.errors import ApiError, invalid_argument
from localcloud.store import Store

# What Google answers as etag of a policy that was never set.
EMPTY_ETAG = "ACAB"
# Conditions are only shown to, and taken from, those who say that they know them.
CONDITIONS_VERSION = 3
_COLLECTION = "iam/policies"
_EMAIL = r"[^@\s:]+@[^@\s:]+"
_MEMBER = re.compile(
    rf"allUsers|allAuthenticatedUsers|(?:user|group|serviceAccount):{_EMAIL}|domain:\S+"
    r"|serviceAccount:\S+\.svc\.id\.goog\[\S+\]|(?:projectOwner|projectEditor|projectViewer):\S+"
    r"|deleted:\S+\?uid=\d+|principal(?:Set)?://\S+"
)

Binding = dict[str, Any]


class Policies:
    """The policies of one instance, by a key that the owner of the resource chooses."""

    def __init__(self, store: Store, account_exists: Callable[[str], bool], role_exists: Callable[[str], bool]) -> None:
        """Keep policies in `store`; the two functions know which service accounts and roles a binding may name."""
        self._store = store
        self._account_exists = account_exists
        self._role_exists = role_exists

    def bindings(self, key: str) -> list[Binding]:
        """Return the bindings of a resource, with their conditions."""
        return self._stored(key).get("bindings", [])

    def get(self, key: str, requested_version: int = 1) -> dict[str, Any]:
        """Return the policy as Google answers it; below version 3 conditional roles get a name nobody can mistake."""
        return _render(self._stored(key), requested_version)

    def set(self, key: str, policy: dict[str, Any]) -> dict[str, Any]:
        """Replace a policy. Raises ApiError 400, or 409 when its etag is not the current one."""
        stored = self._stored(key)
        if policy.get("etag") and not same_etag(policy["etag"], _etag(stored)):
            raise ApiError(
                409,
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                "backoff.",
                "ABORTED",
            )
        bindings = self._checked(policy)
        changed = {"bindings": bindings, "revision": stored.get("revision", 0) + 1}
        if policy.get("auditConfigs"):
            changed["auditConfigs"] = policy["auditConfigs"]
        self._store.put(key, _COLLECTION, changed)
        return _render(changed, CONDITIONS_VERSION)

    def delete(self, key: str) -> None:
        """Forget the policy of a resource that is gone."""
        self._store.delete(key)

    def retire(self, member: str, retired: str) -> None:
        """Rename a member everywhere: an account made later under the same address inherits nothing."""
        with self._store.transaction():
            for key, stored in self._store.list(_COLLECTION):
                found = False
                for binding in stored.get("bindings", []):
                    found = found or member in binding["members"]
                    binding["members"] = [retired if one == member else one for one in binding["members"]]
                if found:
                    self._store.put(key, _COLLECTION, {**stored, "revision": stored.get("revision", 0) + 1})

    def _stored(self, key: str) -> dict[str, Any]:
        return self._store.get(key) or {}

    def _checked(self, policy: dict[str, Any]) -> list[Binding]:
        """Return the bindings with each (role, condition) once; raises ApiError 400."""
        merged: dict[str, Binding] = {}
        for binding in policy.get("bindings", []):
            role, members = binding.get("role", ""), binding.get("members", [])
            if not self._role_exists(role):
                raise invalid_argument(f"Role {role} is not supported for this resource.")
            if binding.get("condition") and policy.get("version", 1) < CONDITIONS_VERSION:
                raise invalid_argument(
                    f"The policy has a conditional binding of {role}; a policy with conditions must have version 3."
                )
            for member in members:
                self._check_member(member)
            kept = {"role": role, "members": [], **_only(binding, "condition")}
            place = merged.setdefault(json.dumps([role, binding.get("condition")], sort_keys=True), kept)
            place["members"] += [member for member in members if member not in place["members"]]
        return [binding for binding in merged.values() if binding["members"]]

    def _check_member(self, member: str) -> None:
        if not _MEMBER.fullmatch(member):
            raise invalid_argument(
                f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
            )
        kind, _, address = member.partition(":")
        if kind == "serviceAccount" and not self._account_exists(address):
            raise invalid_argument(f"Service account {address} does not exist.")


def policy_version(query: dict[str, Any], body: dict[str, Any] | None = None) -> int:
    """Return the version a reader asks for: a query parameter, or for methods that are POSTed a field of the body."""
    asked = query.get("options.requestedPolicyVersion") or (body or {}).get("options", {}).get("requestedPolicyVersion")
    return int(asked or 1)


def same_etag(given: str, current: str) -> bool:
    """Return whether two etags are the same bytes: gcloud sends back the other alphabet of base64."""
    return given.replace("-", "+").replace("_", "/") == current


def _render(stored: dict[str, Any], requested_version: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"etag": _etag(stored)}
    if not stored:
        return answer
    bindings = stored.get("bindings", [])
    conditional = any(binding.get("condition") for binding in bindings)
    shown = requested_version if conditional and requested_version >= CONDITIONS_VERSION else 1
    if conditional and shown < CONDITIONS_VERSION:
        bindings = [_without_condition(binding) for binding in bindings]
    answer = {"version": shown, **answer, **_only(stored, "auditConfigs")}
    return {**answer, "bindings": bindings} if bindings else answer


def _without_condition(binding: Binding) -> Binding:
    if not binding.get("condition"):
        return binding
    digest = hashlib.sha256(json.dumps(binding["condition"], sort_keys=True).encode()).hexdigest()
    return {"role": f"{binding['role']}_withcond_{digest[:20]}", "members": binding["members"]}


def _only(source: dict[str, Any], field: str) -> dict[str, Any]:
    return {field: source[field]} if source.get(field) else {}


def _etag(stored: dict[str, Any]) -> str:
    if not stored:
        return EMPTY_ETAG
    digest = hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).digest()
    return base64.b64encode(b"\x07" + digest[:7]).decode()
