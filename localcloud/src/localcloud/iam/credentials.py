"""The IAM Credentials service: short-lived tokens of service accounts, for whoever was granted to make them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from localcloud.clock import Clock
from localcloud.discovery import Method
from localcloud.errors import ApiError, NotServedError, invalid_argument
from localcloud.iam.access import Access
from localcloud.iam.accounts import Accounts
from localcloud.iam.service import account_policy
from localcloud.tokens import LIFETIME, Tokens


class IamCredentials:
    """Serves `iamcredentials` v1: impersonation, and what google-auth asks in the background."""

    def __init__(self, accounts: Accounts, access: Access, tokens: Tokens, clock: Clock) -> None:
        """Issue `tokens` for `accounts` to those whom `access` lets."""
        self._accounts = accounts
        self._access = access
        self._tokens = tokens
        self._clock = clock

    async def handle(
        self, _request: Any, principal: str, method: Method, parameters: dict[str, str], body: Any
    ) -> dict[str, Any]:
        """Answer one request. Raises ApiError."""
        identifier = parameters["name"].rpartition("/")[2]
        if method.id == "iamcredentials.projects.serviceAccounts.getAllowedLocations":
            if identifier != "default":
                self._require(identifier)
            # No regional access boundary.
            return {"locations": [], "encodedLocations": "0x0"}
        if method.id == "iamcredentials.projects.serviceAccounts.generateAccessToken":
            return self._token(principal, identifier, body)
        raise NotServedError(method.id)

    def _token(self, principal: str, identifier: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return a token; it lives an hour, however short a time was asked for."""
        account = self._accounts.find(identifier)
        permission = "iam.serviceAccounts.getAccessToken"
        keys = (account_policy(account["email"]),) if account else ()
        if not self._access.allows(principal, permission, *keys):
            raise ApiError(403, f"Permission '{permission}' denied on resource (or it may not exist).")
        account = self._require(identifier)
        if account.get("disabled"):
            raise ApiError(400, f"Service account {account['email']} is disabled.", "FAILED_PRECONDITION")
        if not body.get("scope"):
            raise invalid_argument("Scope required.")
        expires = self._clock.now() + timedelta(seconds=LIFETIME)
        return {
            "accessToken": self._tokens.issue(account["email"], " ".join(body["scope"])),
            # Google's clients parse this one without fractions of a second.
            "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _require(self, identifier: str) -> dict[str, Any]:
        account = self._accounts.find(identifier)
        if account is None:
            raise ApiError(404, f"Not found; Gaia id not found for email {identifier}")
        return account
