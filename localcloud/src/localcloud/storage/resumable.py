"""Resumable uploads: sessions in the database, received bytes in a file, so that both survive the server's death."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any, NamedTuple

from starlette.responses import Response

from localcloud.errors import ApiError
from localcloud.storage.call import Call
from localcloud.storage.content import CHUNK, LARGEST_INLINE, Content, Hashes, Progress, write_all
from localcloud.storage.ranges import parse_content_range
from localcloud.storage.resources import check_object_name, dump, timestamp
from localcloud.storage.uploads import Upload, create

# The fewest bytes that a request of a session carries, unless it is the last one.
_SMALLEST = 256 << 10


class Session(NamedTuple):
    """A stored session; `result` is the finished object's JSON."""

    id: str
    bucket: str
    name: str
    metadata: str
    query: str
    principal: str
    total: int | None
    file: str
    created: str
    result: str | None


async def start(call: Call) -> Response:
    """Begin a session: check what can be checked already and answer its address."""
    body = await call.body()
    bucket = call.names[0]
    name = call.query.get("name") or body.get("name")
    if not isinstance(name, str):
        raise ApiError(400, "Required parameter: name", reason="required")
    check_object_name(name)
    call.catalog.bucket(bucket)
    live = call.catalog.find_object(bucket, name)
    call.conditions().check(*((live.generation, live.metageneration) if live else (0, 0)))
    content_type = call.headers.get("x-upload-content-type")
    if content_type and not body.get("contentType"):
        body["contentType"] = content_type
    announced = call.headers.get("x-upload-content-length", "")
    identifier = "AD" + secrets.token_urlsafe(48)
    query = {key: value for key, value in call.query.items() if key not in ("uploadType", "alt", "prettyPrint")}
    with call.catalog.transaction() as connection:
        connection.execute(
            "INSERT INTO storage_uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                identifier,
                bucket,
                name,
                dump(body),
                dump(query | {"name": name}),
                call.principal,
                int(announced) if announced.isdigit() else None,
                secrets.token_hex(16),
                timestamp(call.parts.clock.now()),
            ),
        )
    path = call.request.scope["raw_path"].decode("ascii")
    host = call.headers.get("host", "storage.googleapis.com")
    query_string = call.request.scope["query_string"].decode("ascii")
    location = f"https://{host}{path}?{query_string}&upload_id={identifier}"
    headers = {"Location": location, "X-GUploader-UploadID": identifier, "Content-Type": "text/plain; charset=utf-8"}
    return Response(b"", 200, headers)


def _find(call: Call) -> Session:
    identifier = call.query.get("upload_id", "")
    connection = call.parts.store.connection
    row = connection.execute("SELECT * FROM storage_uploads WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        raise ApiError(404, f"No such resumable upload session: {identifier}; it was cancelled or is too old.")
    return Session._make(row)


async def proceed(call: Call) -> Response:
    """Take one request of a session: bytes, the final bytes, or a status query."""
    progress = call.parts.uploads.setdefault(_find(call).id, Progress())
    async with progress.lock:
        # While this request waited, another one may have finished or cancelled the session.
        session = _find(call)
        if session.result is not None:
            call.parts.uploads.pop(session.id, None)
            return call.answer(session.result)
        descriptor = os.open(
            call.parts.contents.incoming / session.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            _catch_up(descriptor, progress)
            if await _receive(call, session, progress, descriptor):
                return _finish(call, session, progress, descriptor)
            return _incomplete(progress.hashes.size)
        finally:
            os.close(descriptor)


async def _receive(call: Call, session: Session, progress: Progress, descriptor: int) -> bool:
    """Append the bytes of a request; returns whether the upload is complete. Raises ApiError 400, keeping none then."""
    header = call.headers.get("content-range")
    asked = parse_content_range(header)
    before = progress.hashes.size
    if asked.first is None:
        return before == (asked.total if asked.total is not None else session.total)
    if asked.first > before:
        raise ApiError(
            400,
            f"Invalid request. According to the Content-Range header, the upload offset is {asked.first} byte(s), "
            f"which exceeds already uploaded size of {before} byte(s).",
            reason="badRequest",
        )
    # Bytes that a repeated request sends again are there already.
    skip, sent = before - asked.first, 0
    async for chunk in call.request.stream():
        sent += len(chunk)
        fresh, skip = chunk[skip:], max(0, skip - len(chunk))
        if fresh:
            write_all(descriptor, fresh)
            progress.hashes.update(fresh)
    if header is None or (asked.total is None and asked.end is None):
        return True
    if asked.total is None and sent < _SMALLEST:
        problem = f"contained {sent} bytes, expected at least {_SMALLEST} in every request but the last"
    elif asked.total is not None and progress.hashes.size > asked.total:
        problem = f"ended at byte {progress.hashes.size}, behind the size {asked.total} that its Content-Range names"
    elif asked.total is not None and progress.hashes.size < asked.total and sent < _SMALLEST:
        problem = f"contained {sent} bytes, expected at least {_SMALLEST} in every request but the last"
    else:
        return progress.hashes.size == asked.total
    os.ftruncate(descriptor, before)
    _catch_up(descriptor, progress)
    raise ApiError(400, f"Invalid request. The received request {problem}.", reason="badRequest")


def _catch_up(descriptor: int, progress: Progress) -> None:
    """Make the running hashes cover what the file holds: after a restart they start anew."""
    received = os.fstat(descriptor).st_size
    if progress.hashes.size == received:
        return
    progress.hashes = Hashes()
    while progress.hashes.size < received:
        progress.hashes.update(os.pread(descriptor, CHUNK, progress.hashes.size))


def _incomplete(received: int) -> Response:
    headers = {"Range": f"bytes=0-{received - 1}"} if received else {}
    return Response(status_code=308, headers=headers)


def _finish(call: Call, session: Session, progress: Progress, descriptor: int) -> Response:
    """Turn a complete upload into an object, in the same transaction that marks the session as finished."""
    contents = call.parts.contents
    path = contents.incoming / session.file
    hashes = progress.hashes
    query: dict[str, str] = json.loads(session.query)
    body: dict[str, Any] = json.loads(session.metadata)
    inline = hashes.size <= LARGEST_INLINE
    data = os.pread(descriptor, hashes.size, 0) if inline else None
    content = Content(hashes.size, hashes.md5, hashes.crc32c, data, None if inline else contents.adopt(path))
    path.unlink(missing_ok=True)
    try:
        with call.catalog.transaction() as connection:
            text = create(call, Upload(session.bucket, query, body, None), content)
            connection.execute("UPDATE storage_uploads SET result = ? WHERE id = ?", (text, session.id))
    except ApiError:
        _forget(call, session)
        raise
    call.parts.uploads.pop(session.id, None)
    return call.answer(text)


def _forget(call: Call, session: Session) -> None:
    call.parts.uploads.pop(session.id, None)
    (call.parts.contents.incoming / session.file).unlink(missing_ok=True)
    with call.catalog.transaction() as connection:
        connection.execute("DELETE FROM storage_uploads WHERE id = ?", (session.id,))


async def cancel(call: Call) -> Response:
    """Cancel a session; 499 is Google's answer to that."""
    _forget(call, _find(call))
    return Response(status_code=499, headers={"Content-Length": "0"})


def forget_old_sessions(connection: Any, before: str) -> None:
    """Delete sessions begun before an instant; Google keeps them for a week."""
    connection.execute("DELETE FROM storage_uploads WHERE created < ?", (before,))
