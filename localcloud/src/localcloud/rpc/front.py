"""The gRPC server behind the proxy: it answers every method by way of the application, as REST requests are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc

from localcloud import routing
from localcloud.errors import UNSERVED_HEADER, ApiError
from localcloud.rpc.table import Table
from localcloud.rpc.transcode import HttpRequest, error_of, grpc_message, http_request, rich_status
from localcloud.rpc.tunnel import TunnelEnd

_LOOPBACK = "127.0.0.1"
# Calls wait for the event loop, hardly ever for long: only injected delays take time.
_THREADS = 16
_MESSAGE_LIMIT = 32 * 1024 * 1024
_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MESSAGE_LIMIT))
_PASSED_ON = ("authorization", "user-agent")
_log = logging.getLogger("localcloud")


@dataclass(frozen=True)
class _Client:
    """Whom a connection of the gRPC server comes from: the host asked for, and the client's own connection."""

    host: str
    transport: asyncio.Transport


@dataclass
class _Answer:
    """What the application sent; `status` 0 when it cut the connection instead."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Front:
    """A gRPC server on the loopback that speaks to nobody but this process's own tunnels."""

    def __init__(self, application: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Answer with `application` (ASGI), which runs in `loop`. Takes some 100 ms."""
        self._loop = loop
        self._clients: dict[str, _Client] = {}
        handler = _Handler(Table(), self._clients, lambda scope, body: self._ask(application, scope, body))
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, "grpc"), handlers=(handler,), options=_OPTIONS)
        self._port = self._server.add_insecure_port(f"{_LOOPBACK}:0")
        self._server.start()

    async def attach(self, transport: asyncio.Transport, host: str, received: Callable[[], bytes]) -> None:
        """Lead a client's connection (after TLS) to `host` here; `received` returns what it has sent already."""
        inner, outer = TunnelEnd(), TunnelEnd(transport)
        # Joined before it is connected, because the server speaks first.
        outer.join(inner)
        connection, _ = await self._loop.create_connection(lambda: inner, _LOOPBACK, self._port)
        peer = f"ipv4:{_LOOPBACK}:{connection.get_extra_info('sockname')[1]}"
        self._clients[peer] = _Client(host, transport)
        # Forgotten before the port can be another program's.
        inner.on_lost = lambda: self._clients.pop(peer, None)
        if transport.is_closing():
            outer.connection_lost(None)
            return
        transport.set_protocol(outer)
        if early := received():
            outer.data_received(early)

    def close(self) -> None:
        """End every call and connection."""
        self._server.stop(grace=None)

    def _ask(self, application: Any, scope: dict[str, Any], body: bytes) -> _Answer:
        """Have the application answer, in its loop; for the threads of the gRPC server."""
        answer = _Answer()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        asyncio.run_coroutine_threadsafe(application(scope, receive, send), self._loop).result()
        return answer


class _Handler(grpc.GenericRpcHandler):
    """One handler for every method there is."""

    def __init__(
        self, table: Table, clients: dict[str, _Client], ask: Callable[[dict[str, Any], bytes], _Answer]
    ) -> None:
        self._table = table
        self._clients = clients
        self._ask = ask

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Return what answers a call. Methods that nobody knows may be streams: they are refused without reading."""
        path = details.method

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            return self._call(path, request, context)

        def refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            yield self._call(path, b"", context)

        if self._table.knows(path):
            return grpc.unary_unary_rpc_method_handler(answer)
        return grpc.stream_stream_rpc_method_handler(refuse)

    def _call(self, path: str, content: bytes, context: grpc.ServicerContext) -> bytes:
        client = self._clients.get(context.peer())
        if client is None:
            # Another program of this machine found the port: there is no way in but through the proxy.
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "localcloud answers through its proxy only")
        method = self._table.find(routing.target_of(client.host, "/").api, path)
        request, refusal = HttpRequest("POST", path, "", b""), None
        if method:
            try:
                request = http_request(self._table, method, content)
            except ApiError as error:
                refusal = error
        scope = _scope(request, client, context.invocation_metadata())
        answer = self._ask({**scope, "localcloud.rpc": path, "localcloud.refusal": refusal}, request.body)
        if not answer.status:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was cut")
        if answer.status >= 400 or method is None:
            self._abort(context, answer)
        try:
            return grpc_message(self._table, method, bytes(answer.body))
        except ValueError as error:
            _log.exception("%s failed", path)
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"localcloud failed while serving {path}: {error}")

    def _abort(self, context: grpc.ServicerContext, answer: _Answer) -> NoReturn:
        error = error_of(answer.status, bytes(answer.body))
        # What is not served is 404 in REST, because some clients repeat a 501; here others take NOT_FOUND for "gone".
        status = "UNIMPLEMENTED" if UNSERVED_HEADER in answer.headers else error["status"]
        code = grpc.StatusCode.__members__.get(status, grpc.StatusCode.UNKNOWN)
        if error["details"]:
            details = rich_status(self._table, code.value[0], error)
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, error["message"])


def _scope(request: HttpRequest, client: _Client, metadata: Any) -> dict[str, Any]:
    """Return the ASGI scope of a request, as a REST client's would be."""
    headers = [(b"host", client.host.encode()), (b"content-type", b"application/json")]
    headers += [
        (name.encode(), value.encode())
        for name, value in metadata
        if isinstance(value, str) and (name in _PASSED_ON or name.startswith("x-goog-"))
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "scheme": "https",
        "method": request.method,
        "path": unquote(request.path),
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query.encode(),
        "headers": headers,
        "client": None,
        "server": (client.host, 443),
        "localcloud.transport": client.transport,
    }
