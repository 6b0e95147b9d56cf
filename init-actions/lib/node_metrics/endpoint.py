"""What the agent read last, as Prometheus text on the loopback: for people on the node, and for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: On the loopback only: figures of all users' runs are nothing for the network.
ADDRESS = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    text: Callable[[], str]
    timeout = 5

    def do_GET(self) -> None:
        """Answer /metrics."""
        known = self.path.partition("?")[0] == "/metrics"
        content = (type(self).text() if known else "expected /metrics\n").encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        """Write no access log."""


def serve(port: int, text: Callable[[], str]) -> ThreadingHTTPServer:
    """Serve what `text` returns from now on; `shutdown()` and `server_close()` end it. Raises OSError."""
    handler = type("BoundHandler", (_Handler,), {"text": staticmethod(text)})
    server = ThreadingHTTPServer((ADDRESS, port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
