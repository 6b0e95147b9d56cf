"""The control API of an instance, on its own port over plain HTTP: health for everybody, the rest for its owner."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from localcloud.compute.images import describe
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
        # The images of Compute Engine (see `localcloud.compute.images`), once there are services.
        self.images: Any = None
        # The Composer service, once there is one.
        self.composer: Any = None

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
                answer = {**self.nodes.overview(), "environments": await self.composer.overview()}
            case ("GET" | "POST", "nodes"):
                answer = await self._nodes(identifier, await request.body())
            case ("GET" | "POST", "images"):
                answer = self._images(await request.body())
            case ("POST", "airflow"):
                answer = await self._airflow(json.loads(await request.body()))
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

    async def _airflow(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["action"] == "open-ui":
            return await self.composer.open_ui(wanted["environment"])
        await self.composer.close_ui(wanted["environment"])
        return {}

    def _images(self, body: bytes) -> dict[str, Any]:
        """List the images, or add or withdraw the one that `body` names."""
        if not body:
            return {"images": [describe(image) for image in self.images.all()]}
        wanted = json.loads(body)
        what = wanted["image"]
        if wanted["action"] == "withdraw":
            return describe(self.images.withdraw(what))
        chosen = {name: wanted[name] for name in ("base", "created", "in_front") if wanted.get(name)}
        return describe(self.images.add(what, **chosen))

    async def _nodes(self, of: str, body: bytes) -> dict[str, Any]:
        """List the nodes `of` a cluster, or of all, or lose the one that `body` names."""
        if not body:
            return {"nodes": await asyncio.to_thread(self.nodes.list, of)}
        wanted = json.loads(body)
        cluster, node = wanted["cluster"], wanted["node"]
        if wanted["action"] == "kill":
            await asyncio.to_thread(self.nodes.kill, cluster, node)
            return {}
        return {"seconds": await asyncio.to_thread(self.nodes.preempt, cluster, node, wanted.get("notice"))}


def _refuse(code: int, message: str) -> Response:
    return JSONResponse({"error": message}, code)
