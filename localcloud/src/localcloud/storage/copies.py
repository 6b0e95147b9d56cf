"""objects.copy, rewrite, move, compose and restore: new generations out of stored contents."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.storage.access import initial_acl, with_access
from localcloud.storage.call import Call
from localcloud.storage.catalog import BucketRow, NewObject, ObjectRow
from localcloud.storage.preconditions import Conditions, parse_integer
from localcloud.storage.resources import OBJECT_FIELDS, check_storage_class, dump, writable_metadata

_MOST_COMPONENTS = 32


def _source(call: Call, bucket: str, name: str) -> ObjectRow:
    row = call.catalog.object(bucket, name, call.integer("sourceGeneration"))
    call.conditions("ifSource").check(row.generation, row.metageneration)
    return row


def _copy(call: Call, source: ObjectRow, bucket: str, name: str, body: dict[str, Any]) -> tuple[ObjectRow, BucketRow]:
    """Put a copy of `source` in place; it shares the stored content. A body replaces the metadata of the source."""
    resource = json.loads(source.resource)
    metadata = writable_metadata(body)
    if not metadata:
        metadata = {
            field: resource[field] for field in OBJECT_FIELDS if field in resource and not field.endswith("Hold")
        }
    elif "contentType" not in metadata and "contentType" in resource:
        metadata["contentType"] = resource["contentType"]
    storage_class = check_storage_class(body["storageClass"]) if body.get("storageClass") else None
    new = NewObject(
        bucket,
        name,
        source.size,
        resource["crc32c"],
        resource.get("md5Hash"),
        content_id=source.content,
        metadata=metadata,
        storage_class=storage_class,
        kms_key=call.query.get("destinationKmsKeyName"),
        acl=initial_acl(call, bucket, call.query.get("destinationPredefinedAcl")),
        component_count=resource.get("componentCount"),
    )
    return call.catalog.put_object(new, call.conditions())


async def copy(call: Call) -> Response:
    """Serve storage.objects.copy."""
    source_bucket, source_name, bucket, name = call.names
    body = await call.body()
    with call.catalog.transaction():
        row, bucket_row = _copy(call, _source(call, source_bucket, source_name), bucket, name, body)
    return call.answer(with_access(call, row, bucket_row, call.query.get("projection", "noAcl")))


async def rewrite(call: Call) -> Response:
    """Serve storage.objects.rewrite.

    It is done in one step, unless the caller limits the bytes per call: then the calls before the last only hand out
    tokens that count the bytes.
    """
    source_bucket, source_name, bucket, name = call.names
    body = await call.body()
    with call.catalog.transaction():
        source = _source(call, source_bucket, source_name)
        limit = call.integer("maxBytesRewrittenPerCall")
        if limit is not None and (limit <= 0 or limit % (1 << 20)):
            raise ApiError(
                400, f"Invalid value for maxBytesRewrittenPerCall: {limit} is not a positive multiple of 1 MiB."
            )
        done = _rewritten(call.query.get("rewriteToken"), source) + (limit or source.size)
        answer: dict[str, Any] = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(min(done, source.size)),
            "objectSize": str(source.size),
            "done": done >= source.size,
        }
        if done < source.size:
            return call.answer_value(answer | {"rewriteToken": f"{source.generation}.{done}"})
        row, bucket_row = _copy(call, source, bucket, name, body)
    answer["resource"] = json.loads(with_access(call, row, bucket_row, call.query.get("projection", "noAcl")))
    return call.answer_value(answer)


def _rewritten(token: str | None, source: ObjectRow) -> int:
    """Return how many bytes earlier calls of a rewrite have done. Raises ApiError 400 for a foreign token."""
    if not token:
        return 0
    generation, _, done = token.partition(".")
    if generation != str(source.generation) or not done.isdigit():
        raise ApiError(400, "The rewriteToken does not belong to this source object.")
    return int(done)


async def move(call: Call) -> Response:
    """Serve storage.objects.move: rename within one bucket, atomically."""
    bucket, source_name, name = call.names
    with call.catalog.transaction():
        source = _source(call, bucket, source_name)
        row, bucket_row = _copy(call, source, bucket, name, {})
        if source.name != name:
            call.catalog.delete_object(bucket, source_name, None)
    return call.answer(with_access(call, row, bucket_row, call.query.get("projection", "noAcl")))


async def compose(call: Call) -> Response:
    """Serve storage.objects.compose: concatenate up to 32 objects of one bucket into one."""
    bucket, name = call.names
    body = await call.body()
    sources = body.get("sourceObjects")
    if not isinstance(sources, list) or not sources:
        raise ApiError(400, "You must provide at least one source component.", reason="required")
    if len(sources) > _MOST_COMPONENTS:
        raise ApiError(
            400, f"The number of source components provided ({len(sources)}) exceeds the maximum ({_MOST_COMPONENTS})"
        )
    rows = [_component(call, bucket, source) for source in sources]
    writer = call.parts.contents.writer()
    try:
        readers = [call.parts.contents.open(row.content, row.size) for row in rows]
        try:
            for reader in readers:
                for chunk in reader.chunks():
                    writer.write(chunk)
                    await asyncio.sleep(0)
        finally:
            for reader in readers:
                reader.close()
        content = writer.finish()
    finally:
        writer.discard()
    destination = body.get("destination") if isinstance(body.get("destination"), dict) else {}
    resources = [json.loads(row.resource) for row in rows]
    try:
        metadata = writable_metadata(destination)
        storage_class = check_storage_class(destination["storageClass"]) if destination.get("storageClass") else None
        acl = initial_acl(call, bucket, call.query.get("destinationPredefinedAcl"))
    except ApiError:
        call.parts.contents.drop(content)
        raise
    if "contentType" not in metadata and "contentType" in resources[0]:
        metadata["contentType"] = resources[0]["contentType"]
    new = NewObject(
        bucket,
        name,
        content.size,
        content.crc32c,
        content=content,
        metadata=metadata,
        storage_class=storage_class,
        kms_key=call.query.get("kmsKeyName"),
        acl=acl,
        component_count=sum(resource.get("componentCount", 1) for resource in resources),
    )
    row, bucket_row = call.catalog.put_object(new, call.conditions())
    return call.answer(with_access(call, row, bucket_row, call.query.get("projection", "noAcl")))


def _component(call: Call, bucket: str, source: Any) -> ObjectRow:
    if not isinstance(source, dict) or not isinstance(source.get("name"), str):
        raise ApiError(400, f"A source component needs a name: {dump(source)}", reason="required")
    generation = source.get("generation")
    row = call.catalog.object(
        bucket, source["name"], parse_integer("generation", str(generation)) if generation is not None else None
    )
    wanted = (source.get("objectPreconditions") or {}).get("ifGenerationMatch")
    if wanted is not None:
        Conditions(generation_match=parse_integer("ifGenerationMatch", str(wanted))).check(
            row.generation, row.metageneration
        )
    return row


async def restore(call: Call) -> Response:
    """Serve storage.objects.restore: a soft-deleted generation comes back as a new live one."""
    bucket, name = call.names
    generation = call.integer("generation")
    if generation is None:
        raise ApiError(400, "Required parameter: generation", reason="required")
    call.catalog.purge_expired()
    with call.catalog.transaction():
        source = call.catalog.object(bucket, name, generation, soft_deleted=True)
        row, bucket_row = _copy(call, source, bucket, name, {})
        call.catalog.forget(source)
    return call.answer(with_access(call, row, bucket_row, call.query.get("projection", "noAcl")))
