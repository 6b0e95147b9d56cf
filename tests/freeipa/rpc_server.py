"""FreeIPA's JSON-RPC over HTTPS: sessions by password or ticket, and commands; plus switches that tests use."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import gssapi

from tests.freeipa.directory import Directory, IpaError
from tests.freeipa.rpc_commands import VERSION, call


@dataclass
class Sessions:
    """Who is logged in, what was called, and what the next requests suffer instead of an answer.

    ``faults``: a status, ``cut`` for a connection that closes, ``lost`` for one that closes once the command has run, 0
    for none; first to last, commands only.
    """

    principals: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    faults: list[int | str] = field(default_factory=list)
    switch: Callable[[dict[str, Any]], None] = lambda _wanted: None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(BaseHTTPRequestHandler):
    """One client; the connection stays open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    directory: Directory
    sessions: Sessions

    def do_POST(self) -> None:
        """Log in, run a command, or turn a switch."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/stand-in":
            self.sessions.switch(json.loads(body))
            self._answer(200, json.dumps({"calls": self.sessions.calls}).encode())
            if json.loads(body).get("forget_calls"):
                self.sessions.calls.clear()
        elif self.path == "/ipa/session/login_password":
            self._login(body)
        elif self.path == "/ipa/session/json":
            self._json(body)
        else:
            self._answer(404)

    def do_GET(self) -> None:
        """Log in with a ticket (SPNEGO)."""
        if self.path != "/ipa/session/login_kerberos":
            self._answer(404)
            return
        kind, _space, token = self.headers.get("Authorization", "").partition(" ")
        if kind != "Negotiate":
            self._answer(401, headers={"WWW-Authenticate": "Negotiate"})
            return
        name = gssapi.Name(f"HTTP@{self.directory.realm.host}", gssapi.NameType.hostbased_service)
        try:
            context = gssapi.SecurityContext(creds=gssapi.Credentials(name=name, usage="accept"), usage="accept")
            answer = context.step(base64.b64decode(token))
        except gssapi.exceptions.GSSError:
            self._answer(401, headers={"WWW-Authenticate": "Negotiate"})
            return
        negotiated = f"Negotiate {base64.b64encode(answer or b'').decode()}"
        self._new_session(str(context.initiator_name), {"WWW-Authenticate": negotiated})

    def _referer_is_ours(self) -> bool:
        return self.headers.get("Referer", "").startswith(f"https://{self.directory.realm.host}/ipa")

    def _login(self, body: bytes) -> None:
        form = parse_qs(body.decode())
        user, password = form.get("user", [""])[0], form.get("password", [""])[0]
        self.sessions.calls.append("login_password")
        if not self._referer_is_ours():
            self._answer(400)
            return
        problem = self.directory.realm.has_password(f"{user}@{self.directory.realm.name}", password)
        if problem:
            reason = "password-expired" if "expired" in problem else "invalid-password"
            self._answer(401, headers={"X-IPA-Rejection-Reason": reason})
            return
        self._new_session(f"{user}@{self.directory.realm.name}", {})

    def _new_session(self, principal: str, headers: dict[str, str]) -> None:
        token = secrets.token_urlsafe(24)
        self.sessions.principals[token] = principal
        cookie = f"ipa_session=MagBearerToken={token};path=/ipa;httponly;secure;"
        self._answer(200, headers={**headers, "Set-Cookie": cookie})

    def _json(self, body: bytes) -> None:
        with self.sessions.lock:
            fault = self.sessions.faults.pop(0) if self.sessions.faults else 0
        if fault == "cut":
            self._cut()
            return
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("ipa_session")
        principal = self.sessions.principals.get(cookie.value.partition("=")[2]) if cookie else None
        if principal is None or fault not in (0, "lost"):
            self._answer(int(fault) if fault not in (0, "lost") else 401)
            return
        request = json.loads(body)
        self.sessions.calls.append(request["method"])
        answer: dict[str, Any] = {"result": None, "error": None, "id": request["id"]}
        try:
            if not self._referer_is_ours():
                raise IpaError(911, "RefererError", f"Missing or invalid HTTP Referer, {self.headers.get('Referer')}")
            answer["result"] = call(self.directory, principal, request["method"], request["params"])
        except IpaError as error:
            answer["error"] = {"code": error.code, "message": error.message, "data": {}, "name": error.name}
        if fault == "lost":
            self._cut()
            return
        answer |= {"principal": principal, "version": VERSION}
        self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


def serve(
    directory: Directory, sessions: Sessions, tls: ssl.SSLContext, address: tuple[str, int]
) -> ThreadingHTTPServer:
    """Bind; ``serve_forever`` answers."""
    server = ThreadingHTTPServer(
        address, type("BoundHandler", (Handler,), {"directory": directory, "sessions": sessions})
    )
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server
