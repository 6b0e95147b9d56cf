"""The storage service: routes by path, answers errors in Google's shape, and offers objects to the other services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from localcloud import batch
from localcloud.clock import Clock
from localcloud.errors import ApiError, NotServedError, error_response
from localcloud.settings import Settings
from localcloud.storage import access, buckets, copies, listing, objects, policies, resumable, uploads
from localcloud.storage.call import Call, Parts
from localcloud.storage.catalog import NewObject
from localcloud.storage.preconditions import NotModified
from localcloud.storage.resources import timestamp
from localcloud.storage.tables import create_tables
from localcloud.store import Store

Handler = Callable[[Call], Awaitable[Response]]
# Google forgets a resumable upload session after a week.
_SESSION_DAYS = 7


async def _insert(call: Call) -> Response:
    """Serve the upload paths: one request, or the beginning of a session."""
    if call.query.get("uploadType") == "resumable":
        return await (resumable.proceed if "upload_id" in call.query else resumable.start)(call)
    return await uploads.insert(call)


def _routes() -> dict[tuple[str, str, int], list[tuple[list[str | None], str, Handler]]]:
    """Return (area, HTTP method, number of segments) -> [(literals, None for a name; method id; handler)]."""
    bucket, item = "b/*", "b/*/o/*"
    table: list[tuple[str, str, str, str, Handler]] = [
        ("json", "GET", "b", "buckets.list", buckets.list_buckets),
        ("json", "POST", "b", "buckets.insert", buckets.insert),
        ("json", "GET", bucket, "buckets.get", buckets.get),
        ("json", "PATCH", bucket, "buckets.patch", buckets.patch),
        ("json", "PUT", bucket, "buckets.update", buckets.update),
        ("json", "DELETE", bucket, "buckets.delete", buckets.delete),
        ("json", "POST", f"{bucket}/lockRetentionPolicy", "buckets.lockRetentionPolicy", buckets.lock_retention_policy),
        ("json", "GET", f"{bucket}/iam", "buckets.getIamPolicy", policies.get_iam_policy),
        ("json", "PUT", f"{bucket}/iam", "buckets.setIamPolicy", policies.set_iam_policy),
        ("json", "GET", f"{bucket}/iam/testPermissions", "buckets.testIamPermissions", policies.test_iam_permissions),
        ("json", "GET", f"{bucket}/storageLayout", "buckets.getStorageLayout", policies.get_storage_layout),
        ("json", "GET", f"{bucket}/managedFolders", "managedFolders.list", policies.list_nothing),
        ("json", "GET", f"{bucket}/folders", "folders.list", policies.list_nothing),
        ("json", "GET", f"{bucket}/anywhereCaches", "anywhereCaches.list", policies.list_nothing),
        ("json", "GET", f"{bucket}/notificationConfigs", "notifications.list", policies.list_notifications),
        ("json", "POST", f"{bucket}/notificationConfigs", "notifications.insert", policies.insert_notification),
        ("json", "GET", f"{bucket}/notificationConfigs/*", "notifications.get", policies.get_notification),
        ("json", "DELETE", f"{bucket}/notificationConfigs/*", "notifications.delete", policies.delete_notification),
        ("json", "GET", "projects/*/serviceAccount", "projects.serviceAccount.get", policies.get_service_account),
        ("json", "GET", f"{bucket}/o", "objects.list", listing.list_objects),
        ("json", "POST", f"{bucket}/o", "objects.insert", uploads.insert_without_media),
        ("json", "GET", item, "objects.get", objects.get),
        ("json", "PATCH", item, "objects.patch", objects.patch),
        ("json", "PUT", item, "objects.update", objects.update),
        ("json", "DELETE", item, "objects.delete", objects.delete),
        ("json", "POST", f"{item}/compose", "objects.compose", copies.compose),
        ("json", "POST", f"{item}/copyTo/b/*/o/*", "objects.copy", copies.copy),
        ("json", "POST", f"{item}/rewriteTo/b/*/o/*", "objects.rewrite", copies.rewrite),
        ("json", "POST", f"{item}/moveTo/o/*", "objects.move", copies.move),
        ("json", "POST", f"{item}/restore", "objects.restore", copies.restore),
        ("json", "GET", f"{item}/iam/testPermissions", "objects.testIamPermissions", policies.test_iam_permissions),
        ("download", "GET", item, "objects.get", objects.download),
        ("download", "HEAD", item, "objects.get", objects.download),
        ("upload", "POST", f"{bucket}/o", "objects.insert", _insert),
        ("upload", "PUT", f"{bucket}/o", "objects.insert", resumable.proceed),
        ("upload", "DELETE", f"{bucket}/o", "objects.insert", resumable.cancel),
    ]
    for path, collection, resource in (
        (f"{bucket}/acl", "acl", "bucketAccessControls"),
        (f"{bucket}/defaultObjectAcl", "defaultObjectAcl", "defaultObjectAccessControls"),
        (f"{item}/acl", "o", "objectAccessControls"),
    ):
        handlers = access.handlers(collection)
        table += [
            ("json", "GET", path, f"{resource}.list", handlers["list"]),
            ("json", "POST", path, f"{resource}.insert", handlers["insert"]),
            ("json", "GET", f"{path}/*", f"{resource}.get", handlers["get"]),
            ("json", "PATCH", f"{path}/*", f"{resource}.patch", handlers["update"]),
            ("json", "PUT", f"{path}/*", f"{resource}.update", handlers["update"]),
            ("json", "DELETE", f"{path}/*", f"{resource}.delete", handlers["delete"]),
        ]
    routes: dict[tuple[str, str, int], list[tuple[list[str | None], str, Handler]]] = {}
    for area, http_method, path, method, handler in table:
        literals = [None if segment == "*" else segment for segment in path.split("/")]
        routes.setdefault((area, http_method, len(literals)), []).append((literals, f"storage.{method}", handler))
    return routes


_AREAS = (
    ("/storage/v1/", "json"),
    ("/upload/storage/v1/", "upload"),
    ("/resumable/upload/storage/v1/", "upload"),
    ("/download/storage/v1/", "download"),
)
_ROUTES = _routes()


class StorageService:
    """Cloud Storage of one instance."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        """Create missing tables and clean up what a killed server left behind."""
        create_tables(store.connection)
        self.parts = Parts(settings, store, clock)
        with store.transaction() as connection:
            resumable.forget_old_sessions(connection, timestamp(clock.now() - timedelta(days=_SESSION_DAYS)))
        self.parts.catalog.purge_expired()
        self.parts.contents.sweep()

    def read_object(self, bucket: str, name: str) -> bytes:
        """Return the content of an object. Raises ApiError 404."""
        row = self.parts.catalog.object(bucket, name)
        return b"".join(self.parts.contents.open(row.content, row.size).chunks())

    def object_exists(self, bucket: str, name: str) -> bool:
        """Return whether there is a live object of this name."""
        return self.parts.catalog.find_object(bucket, name) is not None

    def list_objects(self, bucket: str, prefix: str) -> dict[str, int]:
        """Return the generations of the live objects whose names begin with `prefix`, by name."""
        return self.parts.catalog.generations(bucket, prefix)

    def read_chunks(self, bucket: str, name: str) -> tuple[int, Iterator[bytes]]:
        """Return the generation of an object and its content in pieces. Raises ApiError 404."""
        row = self.parts.catalog.object(bucket, name)
        return row.generation, self.parts.contents.open(row.content, row.size).chunks()

    def write_object(
        self, bucket: str, name: str, data: bytes | Iterable[bytes], content_type: str = "application/octet-stream"
    ) -> int:
        """Create or replace an object, given whole or in pieces; return its generation.

        Raises ApiError 404 without its bucket, OSError or sqlite3.OperationalError.
        """
        writer = self.parts.contents.writer()
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                writer.write(piece)
            content = writer.finish()
        finally:
            writer.discard()
        metadata = {"contentType": content_type}
        new = NewObject(bucket, name, content.size, content.crc32c, content.md5, content, metadata=metadata)
        row, _bucket = self.parts.catalog.put_object(new)
        return row.generation

    def delete_object(self, bucket: str, name: str) -> None:
        """Delete an object. Raises ApiError 404, or 403 when it is protected."""
        self.parts.catalog.delete_object(bucket, name, None)

    def bucket_exists(self, bucket: str) -> bool:
        """Return whether there is a bucket of this name."""
        return self.parts.catalog.find_bucket(bucket) is not None

    def ensure_bucket(self, bucket: str, project: str, location: str) -> None:
        """Create a bucket with default settings unless it exists. Raises ApiError 400 for a bad name or location."""
        if self.parts.catalog.find_bucket(bucket) is None:
            buckets.create_bucket(self.parts, project, {"name": bucket, "location": location})

    async def handle(self, request: Request, principal: str) -> Response:
        """Answer one request to Cloud Storage. Raises OSError or sqlite3.OperationalError when the disk is full."""
        path: str = request.scope["raw_path"].decode("ascii", "replace")
        if path.startswith("/batch"):
            try:
                return await batch.serve(request, lambda inner: self._handle_one(inner, principal))
            except ApiError as error:
                return error_response(error, legacy=True)
        return await self._handle_one(request, principal, path)

    async def _handle_one(self, request: Request, principal: str, path: str | None = None) -> Response:
        path = request.scope["raw_path"].decode("ascii", "replace") if path is None else path
        try:
            method, names, handler = route(request.method, path)
            return await handler(Call(self.parts, request, principal, method, names))
        except NotModified:
            return Response(status_code=304)
        except ClientDisconnect:
            # Nobody is left to read it; the journal shows why the request ended.
            return Response(status_code=499)
        except NotServedError:
            raise
        except ApiError as error:
            if path.startswith("/download/") or b"alt=media" in request.scope["query_string"]:
                return Response(error.message, error.code, error.headers, media_type="text/html")
            return error_response(error, legacy=True)


def route(http_method: str, path: str) -> tuple[str, tuple[str, ...], Handler]:
    """Return (method id, decoded names, handler) of a raw path. Raises NotServedError, ApiError 400 for bad UTF-8."""
    for prefix, area in _AREAS:
        if path.startswith(prefix):
            segments = path[len(prefix) :].split("/")
            for literals, method, handler in _ROUTES.get((area, http_method, len(segments)), ()):
                if all(
                    literal is None or literal == segment for literal, segment in zip(literals, segments, strict=True)
                ):
                    names = [segment for literal, segment in zip(literals, segments, strict=True) if literal is None]
                    try:
                        return (
                            method,
                            tuple([unquote(name, errors="strict") if "%" in name else name for name in names]),
                            handler,
                        )
                    except UnicodeDecodeError as error:
                        raise ApiError(400, "The name in the path is not valid UTF-8.") from error
    raise NotServedError(f"storage: {http_method} {path}")


def create_service(settings: Settings, store: Store, clock: Clock) -> StorageService:
    """Return the storage service of an instance, ready to serve."""
    return StorageService(settings, store, clock)
