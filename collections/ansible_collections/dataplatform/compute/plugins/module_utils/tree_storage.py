# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls of the Cloud Storage JSON API that a tree synchronisation makes.

Every write carries a generation precondition, so that it can be repeated safely and never hits an object that
somebody else has written since it was listed.
"""

from __future__ import annotations

import io
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    GoogleApiError,
    NotFoundError,
    PreconditionFailedError,
    RateLimitedError,
    TransportError,
    UnavailableError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import (
    ConcurrentWriterError,
    MissingBucketError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_manifest import listed_md5
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_plan import ListedObject

# A multiple of 256 KiB, as resumable uploads demand; up to this size a file is sent in one request.
CHUNK_BYTES = 8 * 1024 * 1024

_BASE = "https://storage.googleapis.com"
# Random, so that no content can hold it.
_BOUNDARY = f"part-{secrets.token_hex(16)}"
_LIST_FIELDS = "nextPageToken,items(name,size,md5Hash,crc32c,generation,cacheControl,metadata)"
_CHUNK_FAILURES_ALLOWED = 6
_WRITE_TIMEOUT = 30.0
"""Seconds a write may go without an answer; the lock's lease is longer, see tree_lock.py."""

_METADATA_TIMEOUT = 10.0

_ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One object as a GET shows it; `age` is seconds since its last update by the server's own clock."""

    generation: str
    metageneration: str
    md5: str | None
    metadata: Mapping[str, str]
    age: float


class _WatchedBody(io.BytesIO):
    """A body that asks before each part is sent whether this run may still write, so slow uploads end with the lock."""

    def __init__(self, content: bytes, may_write: Callable[[], None]) -> None:
        super().__init__(content)
        self._may_write = may_write

    def read(self, size: int | None = -1) -> bytes:
        self._may_write()
        return super().read(size)


