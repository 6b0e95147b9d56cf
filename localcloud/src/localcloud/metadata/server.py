"""HTTP in front of a machine's values, with the rules of Compute Engine's metadata server."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from localcloud.metadata.values import Machine, etag

ROOT = "/computeMetadata/v1"
# Not port 80 as on Compute Engine, which only root may open; clients are told by GCE_METADATA_HOST.
PORT = 8780
_FLAVOR = "Metadata-Flavor"
_LONGEST_WAIT_SECONDS = 3600.0


class MetadataServer:
    """Serves one machine's metadata on its own address until stopped."""

    def __init__(
        self, machine: Machine, address: str = "", port: int = 0, listener: socket.socket | None = None
    ) -> None:
        """Listen on `port` of `address`: 0 takes the usual one, or any free one. Raises OSError when it is taken.

        With `listener` answer on that socket, which listens already.
        """
        self.machine = machine
        self._server = _Server.on(listener, machine) if listener else _listen(address, port, machine)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_address[1]

    @property
    def host(self) -> str:
        """Value of GCE_METADATA_HOST for processes on the machine."""
        return f"{self._server.server_address[0]}:{self.port}"

    def stop(self) -> None:
        """Stop listening; requests that wait for a change are dropped."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], machine: Machine, bind: bool = True) -> None:
        self.machine = machine
        super().__init__(address, _Handler, bind_and_activate=bind)

    @classmethod
    def on(cls, listener: socket.socket, machine: Machine) -> _Server:
        """Return a server for a socket that listens already."""
        server = cls(listener.getsockname()[:2], machine, bind=False)
        server.socket.close()
        server.socket = listener
        server.server_name, server.server_port = server.server_address[:2]
        return server

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away while it waited is no error."""


def _listen(address: str, port: int, machine: Machine) -> _Server:
    if port:
        return _Server((address, port), machine)
    with contextlib.suppress(OSError):
        return _Server((address, PORT), machine)
    return _Server((address, 0), machine)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        url = urlsplit(self.path)
        path = unquote(url.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if path in ("", "/"):
            # google-auth looks here whether there is a metadata server at all.
            self._send(200, "computeMetadata/\n", "application/text")
            return
        if self.headers.get(_FLAVOR) != "Google":
            self._send(403, "Missing Metadata-Flavor:Google header.\n", "text/html")
            return
        if self.headers.get("X-Forwarded-For"):
            self._send(403, "Metadata requests must not be forwarded.\n", "text/html")
            return
        if not (path + "/").startswith(ROOT + "/"):
            self._send(404, f"{path} is not below {ROOT}/.\n", "text/html")
            return
        try:
            value = self._value(path.removeprefix(ROOT).strip("/"), query)
        except KeyError:
            self._send(404, f"There is no metadata {path}.\n", "text/html")
        except ValueError as error:
            self._send(400, f"{error}\n", "text/html")
        else:
            text, kind = _rendered(value, path, query)
            self._send(200, text, kind, etag(value))

    def _value(self, path: str, query: dict[str, str]) -> Any:
        machine = self.server.machine
        if query.get("wait_for_change", "").lower() != "true":
            return machine.find(path)
        seconds = min(float(query.get("timeout_sec", _LONGEST_WAIT_SECONDS)), _LONGEST_WAIT_SECONDS)
        return machine.wait_for_change(path, query.get("last_etag"), seconds)

    def _send(self, code: int, text: str, kind: str, tag: str = "") -> None:
        content = text.encode()
        self.send_response(code)
        self.send_header(_FLAVOR, "Google")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (the name is the base class's)
        """Write no access log."""


def _rendered(value: Any, path: str, query: dict[str, str]) -> tuple[str, str]:
    """Return (text, content type) of a value, or of a directory: its entries, or all of it as JSON."""
    if not isinstance(value, dict):
        if query.get("alt") == "json" and not path.endswith("/token"):
            return json.dumps(value), "application/json"
        return value, "application/json" if path.endswith("/token") else "application/text"
    if query.get("recursive", "").lower() == "true":
        return json.dumps(_without_made(value)), "application/json"
    return "".join(f"{name}/\n" if isinstance(item, dict) else f"{name}\n" for name, item in value.items()), (
        "application/text"
    )


def _without_made(value: dict[str, Any]) -> dict[str, Any]:
    """Return a directory without what is made on request (tokens), which Google leaves out of recursive answers too."""
    return {
        name: _without_made(item) if isinstance(item, dict) else item
        for name, item in value.items()
        if not callable(item)
    }
