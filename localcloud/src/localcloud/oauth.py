"""OAuth's endpoints, which no discovery document describes: token, tokeninfo, userinfo and public keys."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import Response

from localcloud.credentials import ServiceAccount
from localcloud.errors import JSON_TYPE, ApiError, NotServedError
from localcloud.tokens import OAuthError, Tokens, invalid_credentials, missing_credentials

_TOKEN_PATHS = frozenset({"/token", "/oauth2/v4/token", "/o/oauth2/token"})
_USERINFO_VERSIONS = {
    "/oauth2/v1/userinfo": "v2",
    "/oauth2/v2/userinfo": "v2",
    "/userinfo/v2/me": "v2",
    "/oauth2/v3/userinfo": "v3",
    "/v1/userinfo": "v3",
}


class OAuthService:
    """Serves oauth2.googleapis.com, accounts.google.com and the /oauth2 paths of www.googleapis.com."""

    def __init__(self, tokens: Tokens, account: ServiceAccount) -> None:
        """Answer with `tokens`; publish the key of `account`."""
        self._tokens = tokens
        self._account = account
        self._certificate = _self_signed(account)

    def method_id(self, path: str) -> str:
        """Return the name under which a path is journalled."""
        if path in _TOKEN_PATHS:
            return "oauth2.token"
        if path in _USERINFO_VERSIONS:
            return "oauth2.userinfo.get"
        return f"oauth2.{path.rstrip('/').rpartition('/')[2] or 'root'}"

    async def handle(self, request: Request) -> Response:
        """Answer one request. Raises ApiError."""
        path = request.url.path
        try:
            if path in _TOKEN_PATHS:
                return _json(self._tokens.exchange(await _parameters(request)))
            if path in _USERINFO_VERSIONS:
                return _json(self._userinfo(request, _USERINFO_VERSIONS[path]))
            if path.endswith("/tokeninfo"):
                given = await _parameters(request)
                token = given.get("access_token") or given.get("id_token") or bearer_token(request) or ""
                return _json(self._tokens.describe(token))
        except OAuthError as error:
            return _json(error.body, error.code)
        if path.endswith("/v1/certs") or path.startswith("/robot/v1/metadata/x509/"):
            return _json({self._account.key_id: self._certificate})
        if path.endswith("/v3/certs") or path.startswith("/robot/v1/metadata/jwk/"):
            return _json({"keys": [self._web_key()]})
        raise NotServedError(self.method_id(path))

    def _userinfo(self, request: Request, version: str) -> dict[str, Any]:
        token = bearer_token(request)
        if not token:
            raise missing_credentials()
        email = self._tokens.identify(token).email
        identifier = self._tokens.unique_id(email)
        if version == "v2":
            return {"id": identifier, "email": email, "verified_email": True}
        return {"sub": identifier, "email": email, "email_verified": True}

    def _web_key(self) -> dict[str, str]:
        numbers = self._account.private_key.public_key().public_numbers()
        return {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self._account.key_id,
            "n": _unsigned(numbers.n),
            "e": _unsigned(numbers.e),
        }


def bearer_token(request: Request) -> str | None:
    """Return the access token of a request, from its header or its query, or None. Raises ApiError 401."""
    header = request.headers.get("authorization")
    if header is None:
        return request.query_params.get("access_token") or request.query_params.get("oauth_token")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise invalid_credentials()
    return token.strip()


async def _parameters(request: Request) -> dict[str, str]:
    """Return form or JSON fields together with those of the query."""
    given = dict(request.query_params)
    body = await request.body()
    if body[:1] == b"{":
        try:
            fields = json.loads(body)
        except ValueError:
            raise ApiError(400, "Invalid JSON payload received.") from None
        return {**given, **{name: str(value) for name, value in fields.items()}}
    return {**given, **dict(parse_qsl(body.decode("utf-8", "replace")))}


def _json(content: dict[str, Any], code: int = 200) -> Response:
    return Response(json.dumps(content), code, {"Content-Type": JSON_TYPE, "Cache-Control": "no-store"})


def _unsigned(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _self_signed(account: ServiceAccount) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, account.unique_id)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(account.private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .sign(account.private_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
