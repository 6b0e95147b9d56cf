"""The control API of an instance, on its own port over plain HTTP: health for everybody, the rest for its owner."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from localcloud.faults import Faults
from localcloud.journal import Journal


class Control:
    """Serves /healthz and /localcloud/...; the latter only with the secret that server.pid (0600) holds."""

    def __init__(self, secret: str, faults: Faults, journal: Journal, reset: Callable[[], Awaitable[None]]) -> None:
        """Control these parts; `reset` empties the instance."""
        self._secret = secret
        self._faults = faults
        self._journal = journal
        self._reset = reset
        self.status: dict[str, Any] = {}
        # Commands on nodes (see `localcloud.dataproc.node_commands`), once there is a Dataproc service.
        self.nodes: Any = None

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        path, method = request.url.path, request.method
        if path == "/healthz":
            return JSONResponse({"status": "ok"})
        if not path.startswith("/localcloud/"):
            return _refuse(404, f"{method} {path} is not part of localcloud's control API")
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._secret}".encode()):
            return _refuse(401, "the control API wants the secret of server.pid in LOCALCLOUD_HOME")
        try:
            return await self._answer(request, method, path.removeprefix("/localcloud/"))
        except (ValueError, TypeError) as error:
            return _refuse(400, str(error))

    async def _answer(self, request: Request, method: str, what: str) -> Response:
        name, _, identifier = what.partition("/")
        answer: dict[str, Any] = {}
        match (method, name):
            case ("GET", "status"):
                answer = self.status
            case ("GET", "overview"):
                answer = self.nodes.overview()
            case ("GET", "nodes"):
                answer = {"nodes": await asyncio.to_thread(self.nodes.list, identifier)}
            case ("POST", "nodes"):
                answer = await self._lose_node(json.loads(await request.body()))
            case ("GET", "faults"):
                answer = {"faults": self._faults.list()}
            case ("POST", "faults"):
                answer = self._faults.add(json.loads(await request.body())).description()
            case ("DELETE", "faults"):
                answer = {"removed": self._faults.clear(int(identifier) if identifier else None)}
            case ("POST", "flush"):
                self._journal.flush()
            case ("DELETE", "requests"):
                self._journal.clear()
            case ("POST", "reset"):
                await self._reset()
            case _:
                return _refuse(404, f"{method} /localcloud/{what} is not part of localcloud's control API")
        return JSONResponse(answer)

    async def _lose_node(self, wanted: dict[str, Any]) -> dict[str, Any]:
        cluster, node = wanted["cluster"], wanted["node"]
        if wanted["action"] == "kill":
            await asyncio.to_thread(self.nodes.kill, cluster, node)
            return {}
        return {"seconds": await asyncio.to_thread(self.nodes.preempt, cluster, node, wanted.get("notice"))}


def _refuse(code: int, message: str) -> Response:
    return JSONResponse({"error": message}, code)
