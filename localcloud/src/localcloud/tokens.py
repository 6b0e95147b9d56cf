"""Tokens without a register: an access token carries its principal and a signature, so it survives a restart."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

from localcloud.credentials import TOKEN_URI, ServiceAccount
from localcloud.errors import ApiError
from localcloud.store import Store

LIFETIME = 3600
_PREFIX = "ya29.l."
_ASSERTION_AUDIENCES = (
    TOKEN_URI,
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v4/token",
)
_GOOGLE_AUDIENCE = re.compile(r"https://([a-z0-9-]+\.)*googleapis\.com(/.*)?")
_CLOCK_SKEW = 300
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'}
_EXPECTED = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclass(frozen=True)
class Identity:
    """Who a token speaks for, until when (seconds since the epoch), and for which scopes."""

    email: str
    expires: float
    scope: str


class OAuthError(Exception):
    """An error of the token endpoint, in OAuth's own shape."""

    def __init__(self, error: str, description: str, code: int = 400) -> None:
        """Use OAuth's `error` code and a description for people."""
        super().__init__(description)
        self.code = code
        self.body = {"error": error, "error_description": description}


class Tokens:
    """Issues and checks tokens of one instance."""

    def __init__(self, store: Store, account: ServiceAccount) -> None:
        """Use the secret kept in `store`, made on first use."""
        secret = store.get_value("token_secret")
        if secret is None:
            secret = secrets.token_hex(32)
            store.set_value("token_secret", secret)
        self._secret: str = secret
        self._account = account
        self._public_key = account.private_key.public_key()
        self._verified: dict[str, Identity] = {}

    def issue(self, email: str, scope: str = "https://www.googleapis.com/auth/cloud-platform") -> str:
        """Return an access token for `email`, valid for an hour."""
        now = int(time.time())
        claims = {"sub": email, "scope": scope, "exp": now + LIFETIME, "use": "access", "jti": secrets.token_hex(4)}
        return _PREFIX + jwt.encode(claims, self._secret, algorithm="HS256")

    def issue_refresh(self, email: str) -> str:
        """Return a refresh token for `email`, without an end."""
        return "1//" + jwt.encode({"sub": email, "use": "refresh"}, self._secret, algorithm="HS256")

    def identify(self, token: str) -> Identity:
        """Return whom an access token or self-signed JWT speaks for. Raises ApiError 401."""
        known = self._verified.get(token)
        if known is None:
            known = self._verify(token)
            if len(self._verified) > 1000:
                self._verified.clear()
            self._verified[token] = known
        if known.expires < time.time():
            raise invalid_credentials()
        return known

    def unique_id(self, email: str) -> str:
        """Return the numeric id of a principal."""
        return self._account.unique_id if email == self._account.email else "100000000000000000042"

    def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """Answer a request to the token endpoint (grants jwt-bearer and refresh_token). Raises OAuthError."""
        grant = form.get("grant_type", "")
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            claims = self._assertion(form.get("assertion", ""))
            if "target_audience" in claims:
                return {"id_token": self.issue_id_token(self._account.email, claims["target_audience"])}
            email = claims.get("sub") or self._account.email
            return self._grant(email, claims.get("scope", ""))
        if grant == "refresh_token":
            email = self._refresh_subject(form.get("refresh_token", ""))
            answer = self._grant(email, form.get("scope", "https://www.googleapis.com/auth/cloud-platform openid"))
            return {**answer, "id_token": self.issue_id_token(email, form.get("client_id", ""))}
        if not grant:
            raise OAuthError("invalid_request", "Missing required parameter: grant_type")
        raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {grant}")

    def issue_id_token(self, email: str, audience: str) -> str:
        """Return an OpenID token for `audience`, signed with the key that the certs endpoints publish."""
        now = int(time.time())
        identifier = self.unique_id(email)
        return self._account.sign(
            {
                "iss": "https://accounts.google.com",
                "aud": audience,
                "azp": identifier,
                "sub": identifier,
                "email": email,
                "email_verified": True,
                "iat": now,
                "exp": now + LIFETIME,
            }
        )

    def describe(self, token: str) -> dict[str, str]:
        """Answer tokeninfo for an access or id token. Raises OAuthError."""
        try:
            identity = self.identify(token)
            audience = self.unique_id(identity.email)
        except ApiError:
            try:
                claims = jwt.decode(token, self._public_key, algorithms=["RS256"], options={"verify_aud": False})
            except jwt.PyJWTError:
                raise OAuthError("invalid_token", "Invalid Value") from None
            if "email" not in claims:
                raise OAuthError("invalid_token", "Invalid Value") from None
            return {key: str(value).lower() if value is True else str(value) for key, value in claims.items()}
        return {
            "azp": audience,
            "aud": audience,
            "sub": audience,
            "scope": identity.scope,
            "exp": str(int(identity.expires)),
            "expires_in": str(max(0, int(identity.expires - time.time()))),
            "email": identity.email,
            "email_verified": "true",
            "access_type": "online",
        }

    def _grant(self, email: str, scope: str) -> dict[str, Any]:
        if not scope:
            raise OAuthError("invalid_scope", "Empty or missing scope not allowed.")
        return {
            "access_token": self.issue(email, scope),
            "expires_in": LIFETIME - 1,
            "scope": scope,
            "token_type": "Bearer",
        }

    def _assertion(self, assertion: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                assertion,
                self._public_key,
                algorithms=["RS256"],
                audience=_ASSERTION_AUDIENCES,
                issuer=self._account.email,
                leeway=_CLOCK_SKEW,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except jwt.InvalidIssuerError:
            raise OAuthError("invalid_grant", "Invalid grant: account not found") from None
        except jwt.InvalidSignatureError:
            raise OAuthError("invalid_grant", "Invalid JWT Signature.") from None
        except jwt.PyJWTError as error:
            raise OAuthError("invalid_grant", f"Invalid JWT: {error}") from None
        if claims.get("sub", self._account.email) != self._account.email:
            # Domain-wide delegation, which no local account has.
            raise OAuthError(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any "
                "of the scopes requested.",
                401,
            )
        return claims

    def _refresh_subject(self, token: str) -> str:
        try:
            claims = jwt.decode(token.removeprefix("1//"), self._secret, algorithms=["HS256"])
        except jwt.PyJWTError:
            claims = {}
        if claims.get("use") != "refresh":
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        return claims["sub"]

    def _verify(self, token: str) -> Identity:
        try:
            if token.startswith(_PREFIX):
                claims = jwt.decode(token.removeprefix(_PREFIX), self._secret, algorithms=["HS256"])
                # Our signature says that we issued it: to the clients' account, or to the account of a cluster's node.
                if claims["use"] == "access":
                    return Identity(claims["sub"], claims["exp"], claims["scope"])
                raise invalid_credentials()
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=["RS256"],
                issuer=self._account.email,
                leeway=_CLOCK_SKEW,
                options={"verify_aud": False, "require": ["exp", "iss", "sub"]},
            )
        except (jwt.PyJWTError, KeyError):
            raise invalid_credentials() from None
        # A self-signed JWT names its service as audience, or scopes instead; an OpenID token is no access token.
        if "scope" not in claims and not _GOOGLE_AUDIENCE.fullmatch(str(claims.get("aud", ""))):
            raise invalid_credentials()
        return Identity(claims["sub"], claims["exp"], claims.get("scope", ""))


def invalid_credentials() -> ApiError:
    """Return Google's answer to a token that is damaged, foreign or out of date."""
    return ApiError(
        401, f"Request had invalid authentication credentials. {_EXPECTED}", "UNAUTHENTICATED", headers=_CHALLENGE
    )


def missing_credentials() -> ApiError:
    """Return Google's answer to a request without a token."""
    return ApiError(
        401,
        f"Request is missing required authentication credential. {_EXPECTED}",
        "UNAUTHENTICATED",
        "required",
        headers=_CHALLENGE,
    )
