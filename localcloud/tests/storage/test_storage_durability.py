"""Nothing half-applied: a full disk, a killed server, a failing commit."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from contextlib import contextmanager

import pytest

from localcloud.storage import content
from localcloud.store import disk_full

LARGE = b"x" * 200_000
UPLOAD = "/upload/storage/v1/b/shelf/o"


@contextmanager
def full_disk():
    token = disk_full.set(True)
    try:
        yield
    finally:
        disk_full.reset(token)


def state(client):
    """Return everything stored: names, rows of contents, files."""
    (rows,) = client.store.connection.execute("SELECT count(*) FROM storage_contents").fetchone()
    return client.names(), rows, client.files()


@pytest.mark.parametrize("body", [b"small", LARGE])
def test_a_full_disk_changes_nothing_and_later_uploads_work(shelf, body):
    shelf.upload("kept", LARGE)
    before = state(shelf)
    with full_disk():
        for name in ("kept", "new"):
            with pytest.raises((OSError, sqlite3.OperationalError)):
                shelf.upload(name, body)
            with pytest.raises((OSError, sqlite3.OperationalError)):
                shelf.multipart({"name": name}, body)
        with pytest.raises((OSError, sqlite3.OperationalError)):
            shelf.call("DELETE", "/storage/v1/b/shelf/o/kept")
    assert state(shelf) == before
    assert shelf.object("kept", alt="media").body == LARGE
    assert shelf.upload("new", body).status == 200


def test_a_disk_that_fills_up_in_the_middle_of_a_file(shelf, monkeypatch):
    before = state(shelf)
    written = []

    def write(descriptor, data):
        written.append(len(data))
        if len(written) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    real = content.os.write
    monkeypatch.setattr(content.os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(shelf.send("POST", UPLOAD, pieces=[LARGE, LARGE], uploadType="media", name="a"))
    assert len(written) == 2
    assert state(shelf) == before


def test_a_resumable_upload_survives_a_disk_that_is_full_for_a_while(shelf):
    started = shelf.call("POST", UPLOAD, {}, uploadType="resumable", name="a")
    session = started.headers["location"].removeprefix("https://storage.googleapis.com")
    with full_disk(), pytest.raises(OSError, match="space"):
        shelf.call("PUT", session, LARGE)
    assert shelf.names() == []
    assert shelf.call("PUT", session, LARGE).status == 200
    assert shelf.object("a", alt="media").body == LARGE


def test_a_failing_commit_removes_the_new_content_and_keeps_the_old(shelf, monkeypatch):
    shelf.upload("a", LARGE)
    before = state(shelf)
    catalog = shelf.service.parts.catalog
    insert = catalog._insert

    def insert_and_fail(*arguments):
        insert(*arguments)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(catalog, "_insert", insert_and_fail)
    with pytest.raises(sqlite3.OperationalError):
        shelf.upload("a", LARGE + b"y")
    assert state(shelf) == before
    assert shelf.object("a", alt="media").body == LARGE


def test_what_is_stored_survives_a_kill_and_leftovers_are_swept(shelf):
    shelf.upload("small", b"s")
    shelf.upload("large", LARGE)
    resources = [shelf.object(name).json for name in ("small", "large")]
    session = shelf.call("POST", UPLOAD, {}, uploadType="resumable", name="b").headers["location"]
    session = session.removeprefix("https://storage.googleapis.com")
    shelf.call("PUT", session, b"x" * (256 << 10), headers={"content-range": f"bytes 0-{(256 << 10) - 1}/*"})
    wanted = shelf.files()
    directory = shelf.settings.objects_directory
    # A server killed between writing a file, renaming it, and committing its row leaves these.
    (directory / "incoming" / "0123").write_bytes(b"unfinished")
    (directory / "ab").mkdir(exist_ok=True)
    (directory / "ab" / "abcd").write_bytes(b"renamed, never committed")
    shelf.restart()
    assert shelf.files() == wanted
    assert [shelf.object(name).json for name in ("small", "large")] == resources
    assert shelf.object("large", alt="media").body == LARGE
    newer = shelf.upload("small", b"s").json["generation"]
    assert int(newer) > max(int(resource["generation"]) for resource in resources)


def test_generations_rise_even_when_the_clock_goes_back(shelf):
    from datetime import timedelta

    first = int(shelf.upload("a").json["generation"])
    shelf.now -= timedelta(days=1)
    assert int(shelf.upload("a").json["generation"]) > first
    shelf.restart()
    assert int(shelf.upload("a").json["generation"]) > first + 1
