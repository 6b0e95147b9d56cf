"""A certificate authority and a server's certificate, made with openssl's command."""

from __future__ import annotations

import subprocess
from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def make_certificates(directory: Path, host: str, address: str) -> None:
    """Make ``ca.crt``, and ``server.crt`` with ``server.key`` for ``host``, which it signed."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/O=CORP.INTERNAL/CN=Certificate Authority"]
    _openssl(directory, "req", "-x509", *_KEY, *authority, "-days", "2", "-addext", "keyUsage=critical,keyCertSign")
    _openssl(directory, "req", *_KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={host}")
    (directory / "server.ext").write_text(
        f"subjectAltName=DNS:{host},IP:{address}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
        "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
    )
    signing = ["-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext"]
    _openssl(directory, "x509", "-req", *signing, "-out", "server.crt", "-days", "2")


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
