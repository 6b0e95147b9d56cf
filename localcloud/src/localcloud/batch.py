"""Batches of the older APIs: up to 100 metadata requests in one multipart/mixed message."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.multipart import Part, split_mixed

MOST_REQUESTS = 100


async def serve(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer each part of a batch with `handle`. Raises ApiError 400 for a malformed or too large batch."""
    parts = split_mixed(await request.body(), request.headers.get("content-type", ""))
    if len(parts) > MOST_REQUESTS:
        raise ApiError(
            400,
            f"The batch request contains {len(parts)} calls, which exceeds the limit of {MOST_REQUESTS}.",
            reason="badRequest",
        )
    boundary = "batch_" + secrets.token_urlsafe(16)
    pieces = []
    for part in parts:
        response = await handle(_inner_request(request, part))
        lines = [f"--{boundary}", "Content-Type: application/http"]
        if "content-id" in part.headers:
            identifier = part.headers["content-id"].strip("<>")
            lines.append(f"Content-ID: <response-{identifier}>")
        lines += ["", f"HTTP/1.1 {response.status_code} {_reason(response.status_code)}"]
        lines += [
            f"{name.decode('latin-1').title()}: {value.decode('latin-1')}" for name, value in response.raw_headers
        ]
        pieces.append("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + response.body + b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return Response(b"".join(pieces), 200, {"Content-Type": f"multipart/mixed; boundary={boundary}"})


def _reason(status: int) -> str:
    return "OK" if status < 300 else "Error"


def _inner_request(outer: Request, part: Part) -> Request:
    """Build the request that a part describes, on the host and with the credentials of the batch."""
    head, separator, body = part.content.replace(b"\r\n", b"\n", 1).partition(b"\n")
    words = head.decode("latin-1").split()
    if len(words) < 2 or not separator:
        raise ApiError(400, "A part of the batch does not start with a request line.", reason="badContent")
    headers: list[tuple[bytes, bytes]] = [(b"host", outer.headers.get("host", "").encode("latin-1"))]
    while body:
        line, _, body = body.partition(b"\n")
        if not line.strip():
            break
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    # A part may have credentials of its own, which then come first.
    headers += [(name, value) for name, value in outer.scope["headers"] if name == b"authorization"]
    target = words[1]
    if "://" in target:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": words[0].upper(),
        "scheme": "https",
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": headers,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)
