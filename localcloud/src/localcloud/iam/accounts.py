"""Service accounts: those of the instance itself, and those that clients create."""

from __future__ import annotations

import base64
import re
import secrets
from typing import Any

from localcloud.errors import ApiError, already_exists, invalid_argument, not_found
from localcloud.settings import Settings
from localcloud.store import Store

_COLLECTION = "iam/serviceAccounts"
_ID = re.compile(r"[a-z](?=.{5,29}$)[-a-z0-9]*[a-z0-9]")
_FIELDS = ("displayName", "description")
_LONGEST = {"displayName": 100, "description": 256}


class Accounts:
    """The service accounts of one project."""

    def __init__(self, settings: Settings, store: Store, unique_id: str) -> None:
        """Keep accounts in `store`; `unique_id` is the number of the instance's own account."""
        self._settings = settings
        self._store = store
        compute = f"{settings.project_number}-compute@developer.gserviceaccount.com"
        self._own = {
            settings.service_account_email: self._account(settings.service_account_email, unique_id, "localcloud"),
            compute: self._account(compute, f"1{settings.project_number:0>20}", "Compute Engine default"),
        }

    def exists(self, email: str) -> bool:
        """Return whether a policy may name an account: accounts of other projects are taken on trust."""
        if not email.endswith((f"@{self._settings.project}.iam.gserviceaccount.com", "@developer.gserviceaccount.com")):
            return True
        return self.find(email) is not None

    def find(self, identifier: str) -> dict[str, Any] | None:
        """Return an account by its address or its unique id, or None."""
        if "@" in identifier:
            return self._own.get(identifier) or self._store.get(f"{_COLLECTION}/{identifier}")
        return next((account for account in self.list() if account["uniqueId"] == identifier), None)

    def get(self, name: str) -> dict[str, Any]:
        """Return the account of a resource name. Raises ApiError 404."""
        account = self.find(name.rpartition("/")[2])
        if account is None:
            raise not_found("Unknown service account")
        return account

    def list(self) -> list[dict[str, Any]]:
        """Return all accounts in order of their addresses."""
        found = {**self._own, **{body["email"]: body for _key, body in self._store.list(_COLLECTION)}}
        return [found[email] for email in sorted(found)]

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create an account from a CreateServiceAccountRequest. Raises ApiError 400 or 409."""
        identifier = body.get("accountId", "")
        if not _ID.fullmatch(identifier):
            raise invalid_argument(
                f"Invalid account id '{identifier}': expected 6 to 30 characters matching [a-z]([-a-z0-9]*[a-z0-9])."
            )
        email = f"{identifier}@{self._settings.project}.iam.gserviceaccount.com"
        account = self._account(email, f"1{secrets.randbelow(10**20):020d}")
        account |= _checked(body.get("serviceAccount", {}))
        if email in self._own or not self._store.create(f"{_COLLECTION}/{email}", _COLLECTION, account):
            raise already_exists(
                f"Service account {identifier} already exists within project projects/{self._settings.project}."
            )
        return account

    def patch(self, name: str, given: dict[str, Any], fields: set[str] | None) -> dict[str, Any]:
        """Change the given fields (None: both) and return the whole account. Raises ApiError 400 or 404."""
        account = self._require_writable(name)
        unknown = (fields or set()) - set(_FIELDS)
        if unknown:
            raise invalid_argument(f"Invalid field mask: {', '.join(sorted(unknown))}")
        changed = _checked(given)
        for field in fields if fields is not None else _FIELDS:
            account.pop(field, None)
            account |= {field: changed[field]} if changed.get(field) else {}
        return self._save(account)

    def set_disabled(self, name: str, *, disabled: bool) -> None:
        """Disable or enable an account. Raises ApiError 400 or 404."""
        account = self._require_writable(name)
        account.pop("disabled", None)
        self._save({**account, **({"disabled": True} if disabled else {})})

    def delete(self, name: str) -> dict[str, Any]:
        """Delete an account and return what it was. Raises ApiError 400 or 404."""
        account = self._require_writable(name)
        self._store.delete(f"{_COLLECTION}/{account['email']}")
        return account

    def _require_writable(self, name: str) -> dict[str, Any]:
        account = self.get(name)
        if account["email"] in self._own:
            raise ApiError(
                400, f"localcloud: {account['email']} is its own and cannot be changed.", "FAILED_PRECONDITION"
            )
        return account

    def _save(self, account: dict[str, Any]) -> dict[str, Any]:
        account = {**account, "etag": _etag()}
        self._store.put(f"{_COLLECTION}/{account['email']}", _COLLECTION, account)
        return account

    def _account(self, email: str, unique_id: str, display_name: str = "") -> dict[str, Any]:
        return {
            "name": f"projects/{self._settings.project}/serviceAccounts/{email}",
            "projectId": self._settings.project,
            "uniqueId": unique_id,
            "email": email,
            "etag": _etag(),
            "oauth2ClientId": unique_id,
            **({"displayName": display_name} if display_name else {}),
        }


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a caller may set. Raises ApiError 400 for one that is too long."""
    for field, longest in _LONGEST.items():
        if len(given.get(field, "").encode()) > longest:
            raise invalid_argument(f"The {field} has {len(given[field].encode())} bytes, expected at most {longest}.")
    return {field: given[field] for field in _FIELDS if given.get(field)}


def _etag() -> str:
    return base64.b64encode(b"\x07" + secrets.token_bytes(7)).decode()
