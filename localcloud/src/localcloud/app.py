"""The ASGI application: authenticate, route, inject faults, validate, call the service, render, journal."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import sqlite3
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from localcloud import batch, discovery, journal, partial, routing
from localcloud.control import Control
from localcloud.errors import JSON_TYPE, UNSERVED_HEADER, ApiError, NotServedError, error_response
from localcloud.faults import Fault, Faults
from localcloud.journal import Journal
from localcloud.oauth import OAuthService, bearer_token
from localcloud.store import disk_full
from localcloud.tokens import Tokens, missing_credentials

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost"})
_JSON_LIMIT = 32 * 1024 * 1024
_UPLOAD_PATHS = ("/upload/", "/resumable/upload/", "/batch/")
_log = logging.getLogger("localcloud")


class ApiService(Protocol):
    """What serves one API: the application has routed and validated the request."""

    async def handle(
        self, request: Request, principal: str, method: discovery.Method, parameters: dict[str, str], body: Any
    ) -> dict[str, Any]:
        """Return the answer; raises ApiError. `request.state.query` holds the typed query parameters."""


class StorageService(Protocol):
    """What serves Cloud Storage: it routes by itself, since uploads and the XML API are in no discovery document."""

    async def handle(self, request: Request, principal: str) -> Response:
        """Return the response; raises ApiError."""


class Exchange:
    """What is known about one request while it is answered."""

    __slots__ = ("fault", "host", "legacy", "method_id", "principal", "request", "served", "transport")

    def __init__(self, request: Request, host: str, transport: asyncio.Transport | None) -> None:
        self.request = request
        self.host = host
        self.transport = transport
        self.method_id = ""
        self.principal = ""
        self.served = True
        self.legacy = False
        self.fault: Fault | None = None


class Application:
    """One instance behind the proxy."""

    def __init__(
        self, journal_: Journal, faults: Faults, tokens: Tokens, oauth: OAuthService, control: Control
    ) -> None:
        """Take the shared parts; the services follow with `install`."""
        self._journal = journal_
        self._faults = faults
        self._tokens = tokens
        self._oauth = oauth
        self._control = control
        self._services: dict[tuple[str, str], ApiService] = {}
        self._storage: StorageService | None = None

    def install(self, services: dict[tuple[str, str], ApiService], storage: StorageService | None) -> None:
        """Serve these APIs, by (name, version), and Cloud Storage."""
        self._services = services
        self._storage = storage

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        started = journal.now()
        request = Request(scope, receive, send)
        host = routing.bare_host(request.headers.get("host", ""))
        if scope["scheme"] == "http" and host in _LOCAL_HOSTS:
            response = await self._control.handle(request)
            await response(scope, receive, send)
            return
        exchange = Exchange(request, host, scope.get("localcloud.transport"))
        status = await self._exchange(exchange, send)
        self._record(exchange, started, status)

    def _record(self, exchange: Exchange, started: float, status: int) -> None:
        scope = exchange.request.scope
        self._journal.record(
            started=started,
            duration=journal.now() - started,
            method_id=exchange.method_id,
            http_method=scope["method"],
            host=exchange.host,
            path=scope["raw_path"].decode("ascii", "replace"),
            query=scope["query_string"].decode("ascii", "replace"),
            status=status,
            served=exchange.served,
            principal=exchange.principal,
            fault=exchange.fault.kind if exchange.fault else "",
            rpc=scope.get("localcloud.rpc", ""),
        )

    async def _exchange(self, exchange: Exchange, send: Send) -> int:
        """Answer, and return the status sent: 0 when the connection was cut instead."""
        request = exchange.request
        try:
            response = await self._answer(exchange)
            if exchange.fault and exchange.fault.kind == "truncate":
                send = _truncating(send, exchange.transport)
            await response(request.scope, request.receive, send)
        except _ConnectionCut:
            return 0
        return response.status_code

    async def _answer(self, exchange: Exchange) -> Response:
        """Return the answer, be it an error. Raises _ConnectionCut."""
        try:
            response = await self._respond(exchange)
        except ApiError as error:
            exchange.served = exchange.served and not isinstance(error, NotServedError)
            response = error_response(error, exchange.legacy)
        except _ConnectionCut:
            raise
        except (OSError, sqlite3.OperationalError) as error:
            response = error_response(_storage_error(error), exchange.legacy)
        except Exception as error:
            # A 5xx would make Google's clients repeat the request for minutes; this says at once whose mistake it is.
            _log.exception("%s failed", exchange.method_id)
            exchange.served = False
            message = f"localcloud failed while serving {exchange.method_id}: {type(error).__name__}: {error}"
            response = error_response(ApiError(400, message, "INTERNAL"), exchange.legacy)
        if not exchange.served:
            response.headers[UNSERVED_HEADER] = "1"
        return response

    async def _respond(self, exchange: Exchange) -> Response:
        request = exchange.request
        scope = request.scope
        if not routing.SERVED_HOSTS.fullmatch(exchange.host):
            exchange.method_id, exchange.served = "refused", False
            raise ApiError(403, f"{exchange.host!r} is not a host of Google's APIs; localcloud passes nothing on.")
        override = request.headers.get("x-http-method-override")
        if override and scope["method"] == "POST":
            scope["method"] = override.upper()
        raw_path = scope["raw_path"].decode("ascii", "replace")
        target = routing.target_of(exchange.host, raw_path)
        if request.headers.get("content-encoding") == "gzip" and not raw_path.startswith(_UPLOAD_PATHS):
            await _decompress(request)
        if target.api == "oauth2":
            exchange.method_id = self._oauth.method_id(raw_path)
            await self._inject(exchange)
            return await self._oauth.handle(request)
        if target.api == "storage":
            return await self._respond_storage(exchange, raw_path)
        if raw_path.startswith("/batch/") and any(api == target.api for api, _version in self._services):
            return await self._respond_batch(exchange, target)
        return await self._respond_api(exchange, target, raw_path)

    async def _respond_storage(self, exchange: Exchange, raw_path: str) -> Response:
        exchange.legacy = True
        exchange.method_id = storage_method_id(exchange.host, exchange.request.method, raw_path)
        self._authenticate(exchange)
        await self._inject(exchange)
        if self._storage is None:
            raise NotServedError(exchange.method_id)
        return await self._storage.handle(exchange.request, exchange.principal)

    async def _respond_batch(self, exchange: Exchange, target: routing.Target) -> Response:
        """Answer each part as the request that it is, with a line of its own in the journal."""
        exchange.legacy = target.api in discovery.LEGACY_APIS
        exchange.method_id = f"{target.api}.batch"
        self._authenticate(exchange)
        await self._inject(exchange)

        async def answer_part(request: Request) -> Response:
            started = journal.now()
            part = Exchange(request, exchange.host, exchange.transport)
            response = await self._answer(part)
            self._record(part, started, response.status_code)
            return response

        return await batch.serve(exchange.request, answer_part)

    async def _respond_api(self, exchange: Exchange, target: routing.Target, raw_path: str) -> Response:
        request = exchange.request
        exchange.legacy = target.api in discovery.LEGACY_APIS
        service = await _load(target)
        found = service.match(request.method, raw_path) if service else None
        exchange.method_id = found[0].id if found else f"{target.api}: {request.method} {raw_path}"
        self._authenticate(exchange)
        await self._inject(exchange)
        refusal = request.scope.get("localcloud.refusal")
        if refusal is not None:
            # A gRPC call whose fields make no address; only now, because who may not ask is told that first.
            raise refusal
        handler = self._services.get((target.api, target.version))
        if service is None or found is None or handler is None:
            raise NotServedError(exchange.method_id)
        method, parameters = found
        query = service.validate_query(method, request.query_params)
        body = service.validate_body(method, await read_json(request)) if method.request_schema else {}
        request.state.query = query
        answer = await handler.handle(request, exchange.principal, method, parameters, body)
        return render(request, service, method, answer)

    def _authenticate(self, exchange: Exchange) -> None:
        token = bearer_token(exchange.request)
        if not token:
            raise missing_credentials()
        exchange.principal = self._tokens.identify(token).email

    async def _inject(self, exchange: Exchange) -> None:
        """Apply the faults that match; raises ApiError, or cuts the connection."""
        if not self._faults.active:
            return
        delay, fault = self._faults.for_request(exchange.method_id)
        if delay:
            await asyncio.sleep(delay)
        exchange.fault = fault
        if fault is None:
            return
        if fault.kind == "status":
            raise fault.error()
        if fault.kind == "reset":
            await _reset(exchange.transport)
        if fault.kind == "disk-full":
            disk_full.set(True)


class _ConnectionCut(Exception):
    """The connection was cut on purpose; there is nobody left to answer."""


def storage_method_id(host: str, http_method: str, raw_path: str) -> str:
    """Return the method id of a storage request; what discovery does not list gets a name of its own."""
    service = discovery.load("storage", "v1")
    found = service.match(http_method, raw_path)
    if found:
        return found[0].id
    if raw_path.startswith(("/upload/", "/resumable/upload/")):
        return "storage.objects.insert"
    if raw_path.startswith("/batch"):
        return "storage.batch"
    if raw_path.startswith("/storage/v1"):
        return f"storage: {http_method} {raw_path}"
    return f"storage.xml.{http_method.lower()}" if host else "storage"


def render(request: Request, service: discovery.Service, method: discovery.Method, answer: Any) -> Response:
    """Render an answer: partial when `fields` asks, enums as numbers when `$alt` asks, compact unless prettyPrint."""
    parameters = request.query_params
    if "fields" in parameters or "$fields" in parameters:
        answer = partial.select(answer, parameters.get("fields") or parameters.get("$fields", ""))
    if "enum-encoding=int" in parameters.get("$alt", parameters.get("alt", "")):
        answer = service.encode_enums(method, answer)
    pretty = parameters.get("prettyPrint", parameters.get("$prettyPrint")) == "true"
    content = json.dumps(answer, indent=2 if pretty else None, ensure_ascii=False).encode()
    return Response(content, 200, {"Content-Type": JSON_TYPE})


async def read_json(request: Request) -> Any:
    """Return the JSON body of a request, None for an empty one. Raises ApiError 400 or 413."""
    body = await request.body()
    if len(body) > _JSON_LIMIT:
        raise ApiError(413, f"Request payload size exceeds the limit: {_JSON_LIMIT} bytes.")
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"Invalid JSON payload received. {error}") from None


async def _load(target: routing.Target) -> discovery.Service | None:
    if not target.version:
        return None
    try:
        # Parsing a large document takes up to half a second: other requests go on meanwhile. Once loaded it is cached.
        if discovery.is_loaded(target.api, target.version):
            return discovery.load(target.api, target.version)
        return await asyncio.to_thread(discovery.load, target.api, target.version)
    except LookupError:
        return None


async def _decompress(request: Request) -> None:
    """Replace a gzip request body by what it holds. Raises ApiError 400 or 413."""
    decompressor = zlib.decompressobj(wbits=31)
    try:
        body = decompressor.decompress(await request.body(), _JSON_LIMIT + 1)
    except zlib.error:
        raise ApiError(400, "The request body is not valid gzip, although Content-Encoding says so.") from None
    if len(body) > _JSON_LIMIT:
        raise ApiError(413, f"Request payload size exceeds the limit: {_JSON_LIMIT} bytes.")
    request._body = body


def _storage_error(error: Exception) -> ApiError:
    """Return the answer to a failed write: 400, because clients repeat a 5xx for minutes while the disk stays full."""
    full = (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or "full" in str(error)
    if full:
        return ApiError(
            400,
            "localcloud: no space left on the disk that holds its state; nothing of this request was kept. "
            "Free some space, or start again with another LOCALCLOUD_HOME.",
            "FAILED_PRECONDITION",
            "diskFull",
        )
    _log.error("state could not be read or written", exc_info=error)
    return ApiError(
        400, f"localcloud: its state could not be read or written: {error}", "FAILED_PRECONDITION", "invalid"
    )


async def _reset(transport: asyncio.Transport | None) -> None:
    """Reset the client's connection and give the loop time to notice. Raises _ConnectionCut."""
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # Lingering for zero seconds turns the close into a reset, which is what the client is to see.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        transport.abort()
        await asyncio.sleep(0.01)
    raise _ConnectionCut


def _truncating(send: Send, transport: asyncio.Transport | None) -> Send:
    """Return a `send` that passes half of the first piece of the body on and then closes the connection."""

    async def send_half(message: dict[str, Any]) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body = message.get("body", b"")
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        if transport is not None:
            transport.close()
            await asyncio.sleep(0.01)
        raise _ConnectionCut

    return send_half
