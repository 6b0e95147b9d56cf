"""Versions of secrets: added, read, disabled, enabled, and destroyed for good."""

from __future__ import annotations

import base64
from typing import Any

import google_crc32c

from localcloud.clock import Clock
from localcloud.errors import ApiError, invalid_argument, not_found
from localcloud.scalars import decode_bytes
from localcloud.secretmanager.names import SecretName, new_etag, require_etag
from localcloud.secretmanager.payloads import Payloads
from localcloud.secretmanager.secrets import COLLECTION, Secrets, key_of
from localcloud.store import Store

LARGEST_PAYLOAD = 64 * 1024
ENABLED, DISABLED, DESTROYED = "ENABLED", "DISABLED", "DESTROYED"


class Versions:
    """The versions of all secrets. A stored row holds the resource and the id of its payload, None once destroyed."""

    def __init__(self, store: Store, payloads: Payloads, secrets: Secrets, clock: Clock) -> None:
        """Keep versions in `store` and what they hold in `payloads`; what no version refers to is deleted."""
        self._store = store
        self._payloads = payloads
        self._secrets = secrets
        self._clock = clock
        payloads.sweep(self._referred())

    def add(self, name: SecretName, body: dict[str, Any]) -> dict[str, Any]:
        """Add a version: whole, or not at all. Raises ApiError 400 or 404, OSError when the disk is full."""
        payload = body.get("payload", {})
        data = decode_bytes(payload.get("data", ""))
        self._secrets.require(name)
        if not data:
            raise invalid_argument("Secret Payload cannot be empty.")
        if len(data) > LARGEST_PAYLOAD:
            raise invalid_argument(
                f"The payload has {len(data)} bytes, which is more than the maximum of {LARGEST_PAYLOAD} bytes."
            )
        given = payload.get("dataCrc32c")
        if given is not None and int(given) != google_crc32c.value(data):
            raise invalid_argument(
                f"The checksum data_crc32c {given} does not match the payload's {google_crc32c.value(data)}: "
                "the payload was damaged on its way."
            )
        identifier = self._payloads.write(data)
        try:
            with self._store.transaction():
                return self._insert(name, identifier, checked=given is not None)
        except BaseException:
            self._payloads.discard(identifier)
            raise

    def get(self, name: SecretName) -> dict[str, Any]:
        """Return a version by its number, an alias, or `latest` (the newest, in any state). Raises ApiError 404."""
        return self._require(name)["resource"]

    def list(self, name: SecretName) -> list[dict[str, Any]]:
        """Return the versions of a secret, newest first. Raises ApiError 404."""
        self._secrets.require(name)
        return [row["resource"] for _key, row in reversed(self._store.list(_collection(name)))]

    def access(self, name: SecretName) -> dict[str, Any]:
        """Return the payload of an enabled version. Raises ApiError 400 or 404."""
        row = self._require(name)
        resource = row["resource"]
        if resource["state"] != ENABLED:
            raise _wrong_state(resource)
        data = self._payloads.read(row["payload"])
        encoded = base64.b64encode(data).decode()
        return {
            "name": resource["name"],
            "payload": {"data": encoded, "dataCrc32c": str(google_crc32c.value(data))},
        }

    def set_state(self, name: SecretName, state: str, etag: str | None) -> dict[str, Any]:
        """Enable, disable or destroy a version; a destroyed one stays so. Raises ApiError 400 or 404."""
        row = self._require(name)
        resource, payload = row["resource"], row["payload"]
        require_etag(etag, resource["etag"])
        if resource["state"] == DESTROYED:
            raise _wrong_state(resource)
        # Also a change to the state it has is a change: it gets a new etag.
        changed = {**resource, "state": state, "etag": new_etag()}
        if state == DESTROYED:
            changed["destroyTime"] = self._clock.timestamp()
        kept = None if state == DESTROYED else payload
        self._put(name, int(resource["name"].rpartition("/")[2]), {"resource": changed, "payload": kept})
        if state == DESTROYED:
            self._payloads.discard(payload)
        return changed

    def _insert(self, name: SecretName, payload: str, *, checked: bool) -> dict[str, Any]:
        secret = self._secrets.require(name)
        number = secret["last_version"] + 1
        self._secrets.save(name, {**secret, "last_version": number})
        resource = {
            "name": f"{secret['resource']['name']}/versions/{number}",
            "createTime": self._clock.timestamp(),
            "state": ENABLED,
            "replicationStatus": _replication_status(secret["resource"]["replication"]),
            "etag": new_etag(),
            **({"clientSpecifiedPayloadChecksum": True} if checked else {}),
        }
        self._put(name, number, {"resource": resource, "payload": payload})
        return resource

    def _require(self, name: SecretName) -> dict[str, Any]:
        secret = self._secrets.require(name)
        aliases = {"latest": str(secret["last_version"]), **secret["resource"].get("versionAliases", {})}
        number = aliases.get(name.version, name.version)
        row = self._store.get(_key(name, int(number))) if number.isdecimal() else None
        if row is None:
            raise not_found(f"Secret Version [{name}] not found.")
        return row

    def _put(self, name: SecretName, number: int, row: dict[str, Any]) -> None:
        self._store.put(_key(name, number), _collection(name), row)

    def delete_all(self, name: SecretName) -> list[str]:
        """Delete the versions of a secret; return the ids of their payloads, to be discarded after the commit."""
        rows = self._store.list(_collection(name))
        for key, _row in rows:
            self._store.delete(key)
        return [row["payload"] for _key, row in rows if row["payload"]]

    def _referred(self) -> set[str]:
        """Return the ids of all payloads that a version has; versions whose secret is gone count no more."""
        found = set()
        for key, _row in self._store.list(COLLECTION):
            found |= {row["payload"] for _number, row in self._store.list(f"{key}/versions") if row["payload"]}
        return found


def _collection(name: SecretName) -> str:
    return f"{key_of(name)}/versions"


def _key(name: SecretName, number: int) -> str:
    # Keys sort as text.
    return f"{_collection(name)}/{number:010d}"


def _replication_status(replication: dict[str, Any]) -> dict[str, Any]:
    if "automatic" in replication:
        return {"automatic": {}}
    replicas = replication["userManaged"]["replicas"]
    return {"userManaged": {"replicas": [{"location": replica["location"]} for replica in replicas]}}


def _wrong_state(resource: dict[str, Any]) -> ApiError:
    return ApiError(400, f"Secret Version [{resource['name']}] is in {resource['state']} state.", "FAILED_PRECONDITION")
