"""The CONNECT proxy: TLS ends here, and HTTP/1.1 or gRPC is attached to the connection in the same process."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from localcloud.routing import SERVED_HOSTS

if TYPE_CHECKING:
    from localcloud.rpc.front import Front

_CONNECT = re.compile(rb"CONNECT ([^\s:]+):(\d{1,5}) HTTP/1\.[01]\r\n", re.IGNORECASE)
_HEAD_LIMIT = 64 * 1024
_HANDSHAKE_TIMEOUT = 20.0
# Clients keep connections between bursts of requests: longer than any polling interval of theirs.
_KEEP_ALIVE = 75
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_log = logging.getLogger("localcloud")


class _HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, whose scope also carries the transport: faults cut connections."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Clients take their ages of objects from it, as on Google: no clock but the server's counts.
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self.scope["localcloud.transport"] = self.transport  # type: ignore[typeddict-unknown-key]


class ProxyServer:
    """What all connections share."""

    def __init__(self, application: Any, tls: ssl.SSLContext) -> None:
        """Answer with `application` (ASGI) behind `tls`."""
        self.tls = tls
        self._config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE,
            # A pipelined request would inherit what a fault set for the one before it.
            reset_contextvars=True,
        )
        self._config.load()
        self._state = ServerState()
        self.handshakes: set[asyncio.Task[None]] = set()
        self._application = application
        self._rpc: Front | None = None
        self._rpc_starting = asyncio.Lock()

    def http_protocol(self) -> _HttpProtocol:
        """Return a protocol for one connection."""
        return _HttpProtocol(self._config, self._state, {}, asyncio.get_running_loop())

    async def rpc(self) -> Front:
        """Return the gRPC server, started when the first client needs it."""
        async with self._rpc_starting:
            if self._rpc is None:
                self._rpc = await asyncio.to_thread(_start_rpc, self._application, asyncio.get_running_loop())
        return self._rpc

    async def close(self) -> None:
        """Close every connection, letting answers that are being written finish."""
        if self._rpc:
            self._rpc.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=2)


def _start_rpc(application: Any, loop: asyncio.AbstractEventLoop) -> Front:
    from localcloud.rpc.front import Front  # noqa: PLC0415  (nobody waits for gRPC who does not use it)

    return Front(application, loop)


class ProxyProtocol(asyncio.Protocol):
    """One connection: CONNECT to a host of Google's, then TLS; or plain HTTP to the control API."""

    def __init__(self, server: ProxyServer) -> None:
        """Belong to `server`."""
        self._server = server
        self._received = b""
        self._tunnelling = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request line."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Gather the head of the first request, or what TLS delivers before the HTTP protocol is attached."""
        self._received += data
        if self._tunnelling:
            return
        if not b"CONNECT".startswith(self._received[:7].upper()):
            self._serve_plain()
            return
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > _HEAD_LIMIT:
                self._refuse(431, "the head of the request is too long")
            return
        self._connect(self._received[: end + 4], self._received[end + 4 :])

    def _serve_plain(self) -> None:
        protocol = self._server.http_protocol()
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        protocol.data_received(self._received)

    def _connect(self, head: bytes, rest: bytes) -> None:
        found = _CONNECT.match(head)
        if not found:
            self._refuse(400, "expected CONNECT host:port HTTP/1.1")
            return
        host = found[1].decode("ascii", "replace").lower()
        if int(found[2]) != 443 or not SERVED_HOSTS.fullmatch(host):
            _log.warning("refused CONNECT %s:%s", host, found[2].decode())
            self._refuse(403, f"{host}:{int(found[2])} is not a host of Google's APIs; localcloud passes nothing on")
            return
        if rest:
            self._refuse(400, "TLS must begin after the answer to CONNECT")
            return
        self._tunnelling = True
        self._received = b""
        self._transport.write(_ESTABLISHED)
        task = asyncio.get_running_loop().create_task(self._start_tls(host))
        self._server.handshakes.add(task)
        task.add_done_callback(self._server.handshakes.discard)

    async def _start_tls(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                self._transport,
                self,
                self._server.tls,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=2,
            )
        except (OSError, ssl.SSLError) as error:
            # Usually a client that trusts another bundle: the reason is in the log, the client sees its own error.
            _log.warning("TLS handshake failed: %s", error)
            self._transport.abort()
            return
        if secured is None or secured.is_closing():
            return
        if secured.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            await self._start_rpc(secured, host)
            return
        protocol = self._server.http_protocol()
        protocol.connection_made(secured)
        secured.set_protocol(protocol)
        if self._received:
            protocol.data_received(self._received)

    async def _start_rpc(self, secured: Any, host: str) -> None:
        try:
            front = await self._server.rpc()
            await front.attach(secured, host, lambda: self._received)
        except Exception:
            # Left open, the connection would keep its client waiting until a deadline.
            _log.exception("gRPC cannot be served")
            secured.abort()

    def _refuse(self, code: int, message: str) -> None:
        body = f"{message}\n".encode()
        reason = {400: "Bad Request", 403: "Forbidden", 431: "Request Header Fields Too Large"}[code]
        self._transport.write(
            f"HTTP/1.1 {code} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        self._transport.close()
