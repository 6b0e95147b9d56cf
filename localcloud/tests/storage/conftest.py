"""A storage service of its own for each test, called as the application calls it, without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from starlette.requests import Request

from localcloud.clock import Clock
from localcloud.settings import Settings
from localcloud.storage import StorageService, create_service
from localcloud.store import Store


@dataclass
class Answer:
    """A complete response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason in an error body."""
        return self.json["error"]["errors"][0]["reason"]


class StorageClient:
    """Sends requests to a service; `restart` replaces the service by a new one on the same files, as after a kill."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home)
        self.now = datetime(2026, 3, 4, 5, 6, 7, 89_000, UTC)
        self.store = Store(home / "state.sqlite")
        self.service: StorageService = create_service(self.settings, self.store, Clock(source=self._tick))

    def _tick(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def restart(self) -> None:
        self.store.close()
        self.store = Store(self.settings.database_file)
        self.service = create_service(self.settings, self.store, Clock(source=self._tick))

    def call(
        self, method: str, path: str, body: Any = b"", *, headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        """Send one request; dictionaries travel as JSON."""
        return asyncio.run(self.send(method, path, body, headers=headers, **query))

    async def send(
        self,
        method: str,
        path: str,
        body: Any = b"",
        *,
        headers: dict[str, str] | None = None,
        pieces: Any = None,
        **query: Any,
    ) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, inline_query = path.partition("?")
        sent = {"host": "storage.googleapis.com", "content-length": str(len(content)), **(headers or {})}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": (inline_query or urlencode(query, doseq=True)).encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        }
        waiting = list(pieces) if pieces is not None else [content]

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            if not waiting:
                await asyncio.Event().wait()
            piece = waiting.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

        status, answered, received = 0, {}, bytearray()

        async def answer(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered.update({name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]})
            else:
                received.extend(message.get("body", b""))

        request = Request(scope, receive)
        response = await self.service.handle(request, "someone@example.com")
        await response(scope, receive, answer)
        return Answer(status, answered, bytes(received))

    def bucket(self, name: str = "shelf", **settings: Any) -> dict[str, Any]:
        """Create a bucket."""
        created = self.call("POST", "/storage/v1/b", {"name": name, **settings}, project="local-project")
        assert created.status == 200, created.body
        return created.json

    def upload(self, name: str, content: bytes = b"", bucket: str = "shelf", **query: Any) -> Answer:
        """Upload an object in one piece."""
        headers = {"content-type": query.pop("content_type", "text/plain")}
        path = f"/upload/storage/v1/b/{bucket}/o"
        return self.call("POST", path, content, headers=headers, uploadType="media", name=name, **query)

    def multipart(self, metadata: dict[str, Any], content: bytes, bucket: str = "shelf", **query: Any) -> Answer:
        """Upload metadata and content in one request."""
        body = (
            b"--sep\r\nContent-Type: application/json\r\n\r\n"
            + json.dumps(metadata).encode()
            + b"\r\n--sep\r\nContent-Type: text/plain\r\n\r\n"
            + content
            + b"\r\n--sep--"
        )
        headers = {"content-type": "multipart/related; boundary=sep"}
        path = f"/upload/storage/v1/b/{bucket}/o"
        return self.call("POST", path, body, headers=headers, uploadType="multipart", **query)

    def object(self, name: str, bucket: str = "shelf", **query: Any) -> Answer:
        """Read an object's metadata, or with alt="media" its content."""
        return self.call("GET", object_path(name, bucket), **query)

    def names(self, bucket: str = "shelf", **query: Any) -> list[str]:
        """List all names of a bucket, page by page."""
        found: list[str] = []
        while True:
            page = self.call("GET", f"/storage/v1/b/{bucket}/o", **query).json
            found += [item["name"] for item in page.get("items", [])]
            if "nextPageToken" not in page:
                return found
            query["pageToken"] = page["nextPageToken"]

    def files(self) -> list[str]:
        """List the files of contents on disk."""
        directory = self.settings.objects_directory
        return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def object_path(name: str, bucket: str = "shelf") -> str:
    """Return the path of an object, its name in one escaped segment."""
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[StorageClient]:
    """An empty instance."""
    client = StorageClient(tmp_path)
    yield client
    client.store.close()


@pytest.fixture
def shelf(storage: StorageClient) -> StorageClient:
    """An instance with the empty bucket `shelf`."""
    storage.bucket("shelf")
    return storage
