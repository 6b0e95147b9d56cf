"""storage.objects: get (metadata and media), patch, update, delete."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse

from localcloud.storage.access import is_uniform, predefined_entries, with_access
from localcloud.storage.call import Call, no_content
from localcloud.storage.catalog import ObjectRow
from localcloud.storage.ranges import ByteRange, parse_range
from localcloud.storage.resources import OBJECT_FIELDS, dump, merge_metadata, object_etag, writable_metadata


async def get(call: Call) -> Response:
    """Serve storage.objects.get: the resource, or with alt=media the content."""
    soft_deleted = call.flag("softDeleted")
    if soft_deleted:
        call.catalog.purge_expired()
    row = call.catalog.object(call.names[0], call.names[1], call.integer("generation"), soft_deleted)
    call.conditions().check(row.generation, row.metageneration, reading=True)
    if call.query.get("alt") == "media":
        return media_response(call, row)
    projection = call.query.get("projection", "noAcl")
    text = row.resource
    if projection == "full":
        text = with_access(call, row, call.catalog.bucket(row.bucket), projection)
    return call.answer(text, headers={"ETag": object_etag(row.generation, row.metageneration)})


async def download(call: Call) -> Response:
    """Serve the download path, which answers the content even without alt=media."""
    row = call.catalog.object(call.names[0], call.names[1], call.integer("generation"))
    call.conditions().check(row.generation, row.metageneration, reading=True)
    return media_response(call, row)


def _media_headers(row: ObjectRow, resource: dict[str, Any]) -> dict[str, str]:
    hashes = f"crc32c={resource['crc32c']}"
    if "md5Hash" in resource:
        hashes += f",md5={resource['md5Hash']}"
    headers = {
        "Content-Type": _header_text(resource.get("contentType") or "application/octet-stream"),
        "ETag": resource["etag"],
        "Last-Modified": format_datetime(datetime.fromisoformat(resource["updated"]), usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": _header_text(resource.get("cacheControl") or "no-cache, no-store, max-age=0, must-revalidate"),
        "X-Goog-Generation": str(row.generation),
        "X-Goog-Metageneration": str(row.metageneration),
        "X-Goog-Hash": hashes,
        "X-Goog-Storage-Class": resource["storageClass"],
        "X-Goog-Stored-Content-Encoding": resource.get("contentEncoding") or "identity",
        "X-Goog-Stored-Content-Length": str(row.size),
        "Vary": "Origin",
    }
    for header, field in (
        ("Content-Encoding", "contentEncoding"),
        ("Content-Language", "contentLanguage"),
        ("Content-Disposition", "contentDisposition"),
    ):
        if resource.get(field):
            headers[header] = _header_text(resource[field])
    return headers


def _header_text(value: str) -> str:
    """Return a metadata value as a header can carry it."""
    return value.encode("latin-1", "replace").decode("latin-1").replace("\r", " ").replace("\n", " ")


def media_response(call: Call, row: ObjectRow) -> Response:
    """Return the content of a generation, or the range asked for. Raises ApiError 416."""
    headers = _media_headers(row, json.loads(row.resource))
    asked = parse_range(call.headers.get("range"), row.size)
    part = asked or ByteRange(0, row.size)
    status = 200
    if asked is not None:
        status = 206
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{row.size}"
    headers["Content-Length"] = str(part.end - part.start)
    if call.request.method == "HEAD":
        return Response(b"", status, headers)
    reader = call.parts.contents.open(row.content, row.size)
    if reader.inline is not None:
        return Response(reader.inline[part.start : part.end], status, headers)
    return StreamingResponse(_stream(reader.chunks(part.start, part.end)), status, headers)


async def _stream(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read a file off the event loop, and close it also when the client goes away."""
    try:
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        chunks.close()


async def patch(call: Call) -> Response:
    """Serve storage.objects.patch: null removes a field, custom metadata merges key by key."""
    return _change(call, await call.body(), replace=False)


async def update(call: Call) -> Response:
    """Serve storage.objects.update: what the body leaves out is removed."""
    return _change(call, await call.body(), replace=True)


def _change(call: Call, body: dict[str, Any], replace: bool) -> Response:
    changes = writable_metadata(body)
    with call.catalog.transaction():
        row = call.catalog.object(call.names[0], call.names[1], call.integer("generation"))
        call.conditions().check(row.generation, row.metageneration)
        bucket = call.catalog.bucket(row.bucket)
        resource = json.loads(row.resource)
        if replace:
            resource = {name: value for name, value in resource.items() if name not in OBJECT_FIELDS}
        merge_metadata(resource, changes)
        acl = row.acl
        if "predefinedAcl" in call.query and not is_uniform(bucket):
            acl = dump(predefined_entries(call, bucket, call.query["predefinedAcl"]))
        elif isinstance(body.get("acl"), list) and not is_uniform(bucket):
            entries = {entry["entity"]: entry["role"] for entry in body["acl"] if {"entity", "role"} <= entry.keys()}
            acl = dump(entries)
        row = call.catalog.change_metadata(row, resource, acl)
    return call.answer(with_access(call, row, bucket, call.query.get("projection", "full")))


async def delete(call: Call) -> Response:
    """Serve storage.objects.delete."""
    bucket, name = call.names
    call.catalog.delete_object(bucket, name, call.integer("generation"), call.conditions())
    return no_content()
