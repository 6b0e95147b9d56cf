"""The credential files that clients are given: a service account's key and a user's refresh token."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from localcloud.files import write_private
from localcloud.settings import Settings

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
CERTIFICATES_URI = "https://www.googleapis.com/robot/v1/metadata/x509/"
# A second identity, so that a check of who one is can be tried: nothing in the environment selects it.
USER_EMAIL = "developer@example.com"


@dataclass(frozen=True)
class ServiceAccount:
    """The service account of this instance and its key."""

    email: str
    key_id: str
    unique_id: str
    private_key: rsa.RSAPrivateKey

    def sign(self, claims: dict[str, Any]) -> str:
        """Return `claims` as an RS256 JWT."""
        return jwt.encode(claims, self.private_key, algorithm="RS256", headers={"kid": self.key_id})


def ensure_service_account(settings: Settings) -> ServiceAccount:
    """Return the service account of service-account.json (0600), made on first use.

    A file that is damaged or for another project is replaced: its tokens would be refused anyway.
    """
    try:
        document = json.loads(settings.service_account_file.read_text(encoding="utf-8"))
        key = serialization.load_pem_private_key(document["private_key"].encode(), password=None)
        if document["client_email"] == settings.service_account_email and isinstance(key, rsa.RSAPrivateKey):
            settings.service_account_file.chmod(0o600)
            return ServiceAccount(document["client_email"], document["private_key_id"], document["client_id"], key)
    except (FileNotFoundError, ValueError, KeyError):
        pass
    return _create_service_account(settings)


def write_user_credentials(settings: Settings, refresh_token: str) -> None:
    """Write authorized-user.json (0600): the application-default credentials of the second identity, a user."""
    document = {
        "type": "authorized_user",
        "client_id": "localcloud.apps.googleusercontent.com",
        "client_secret": "localcloud",
        "refresh_token": refresh_token,
        "universe_domain": "googleapis.com",
    }
    write_private(settings.home / "authorized-user.json", json.dumps(document, indent=2).encode())


def _create_service_account(settings: Settings) -> ServiceAccount:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    modulus = key.public_key().public_numbers().n
    account = ServiceAccount(
        email=settings.service_account_email,
        key_id=f"{modulus % 16**40:040x}",
        unique_id=f"1{modulus % 10**20:020d}",
        private_key=key,
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    document = {
        "type": "service_account",
        "project_id": settings.project,
        "private_key_id": account.key_id,
        "private_key": pem,
        "client_email": account.email,
        "client_id": account.unique_id,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": TOKEN_URI,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": CERTIFICATES_URI + account.email.replace("@", "%40"),
        "universe_domain": "googleapis.com",
    }
    write_private(settings.service_account_file, json.dumps(document, indent=2).encode())
    return account
