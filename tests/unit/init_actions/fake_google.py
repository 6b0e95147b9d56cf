"""A metadata server, and Google's APIs that nodes ask behind a TLS-intercepting proxy, to see what one program asks."""

from __future__ import annotations

import base64
import datetime
import json
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN = "token-of-the-node"  # noqa: S105  of nobody
HOSTS = ("storage.googleapis.com", "secretmanager.googleapis.com", "monitoring.googleapis.com")


@dataclass
class Google:
    """What the servers answer, and what they were asked.

    ``objects`` maps ``bucket/name`` to (generation, content), ``secrets`` maps ``projects/PROJECT/secrets/SECRET`` to
    the latest version's (state, payload); ``faults`` are answers given to requests of either instead, first to last: a
    status, or ``cut`` for half an answer; ``metadata_faults`` are the metadata server's. ``machine`` are values of the
    metadata server by path. ``points`` is what Cloud Monitoring was given, a list per request; ``point_faults`` it
    answers instead.
    """

    attributes: dict[str, str] = field(default_factory=dict)
    objects: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    secrets: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    faults: list[int | str] = field(default_factory=list)
    metadata_faults: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    before_answer: threading.Event | None = None
    machine: dict[str, str] = field(default_factory=dict)
    points: list[list[dict[str, Any]]] = field(default_factory=list)
    point_faults: list[int] = field(default_factory=list)


def certificate(directory: Path) -> Path:
    """A key and a self-signed certificate of Google's hosts in one file, which is its authority, too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "authority.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + signed.public_bytes(encoding))
    return file


class Handler(BaseHTTPRequestHandler):
    """Answers as the metadata server, and after a CONNECT as Cloud Storage and Secret Manager."""

    protocol_version = "HTTP/1.1"
    google: Google
    tls: ssl.SSLContext

    def do_CONNECT(self) -> None:
        """Be the proxy: speak TLS in the name of the host that was asked for."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb", -1), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        """Answer one request."""
        self.google.requests.append(self.path)
        if self.path.startswith("/computeMetadata/"):
            self._metadata(self.path.removeprefix("/computeMetadata/v1/"))
        else:
            self._api()

    def do_POST(self) -> None:
        """Take points, or not."""
        self.google.requests.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.google.point_faults.pop(0) if self.google.point_faults else 0
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401)
        elif fault:
            self._answer(fault, b'{"error": {"message": "what Google says"}}')
        else:
            self.google.points.append(body["timeSeries"])
            self._answer(200, b"{}")

    def _metadata(self, path: str) -> None:
        if self.headers.get("Metadata-Flavor") != "Google":
            self._answer(403)
        elif self.google.metadata_faults:
            self._answer(self.google.metadata_faults.pop(0))
        elif path == "instance/service-accounts/default/token":
            self._answer(200, f'{{"access_token": "{TOKEN}", "expires_in": 3599}}'.encode())
        elif path.removeprefix("instance/attributes/") in self.google.attributes:
            self._answer(200, self.google.attributes[path.removeprefix("instance/attributes/")].encode())
        elif path in self.google.machine:
            self._answer(200, self.google.machine[path].encode())
        else:
            self._answer(404)

    def _api(self) -> None:
        if self.google.before_answer:
            self.google.before_answer.wait(30)
        fault = self.google.faults.pop(0) if self.google.faults else 0
        if isinstance(fault, int) and fault:
            self._answer(fault)
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401)
        elif self.path.startswith("/v1/"):
            self._secret(cut=fault == "cut")
        else:
            self._storage(cut=fault == "cut")

    def _secret(self, *, cut: bool) -> None:
        name, _slash, version = self.path.removeprefix("/v1/").partition("/versions/")
        found = self.google.secrets.get(name) if version == "latest:access" else None
        if found is None:
            self._problem(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        elif found[0] != "ENABLED":
            self._problem(400, "FAILED_PRECONDITION", f"Secret Version [{name}] is in {found[0]} state.")
        else:
            data = {"name": f"{name}/versions/1", "payload": {"data": base64.b64encode(found[1]).decode()}}
            self._answer(200, json.dumps(data, indent=2).encode(), cut=cut)

    def _problem(self, status: int, name: str, text: str) -> None:
        self._answer(status, json.dumps({"error": {"code": status, "message": text, "status": name}}).encode())

    def _storage(self, *, cut: bool) -> None:
        url = urlsplit(self.path)
        _, _, _, _, bucket, _, name = url.path.split("/")
        found = self.google.objects.get(f"{bucket}/{unquote(name)}")
        if found is None:
            self._answer(404)
        elif parse_qs(url.query).get("ifGenerationNotMatch") == [str(found[0])]:
            self._answer(304)
        else:
            self._answer(200, found[1], {"x-goog-generation": str(found[0])}, cut=cut)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, cut: bool = False) -> None:
        self.google.answers.append(status)
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


def serve(google: Google, authority: Path, listener: socket.socket | None = None) -> ThreadingHTTPServer:
    """Start both servers on one free port, or on ``listener``; ``shutdown()`` and ``server_close()`` stop them."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority)
    handler = type("BoundHandler", (Handler,), {"google": google, "tls": tls})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=listener is None)
    if listener is not None:
        server.socket.close()
        server.socket, server.server_address = listener, listener.getsockname()
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
