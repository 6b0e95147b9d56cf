"""The local certificate authority, which can vouch for Google's API hosts only, and the server's certificate."""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localcloud.files import write_private, write_public
from localcloud.settings import Settings

SERVED_NAMES = ("*.googleapis.com", "googleapis.com", "*.storage.googleapis.com", "accounts.google.com")
_PERMITTED_NAMES = ("googleapis.com", "accounts.google.com")
_EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_AUTHORITY_LIFETIME = timedelta(days=3650)
_SERVER_LIFETIME = timedelta(days=365)
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def ensure_authority(settings: Settings) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the local authority, made on first use and kept: clients that trust it survive a restart.

    Writes ca.pem, ca.key (0600) and bundle.pem. An authority about to expire or without its key is replaced.
    """
    authority = _load_authority(settings)
    if authority is None:
        authority = _create_authority()
        write_private(settings.authority_key_file, _key_bytes(authority[1]))
        write_public(settings.authority_certificate_file, authority[0].public_bytes(serialization.Encoding.PEM))
    write_public(settings.bundle_file, system_bundle() + settings.authority_certificate_file.read_bytes())
    return authority


def server_context(settings: Settings) -> ssl.SSLContext:
    """Return the TLS context of the server, with a certificate freshly issued by the local authority."""
    authority, authority_key = ensure_authority(settings)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("localcloud server", authority.subject, key.public_key(), _SERVER_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in SERVED_NAMES]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    chain = settings.home / "server.pem"
    write_private(chain, _key_bytes(key) + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain)
    # The server's order decides: whoever offers both gets HTTP/1.1, and h2 is for those who speak nothing else: gRPC.
    context.set_alpn_protocols(["http/1.1", "h2"])
    return context


def system_bundle() -> bytes:
    """Return the system's certificate authorities as PEM, ending in a newline; empty when the system has none."""
    for path in map(Path, _SYSTEM_BUNDLES):
        if path.is_file():
            return path.read_bytes().rstrip() + b"\n"
    # Without a well-known file: what OpenSSL finds by itself, unless a variable points it at a bundle of ours.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    paths = ssl.get_default_verify_paths()
    if os.path.isfile(paths.openssl_cafile):  # noqa: PTH113
        context.load_verify_locations(cafile=paths.openssl_cafile)
    return b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in context.get_ca_certs(binary_form=True))


def _load_authority(settings: Settings) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    try:
        certificate = x509.load_pem_x509_certificate(settings.authority_certificate_file.read_bytes())
        key = serialization.load_pem_private_key(settings.authority_key_file.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    if certificate.not_valid_after_utc < datetime.now(UTC) + _SERVER_LIFETIME:
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _create_authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localcloud local authority")])
    certificate = (
        _builder("localcloud local authority", name, key.public_key(), _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            # Whoever trusts this authority, by mistake even system-wide, trusts it for Google's API hosts and no other.
            x509.NameConstraints(
                permitted_subtrees=[x509.DNSName(permitted) for permitted in _PERMITTED_NAMES],
                excluded_subtrees=[x509.IPAddress(network) for network in _EVERY_ADDRESS],
            ),
            critical=True,
        )
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    common_name: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lifetime)
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
