"""One API request on its way through the storage service: names, query, headers, body, and how to answer it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from localcloud import partial
from localcloud.clock import Clock
from localcloud.errors import JSON_TYPE, ApiError
from localcloud.settings import Settings
from localcloud.storage.catalog import Catalog
from localcloud.storage.content import ContentStore, Progress
from localcloud.storage.preconditions import Conditions, parse_conditions, parse_integer
from localcloud.storage.resources import dump
from localcloud.store import Store

_HEADERS = {
    "Content-Type": JSON_TYPE,
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Vary": "Origin",
}


class Parts:
    """What every handler of one service instance works with."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        """Open the contents and the catalog of an instance; its tables exist already."""
        self.settings = settings
        self.store = store
        self.clock = clock
        self.contents = ContentStore(store.connection, settings.objects_directory)
        self.catalog = Catalog(store, self.contents, clock)
        self.uploads: dict[str, Progress] = {}


class Call:
    """A routed request. `names` are the decoded path parameters in their order."""

    def __init__(self, parts: Parts, request: Request, principal: str, method: str, names: tuple[str, ...]) -> None:
        """Parse the query; the body is read only when a handler asks for it."""
        self.parts = parts
        self.catalog = parts.catalog
        self.request = request
        self.headers = request.headers
        self.principal = principal
        self.method = method
        self.names = names
        self.query_items = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self.query = dict(self.query_items)

    def values(self, name: str) -> list[str]:
        """Return every value of a repeated query parameter."""
        return [value for key, value in self.query_items if key == name]

    def flag(self, name: str) -> bool:
        """Return a boolean query parameter, false when absent."""
        return self.query.get(name, "").lower() in ("true", "1")

    def integer(self, name: str) -> int | None:
        """Return a 64-bit query parameter, None when absent. Raises ApiError 400."""
        return parse_integer(name, self.query[name]) if name in self.query else None

    def conditions(self, prefix: str = "if") -> Conditions:
        """Return the preconditions of the query. Raises ApiError 400."""
        return parse_conditions(self.query, prefix)

    def page_size(self, name: str = "maxResults", largest: int = 1000) -> int:
        """Return how many results a page holds, at most `largest`. Raises ApiError 400."""
        wanted = self.integer(name)
        if wanted is None or wanted == 0:
            return largest
        if wanted < 0:
            raise ApiError(
                400,
                f"Invalid value '{wanted}'. Values must be within the range: [0, 4294967295]",
                reason="invalidParameter",
            )
        return min(wanted, largest)

    async def body(self) -> dict[str, Any]:
        """Return the JSON object in the body, {} for an empty body. Raises ApiError 400."""
        return parse_object(await self.request.body())

    def answer(self, text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Return a JSON answer, reduced to the caller's `fields`."""
        if "fields" in self.query:
            text = dump(partial.select(json.loads(text), self.query["fields"]))
        return Response(text.encode(), status, {**_HEADERS, **headers} if headers else _HEADERS)

    def answer_value(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Return a JSON value as `answer` does."""
        return self.answer(dump(value), status, headers)


def no_content() -> Response:
    """Return the answer to a deletion."""
    return Response(status_code=204, headers={"Content-Type": "application/json", "Vary": "Origin"})


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ApiError 400 for anything else."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ApiError(400, "Parse Error", reason="parseError") from error
    if not isinstance(value, dict):
        raise ApiError(400, f"Parse Error: expected a JSON object, not {dump(value)[:64]}", reason="parseError")
    return value
