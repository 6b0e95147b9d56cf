"""Secrets: what versions belong to, with labels, replication and aliases."""

from __future__ import annotations

import re
from typing import Any

from localcloud.clock import Clock
from localcloud.errors import already_exists, invalid_argument, not_found
from localcloud.iam.policies import Policies
from localcloud.names import camel_case
from localcloud.secretmanager.names import SecretName, new_etag, require_etag
from localcloud.store import Store

COLLECTION = "secretmanager/secrets"
_ID = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_CHANGEABLE = ("annotations", "labels", "rotation", "topics", "versionAliases")
# What would have to happen by itself at some time; refused rather than forgotten.
_NOT_EMULATED = ("customerManagedEncryption", "expireTime", "ttl", "versionDestroyTtl")


class Secrets:
    """Create, read, change and delete secrets. A stored row holds the resource and the number of its last version."""

    def __init__(self, store: Store, policies: Policies, clock: Clock) -> None:
        """Keep secrets in `store`; `policies` holds their IAM policies."""
        self._store = store
        self._policies = policies
        self._clock = clock

    def create(self, name: SecretName, body: dict[str, Any]) -> dict[str, Any]:
        """Create a secret without versions. Raises ApiError 400 or 409."""
        if not _ID.fullmatch(name.secret):
            raise invalid_argument(
                f"The provided Secret ID [{name.secret}] does not match the expected format [[a-zA-Z_0-9-]+]"
            )
        _check(body)
        _check_replication(body.get("replication"))
        if body.get("versionAliases"):
            raise invalid_argument("A new secret has no versions for version_aliases to refer to.")
        given = {field: body[field] for field in (*_CHANGEABLE, "replication", "secretType") if body.get(field)}
        resource = {"name": str(name), "createTime": self._clock.timestamp(), **given, "etag": new_etag()}
        if not self._store.create(key_of(name), COLLECTION, {"resource": resource, "last_version": 0}):
            raise already_exists(f"Secret [{name}] already exists.")
        return resource

    def get(self, name: SecretName) -> dict[str, Any]:
        """Return a secret. Raises ApiError 404."""
        return self.require(name)["resource"]

    def list(self) -> list[dict[str, Any]]:
        """Return all secrets in order of their ids."""
        return [row["resource"] for _key, row in self._store.list(COLLECTION)]

    def patch(self, name: SecretName, body: dict[str, Any], mask: str | None) -> dict[str, Any]:
        """Change the masked fields. Raises ApiError 400 or 404."""
        row = self.require(name)
        require_etag(body.get("etag"), row["resource"]["etag"])
        fields = [camel_case(path.strip()) for path in (mask or "").split(",") if path.strip()]
        unknown = [field for field in fields if field not in (*_CHANGEABLE, "etag")]
        if not fields or unknown:
            what = f"Invalid update_mask: {', '.join(unknown)}" if unknown else "The update_mask is empty"
            raise invalid_argument(f"{what}; expected one or more of: {', '.join(_CHANGEABLE)}.")
        _check({field: value for field, value in body.items() if field in fields})
        self._check_aliases(row, body.get("versionAliases", {}) if "versionAliases" in fields else {})
        kept = {field: value for field, value in row["resource"].items() if field not in fields}
        given = {field: body[field] for field in fields if body.get(field) and field != "etag"}
        return self.save(name, {**row, "resource": {**kept, **given, "etag": new_etag()}})

    def delete(self, name: SecretName, etag: str | None) -> None:
        """Delete a secret and its policy. Raises ApiError 400 or 404."""
        require_etag(etag, self.get(name)["etag"])
        self._store.delete(key_of(name))
        self._policies.delete(policy_of(name))

    def require(self, name: SecretName) -> dict[str, Any]:
        """Return the stored row of a secret. Raises ApiError 404."""
        row = self._store.get(key_of(name))
        if row is None:
            raise not_found(f"Secret [projects/{name.project}/secrets/{name.secret}] not found.")
        return row

    def save(self, name: SecretName, row: dict[str, Any]) -> dict[str, Any]:
        """Replace the stored row of a secret; return its resource."""
        self._store.put(key_of(name), COLLECTION, row)
        return row["resource"]

    @staticmethod
    def _check_aliases(row: dict[str, Any], aliases: dict[str, str]) -> None:
        for alias, version in aliases.items():
            if alias == "latest" or alias.isdigit() or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", alias):
                raise invalid_argument(f"The version alias [{alias}] is not valid: a letter first, and not 'latest'.")
            if not 1 <= int(version) <= row["last_version"]:
                raise invalid_argument(
                    f"The version alias [{alias}] refers to version {version}, which does not exist."
                )


def key_of(name: SecretName) -> str:
    """Return the key of a secret's row."""
    return f"{COLLECTION}/{name.secret}"


def policy_of(name: SecretName) -> str:
    """Return the key of a secret's IAM policy."""
    return f"{COLLECTION}/{name.secret}/policy"


def _check(body: dict[str, Any]) -> None:
    for field in _NOT_EMULATED:
        if body.get(field):
            raise invalid_argument(f"localcloud does not serve {field} of secrets.")
    labels = body.get("labels", {})
    if len(labels) > 64:
        raise invalid_argument(f"A secret has {len(labels)} labels, expected at most 64.")
    for key, value in labels.items():
        well_formed = (text == text.lower() and re.fullmatch(r"[\w-]{0,63}", text) for text in (key, value))
        if not key[:1].isalpha() or not all(well_formed):
            raise invalid_argument(f"The label [{key}: {value}] is not valid: lower-case letters, digits, '_' and '-'.")


def _check_replication(replication: dict[str, Any] | None) -> None:
    kinds = [kind for kind in ("automatic", "userManaged") if kind in (replication or {})]
    if len(kinds) != 1 or (kinds == ["userManaged"] and not replication["userManaged"].get("replicas")):
        raise invalid_argument("Secret.replication must be given: automatic, or userManaged with replicas.")
