"""Rows of buckets and object generations, and the one transaction that puts a new generation in place."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from localcloud.clock import Clock
from localcloud.errors import ApiError
from localcloud.storage.content import Content, ContentStore
from localcloud.storage.preconditions import NO_CONDITIONS, Conditions
from localcloud.storage.resources import (
    bucket_etag,
    check_object_name,
    dump,
    merge_metadata,
    object_etag,
    object_resource,
    parse_timestamp,
    timestamp,
)
from localcloud.storage.tables import LIVE, NONCURRENT, SOFT_DELETED
from localcloud.store import Store

_LIVE_OBJECT = "SELECT * FROM storage_objects WHERE bucket = ? AND name = ? AND state = 0"
_GENERATION = "SELECT * FROM storage_objects WHERE bucket = ? AND name = ? AND generation = ? AND state <> 2"
_SOFT_DELETED_GENERATION = (
    "SELECT * FROM storage_objects WHERE bucket = ? AND name = ? AND generation = ? AND state = 2"
)


class BucketRow(NamedTuple):
    """A stored bucket; `soft_delete` is for how many seconds deleted objects are really kept."""

    name: str
    project: str
    metageneration: int
    soft_delete: int
    resource: str
    policy: str | None
    acl: str | None
    default_object_acl: str | None


class ObjectRow(NamedTuple):
    """A stored object generation."""

    id: int
    bucket: str
    name: str
    generation: int
    metageneration: int
    state: int
    size: int
    encrypted: int
    content: int
    resource: str
    acl: str | None
    expires: str | None


@dataclass
class NewObject:
    """A generation to be put in place; its content is either new or, for copies, the id of a stored one."""

    bucket: str
    name: str
    size: int
    crc32c: str
    md5: str | None = None
    content: Content | None = None
    content_id: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    storage_class: str | None = None
    kms_key: str | None = None
    component_count: int | None = None
    acl: str | None = None


class _Pending(NamedTuple):
    """Files of an open transaction: to be removed when it is committed, or when it fails."""

    obsolete: list[str]
    added: list[str]


class Catalog:
    """All reads and writes of bucket and object rows."""

    def __init__(self, store: Store, contents: ContentStore, clock: Clock) -> None:
        """Work on the connection of `store`."""
        self.store = store
        self.contents = contents
        self.clock = clock
        self._connection = store.connection
        row = self._connection.execute("SELECT max(generation) FROM storage_objects").fetchone()
        self._last_generation = row[0] or 0
        self._pending: _Pending | None = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block atomically; files of contents that it released are removed once it is committed.

        A nested block joins the outer one. When the block fails, the files of contents it added are removed instead.
        """
        pending: _Pending | None = None
        try:
            with self.store.transaction() as connection:
                if self._pending is not None:
                    yield connection
                    return
                pending = self._pending = _Pending([], [])
                try:
                    yield connection
                finally:
                    self._pending = None
        except BaseException:
            if pending is not None:
                self.contents.unlink(pending.added)
            raise
        self.contents.unlink(pending.obsolete)

    def _release(self, contents: Iterable[int]) -> None:
        """Let contents go that no object refers to any more, inside a transaction."""
        self._pending.obsolete.extend(self.contents.release(contents))

    def next_generation(self) -> int:
        """Return a generation: microseconds since 1970, higher than every one before."""
        self._last_generation = max(self._last_generation + 1, int(self.clock.now().timestamp() * 1_000_000))
        return self._last_generation

    def find_bucket(self, name: str) -> BucketRow | None:
        """Return the bucket `name`, or None."""
        row = self._connection.execute("SELECT * FROM storage_buckets WHERE name = ?", (name,)).fetchone()
        return BucketRow._make(row) if row else None

    def bucket(self, name: str) -> BucketRow:
        """Return the bucket `name`. Raises ApiError 404."""
        row = self.find_bucket(name)
        if row is None:
            raise ApiError(404, "The specified bucket does not exist.")
        return row

    def list_buckets(self, project: str, prefix: str, after: str, limit: int) -> list[BucketRow]:
        """Return up to `limit` buckets of a project, in order of their names, behind the name `after`."""
        rows = self._connection.execute(
            "SELECT * FROM storage_buckets WHERE project = ? AND name > ? AND substr(name, 1, ?) = ? "
            "ORDER BY name LIMIT ?",
            (project, after, len(prefix), prefix, limit),
        )
        return [BucketRow._make(row) for row in rows]

    def insert_bucket(self, row: BucketRow) -> None:
        """Add a bucket inside the caller's transaction."""
        self._connection.execute("INSERT INTO storage_buckets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def change_bucket(self, row: BucketRow, resource: dict[str, Any]) -> BucketRow:
        """Store a changed bucket inside the caller's transaction, as its next metageneration."""
        metageneration = row.metageneration + 1
        resource |= {
            "metageneration": str(metageneration),
            "etag": bucket_etag(metageneration),
            "updated": timestamp(self.clock.now()),
        }
        changed = row._replace(metageneration=metageneration, resource=dump(resource))
        self._connection.execute(
            "UPDATE storage_buckets SET metageneration = ?, soft_delete = ?, resource = ?, policy = ?, acl = ?, "
            "default_object_acl = ? WHERE name = ?",
            (*changed[2:], changed.name),
        )
        return changed

    def has_objects(self, bucket: str) -> bool:
        """Return whether a bucket holds live or noncurrent objects; soft-deleted ones do not count."""
        row = self._connection.execute(
            "SELECT 1 FROM storage_objects WHERE bucket = ? AND state <> 2 LIMIT 1", (bucket,)
        ).fetchone()
        return row is not None

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket and what is left in it, inside the caller's transaction."""
        self._connection.execute("DELETE FROM storage_buckets WHERE name = ?", (name,))
        self._connection.execute("DELETE FROM storage_notifications WHERE bucket = ?", (name,))
        self._delete_rows("DELETE FROM storage_objects WHERE bucket = ? RETURNING content", name)

    def find_object(
        self, bucket: str, name: str, generation: int | None = None, soft_deleted: bool = False
    ) -> ObjectRow | None:
        """Return the live generation, or the one asked for, or None; soft-deleted ones only when asked for."""
        if generation is None:
            row = self._connection.execute(_LIVE_OBJECT, (bucket, name)).fetchone()
        else:
            statement = _SOFT_DELETED_GENERATION if soft_deleted else _GENERATION
            row = self._connection.execute(statement, (bucket, name, generation)).fetchone()
        return ObjectRow._make(row) if row else None

    def object(self, bucket: str, name: str, generation: int | None = None, soft_deleted: bool = False) -> ObjectRow:
        """Return what find_object finds. Raises ApiError 404, naming the bucket if that is what is missing."""
        row = self.find_object(bucket, name, generation, soft_deleted)
        if row is None:
            self.bucket(bucket)
            suffix = f"#{generation}" if generation is not None else ""
            raise ApiError(404, f"No such object: {bucket}/{name}{suffix}")
        return row

    def generations(self, bucket: str, prefix: str) -> dict[str, int]:
        """Return the live generations of objects whose names begin with `prefix`, which ends in a slash, by name."""
        # The slash's successor is the first name that does not begin with it.
        end = prefix[:-1] + chr(ord("/") + 1)
        return dict(
            self._connection.execute(
                "SELECT name, generation FROM storage_objects WHERE bucket = ? AND state = 0 AND name > ? AND name < ?",
                (bucket, prefix, end),
            )
        )

    def put_object(self, new: NewObject, conditions: Conditions = NO_CONDITIONS) -> tuple[ObjectRow, BucketRow]:
        """Make `new` the live generation, in one transaction with the checks, and return its row.

        The one it replaces becomes noncurrent, soft-deleted or disappears, as its bucket says. Raises ApiError 404, 403
        (hold or retention) or 412, and OSError or sqlite3.OperationalError when the disk is full; then nothing changed
        and a new content is removed.
        """
        with self.transaction():
            if new.content is not None and new.content.file is not None:
                self._pending.added.append(new.content.file)
            check_object_name(new.name)
            bucket = self.bucket(new.bucket)
            live = self.find_object(new.bucket, new.name)
            conditions.check(*((live.generation, live.metageneration) if live else (0, 0)))
            now = self.clock.now()
            released = self._retire(live, bucket, now) if live else []
            row = self._insert(new, bucket, timestamp(now))
            self._release(released)
        return row, bucket

    def _insert(self, new: NewObject, bucket: BucketRow, now: str) -> ObjectRow:
        defaults = json.loads(bucket.resource)
        generation = self.next_generation()
        storage_class = new.storage_class or defaults["storageClass"]
        resource = object_resource(new.bucket, new.name, generation, now)
        resource |= {"size": str(new.size), "storageClass": storage_class, "crc32c": new.crc32c}
        if new.md5 is not None:
            resource["md5Hash"] = new.md5
        if new.component_count is not None:
            resource["componentCount"] = new.component_count
        merge_metadata(resource, new.metadata)
        if defaults.get("defaultEventBasedHold") and "eventBasedHold" not in new.metadata:
            resource["eventBasedHold"] = True
        kms_key = new.kms_key or defaults.get("encryption", {}).get("defaultKmsKeyName")
        if kms_key:
            resource["kmsKeyName"] = f"{kms_key}/cryptoKeyVersions/1"
        text = dump(resource)
        content = self.contents.insert(new.content) if new.content is not None else new.content_id
        values = (new.bucket, new.name, generation, 1, LIVE, new.size, int(bool(kms_key)), content, text, new.acl, None)
        cursor = self._connection.execute(
            "INSERT INTO storage_objects VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
        return ObjectRow(cursor.lastrowid, *values)

    def _retire(self, row: ObjectRow, bucket: BucketRow, now: datetime, permanently: bool = False) -> list[int]:
        """Take a generation away; returns contents that may be released. Raises ApiError 403 when it is protected."""
        resource = json.loads(row.resource)
        configuration = json.loads(bucket.resource)
        check_not_protected(row, resource, configuration, now)
        moment = timestamp(now)
        state, expires = NONCURRENT, None
        if permanently or not configuration.get("versioning", {}).get("enabled"):
            if not bucket.soft_delete:
                self._connection.execute("DELETE FROM storage_objects WHERE id = ?", (row.id,))
                return [row.content]
            state = SOFT_DELETED
            expires = timestamp(now + timedelta(seconds=bucket.soft_delete))
            resource |= {"softDeleteTime": moment, "hardDeleteTime": expires}
        resource.setdefault("timeDeleted", moment)
        self._connection.execute(
            "UPDATE storage_objects SET state = ?, expires = ?, resource = ? WHERE id = ?",
            (state, expires, dump(resource), row.id),
        )
        return []

    def delete_object(
        self, bucket: str, name: str, generation: int | None, conditions: Conditions = NO_CONDITIONS
    ) -> None:
        """Delete the live generation (in a versioned bucket it stays as noncurrent), or the given one for good.

        Raises ApiError 404, 403 (hold or retention) or 412.
        """
        with self.transaction():
            row = self.object(bucket, name, generation)
            conditions.check(row.generation, row.metageneration)
            self._release(self._retire(row, self.bucket(bucket), self.clock.now(), permanently=generation is not None))

    def _delete_rows(self, statement: str, value: str | int) -> None:
        """Delete object rows inside a transaction, protected or not, by a statement that returns their contents."""
        rows = self._connection.execute(statement, (value,)).fetchall()
        self._release([content for (content,) in rows])

    def purge_expired(self) -> None:
        """Forget soft-deleted generations whose time is over."""
        with self.transaction():
            statement = "DELETE FROM storage_objects WHERE expires IS NOT NULL AND expires <= ? RETURNING content"
            self._delete_rows(statement, timestamp(self.clock.now()))

    def forget(self, row: ObjectRow) -> None:
        """Remove one generation for good, protected or not; its content stays while another one refers to it."""
        with self.transaction():
            self._delete_rows("DELETE FROM storage_objects WHERE id = ? RETURNING content", row.id)

    def change_metadata(self, row: ObjectRow, resource: dict[str, Any], acl: str | None) -> ObjectRow:
        """Store changed metadata of a generation inside the caller's transaction, as its next metageneration."""
        metageneration = row.metageneration + 1
        resource |= {
            "metageneration": str(metageneration),
            "etag": object_etag(row.generation, metageneration),
            "updated": timestamp(self.clock.now()),
        }
        changed = row._replace(metageneration=metageneration, resource=dump(resource), acl=acl)
        self._connection.execute(
            "UPDATE storage_objects SET metageneration = ?, resource = ?, acl = ? WHERE id = ?",
            (metageneration, changed.resource, acl, row.id),
        )
        return changed


def check_not_protected(row: ObjectRow, resource: dict[str, Any], bucket: dict[str, Any], now: datetime) -> None:
    """Refuse to delete or replace what a hold or a retention period protects. Raises ApiError 403."""
    for hold, text in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if resource.get(hold):
            raise ApiError(
                403,
                f"Object '{row.bucket}/{row.name}' is under active {text} hold and cannot be deleted, overwritten or "
                "archived until hold is removed.",
            )
    period = bucket.get("retentionPolicy", {}).get("retentionPeriod")
    if period:
        expires = parse_timestamp(resource["timeCreated"]) + timedelta(seconds=int(period))
        if expires > now and row.state != SOFT_DELETED:
            raise ApiError(
                403,
                f"Object '{row.bucket}/{row.name}' is subject to bucket's retention policy or object retention and "
                f"cannot be deleted or overwritten until {timestamp(expires)}",
                reason="retentionPolicyNotMet",
            )