class TreeStorage:
    """Objects below one prefix of one bucket, addressed by relative name. Safe to share between threads.

    `may_write` is called before every attempt of every write and raises when this run must not write any more.
    """

    def __init__(self, client: GoogleClient, bucket: str, prefix: str) -> None:
        self._client = client
        self.bucket = bucket
        self.prefix = prefix
        self.uri = f"gs://{bucket}/{prefix}".rstrip("/")
        self._objects = f"{_BASE}/storage/v1/b/{quote(bucket, safe='')}/o"
        self._uploads = f"{_BASE}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        self.may_write: Callable[[], None] = lambda: None

    def uri_of(self, name: str) -> str:
        """Return the gs:// address of a relative name."""
        return f"gs://{self.bucket}/{self.prefix}{name}"

    def list_tree(self) -> list[dict[str, Any]]:
        """Return the object resources below the prefix, one request per page, with names made relative."""
        query = {"prefix": self.prefix, "fields": _LIST_FIELDS}
        skipped = len(self.prefix)
        try:
            return [
                {**item, "name": item["name"][skipped:]}
                for item in self._client.pages(self._objects, "items", params=query)
            ]
        except NotFoundError as error:
            raise MissingBucketError(
                f"The bucket {self.bucket} does not exist (or this account may not know that it does). "
                "Create it first, or correct the name."
            ) from error

    def state(self, name: str) -> ObjectState | None:
        """Return what the object is now, or None when it does not exist."""
        try:
            response = self._client.request("GET", self._object_url(name), raw=True)
        except NotFoundError:
            return None
        item = json.loads(response.content)
        return ObjectState(
            generation=str(item["generation"]),
            metageneration=str(item.get("metageneration", "")),
            md5=item.get("md5Hash"),
            metadata=item.get("metadata") or {},
            age=_age(item.get("updated"), response.headers.get("Date")),
        )

    def read(self, name: str, generation: str) -> bytes | None:
        """Return the content of exactly this generation, or None when the object is another one by now."""
        query = {"alt": "media", "ifGenerationMatch": generation}
        try:
            return self._client.request("GET", self._object_url(name), params=query, raw=True).content
        except (NotFoundError, PreconditionFailedError):
            return None

    def upload(self, name: str, resource: Mapping[str, Any], read: Callable[[], bytes], generation: str) -> str:
        """Write a small object in one request and return its generation.

        `resource` is the object resource to create (with md5Hash, which makes the server refuse other bytes), `read`
        returns the content. `generation` is the one to replace, "0" for a new object. ConcurrentWriterError when the
        object is not (or no longer) at that generation.
        """
        body = _multipart({**resource, "name": self.prefix + name}, read())

        def checked_body() -> _WatchedBody:
            self.may_write()
            return _WatchedBody(body, self.may_write)

        query = {"uploadType": "multipart", "ifGenerationMatch": generation, "fields": "generation"}
        headers = {"Content-Type": f"multipart/related; boundary={_BOUNDARY}"}
        try:
            answer = self._client.request(
                "POST", self._uploads, params=query, data=checked_body, headers=headers, timeout=_WRITE_TIMEOUT
            )
        except PreconditionFailedError as error:
            return self._written_by_earlier_attempt(name, resource, error)
        return str(answer["generation"])

    def upload_in_chunks(
        self,
        name: str,
        resource: Mapping[str, Any],
        size: int,
        read_at: Callable[[int, int], bytes],
        generation: str,
    ) -> str:
        """Write a large object by a resumable upload and return its generation; see `upload`.

        `read_at(offset, length)` returns a part of the content. Nothing is visible before the last part has arrived.
        """
        self.may_write()
        query = {"uploadType": "resumable", "ifGenerationMatch": generation, "fields": "generation"}
        headers = {"X-Upload-Content-Length": str(size), "X-Upload-Content-Type": str(resource.get("contentType", ""))}
        try:
            answer = self._client.request(
                "POST",
                self._uploads,
                params=query,
                json={**resource, "name": self.prefix + name},
                headers=headers,
                raw=True,
                timeout=_WRITE_TIMEOUT,
            )
            response = self._send_chunks(answer.headers["Location"], size, read_at)
        except PreconditionFailedError as error:
            return self._written_by_earlier_attempt(name, resource, error)
        return str(json.loads(response.content)["generation"])

    def delete(self, name: str, generation: str) -> None:
        """Delete exactly this generation; an object that is gone already is fine."""

        def checked() -> None:
            self.may_write()

        try:
            self._client.request(
                "DELETE",
                self._object_url(name),
                params={"ifGenerationMatch": generation},
                data=checked,
                timeout=_WRITE_TIMEOUT,
            )
        except NotFoundError:
            return
        except PreconditionFailedError as error:
            raise self._somebody_else(name) from error

    def patch_metadata(self, name: str, metadata: Mapping[str, str], generation: str, attempts: int = 1) -> None:
        """Change custom metadata of exactly this generation; few attempts, the callers have their own way out."""
        try:
            self._client.request(
                "PATCH",
                self._object_url(name),
                params={"ifGenerationMatch": generation, "fields": "generation"},
                json={"metadata": dict(metadata)},
                timeout=_METADATA_TIMEOUT,
                retry=RetryPolicy(attempts=attempts),
            )
        except (NotFoundError, PreconditionFailedError) as error:
            raise self._somebody_else(name) from error

    def _object_url(self, name: str) -> str:
        return f"{self._objects}/{quote(self.prefix + name, safe='')}"

    def _written_by_earlier_attempt(
        self, name: str, resource: Mapping[str, Any], error: PreconditionFailedError
    ) -> str:
        """Tell a write of ours, whose answer was lost, from a write of somebody else; returns the generation."""
        state = self.state(name)
        wanted_metadata = dict(resource.get("metadata") or {})
        if (
            state is not None
            and state.md5 == resource["md5Hash"]
            and all(state.metadata.get(key) == value for key, value in wanted_metadata.items())
        ):
            return state.generation
        raise self._somebody_else(name) from error

    def _somebody_else(self, name: str) -> ConcurrentWriterError:
        return ConcurrentWriterError(
            f"Somebody else is writing {self.uri}: {self.uri_of(name)} was changed after this run had listed it. "
            "Run again when the other one has finished."
        )

    def _send_chunks(self, session: str, size: int, read_at: Callable[[int, int], bytes]) -> Any:
        """Send the parts in turn; after a failure ask the server how much it has and go on from there."""
        offset = 0
        failures = 0
        while True:
            self.may_write()
            block = read_at(offset, min(CHUNK_BYTES, size - offset))
            span = f"bytes {offset}-{offset + len(block) - 1}/{size}"
            try:
                response = self._put(session, span, block, _ONCE)
            except (TransportError, UnavailableError, RateLimitedError):
                failures += 1
                if failures > _CHUNK_FAILURES_ALLOWED:
                    raise
                time.sleep(min(16.0, 0.25 * 2**failures))
                response = self._put(session, f"bytes */{size}", b"", None)
            if response.status_code != 308:
                return response
            received = response.headers.get("Range")
            offset = int(received.rpartition("-")[2]) + 1 if received else 0

    def _put(self, session: str, span: str, block: bytes, retry: RetryPolicy | None) -> Any:
        return self._client.request(
            "PUT",
            session,
            data=lambda: _WatchedBody(block, self.may_write) if block else b"",
            headers={"Content-Range": span},
            raw=True,
            retry=retry,
            timeout=_WRITE_TIMEOUT,
        )


def listed_object(item: Mapping[str, Any]) -> ListedObject:
    """Read an object resource of a listing."""
    return ListedObject(
        name=item["name"],
        size=int(item.get("size", 0)),
        generation=str(item["generation"]),
        md5=listed_md5(item),
        crc32c=item.get("crc32c"),
        cache_control=item.get("cacheControl"),
        metadata=item.get("metadata") or {},
    )


def is_checksum_refusal(error: GoogleApiError) -> bool:
    """Return whether the server refused a write because bytes and checksum do not belong together."""
    return error.status_code == 400


def _multipart(resource: Mapping[str, Any], content: bytes) -> bytes:
    """Return a multipart/related body: the object resource, then the content."""
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
        f"--{_BOUNDARY}\r\nContent-Type: {resource.get('contentType', 'application/octet-stream')}\r\n\r\n"
    )
    return b"".join((head.encode(), content, f"\r\n--{_BOUNDARY}--\r\n".encode()))


def _age(updated: str | None, date: str | None) -> float:
    """Return the seconds between two moments of the server's clock; 0 when one is missing."""
    if not updated or not date:
        return 0.0
    return max(0.0, parsedate_to_datetime(date).timestamp() - datetime.fromisoformat(updated).timestamp())
