"""objects.insert in one request: uploadType=media and uploadType=multipart."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.multipart import LARGEST_HEAD, boundary_of, media_end, split_related_head, tail_length
from localcloud.storage.access import initial_acl, with_access
from localcloud.storage.call import Call, parse_object
from localcloud.storage.catalog import NewObject
from localcloud.storage.content import Content, ContentWriter, verify_hashes
from localcloud.storage.preconditions import parse_conditions
from localcloud.storage.resources import check_storage_class, writable_metadata

# A request up to this size is taken from memory in one piece.
_SMALL = 1 << 20


async def insert(call: Call) -> Response:
    """Serve storage.objects.insert on the upload paths, by upload type."""
    upload_type = call.query.get("uploadType")
    if upload_type == "multipart":
        return await _multipart(call)
    if upload_type == "media":
        return await _media(call)
    raise ApiError(
        400,
        f"Invalid value for parameter uploadType: '{upload_type}', expected media, multipart or resumable",
        reason="invalidParameter",
    )


async def insert_without_media(call: Call) -> Response:
    """Serve storage.objects.insert on the metadata path, which creates an empty object."""
    body = await call.body()
    return _finish(call, body, call.parts.contents.writer(), None)


async def _media(call: Call) -> Response:
    writer = call.parts.contents.writer()
    try:
        async for chunk in call.request.stream():
            if chunk:
                writer.write(chunk)
        return _finish(call, {}, writer, call.headers.get("content-type"))
    finally:
        writer.discard()


async def _multipart(call: Call) -> Response:
    """Read metadata and media; all but the end, where the closing boundary is, is written as it arrives."""
    delimiter = boundary_of(call.headers.get("content-type", ""))
    writer = call.parts.contents.writer()
    held = tail_length(delimiter)
    try:
        if int(call.headers.get("content-length", _SMALL + 1)) <= _SMALL:
            tail = await call.request.body()
            head = split_related_head(tail, delimiter)
            if head is not None:
                tail = tail[head.media_start :]
        else:
            head, tail = None, b""
            async for chunk in call.request.stream():
                tail += chunk
                if head is None:
                    head = split_related_head(tail, delimiter)
                    if head is None:
                        if len(tail) > LARGEST_HEAD:
                            break
                        continue
                    tail = tail[head.media_start :]
                if len(tail) > held:
                    writer.write(tail[:-held])
                    tail = tail[-held:]
        if head is None:
            raise ApiError(400, "Missing end boundary in multipart body.", reason="badContent")
        writer.write(tail[: media_end(tail, delimiter, head.line_end)])
        return _finish(call, parse_object(head.metadata), writer, head.media_headers.get("content-type"))
    finally:
        writer.discard()


def _finish(call: Call, body: dict[str, Any], writer: ContentWriter, content_type: str | None) -> Response:
    content = writer.finish()
    return call.answer(create(call, Upload(call.names[0], call.query, body, content_type), content))


class Upload(NamedTuple):
    """What came with a content: the query its upload began with, the Object in its body, the type of its media."""

    bucket: str
    query: dict[str, str]
    body: dict[str, Any]
    content_type: str | None


def create(call: Call, upload: Upload, content: Content) -> str:
    """Verify a complete upload and put the object in place; returns its JSON resource.

    Raises ApiError 400, 404 or 412 and removes the content then.
    """
    query, body = upload.query, upload.body
    try:
        name = query.get("name") or body.get("name")
        if not isinstance(name, str):
            raise ApiError(400, "Required parameter: name", reason="required")
        conditions = parse_conditions(query)
        verify_hashes(content, body.get("md5Hash"), body.get("crc32c"))
        metadata = writable_metadata(body)
        if upload.content_type and not metadata.get("contentType"):
            metadata["contentType"] = upload.content_type
        if query.get("contentEncoding"):
            metadata["contentEncoding"] = query["contentEncoding"]
        storage_class = check_storage_class(body["storageClass"]) if body.get("storageClass") else None
        acl = initial_acl(call, upload.bucket, query.get("predefinedAcl"))
    except BaseException:
        call.parts.contents.drop(content)
        raise
    new = NewObject(
        upload.bucket,
        name,
        content.size,
        content.crc32c,
        content.md5,
        content,
        metadata=metadata,
        storage_class=storage_class,
        kms_key=query.get("kmsKeyName"),
        acl=acl,
    )
    row, bucket = call.catalog.put_object(new, conditions)
    return with_access(call, row, bucket, query.get("projection", "noAcl"))
