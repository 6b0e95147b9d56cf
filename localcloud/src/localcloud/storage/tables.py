"""SQLite tables of Cloud Storage, beside the core's own in the same database."""

from __future__ import annotations

import sqlite3

# States of an object generation.
LIVE = 0
NONCURRENT = 1
SOFT_DELETED = 2

# The order of columns is that of BucketRow, ObjectRow and Session, which are made from whole rows.
# One row per generation. `resource` is the JSON answered for it (without acl and owner), built once when it is written;
# `encrypted` marks a customer-managed key, whose objects are listed without hashes. Names compare by UTF-8 bytes
# (BINARY collation), which is the order Cloud Storage lists in.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS storage_buckets (
    name TEXT PRIMARY KEY, project TEXT NOT NULL, metageneration INTEGER NOT NULL, soft_delete INTEGER NOT NULL,
    resource TEXT NOT NULL, policy TEXT, acl TEXT, default_object_acl TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_contents (id INTEGER PRIMARY KEY, data BLOB, file TEXT);
CREATE TABLE IF NOT EXISTS storage_objects (
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL,
    metageneration INTEGER NOT NULL, state INTEGER NOT NULL, size INTEGER NOT NULL, encrypted INTEGER NOT NULL,
    content INTEGER NOT NULL, resource TEXT NOT NULL, acl TEXT, expires TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS storage_objects_by_name ON storage_objects (bucket, name, generation);
CREATE UNIQUE INDEX IF NOT EXISTS storage_objects_live ON storage_objects (bucket, name) WHERE state = 0;
CREATE INDEX IF NOT EXISTS storage_objects_by_content ON storage_objects (content);
CREATE INDEX IF NOT EXISTS storage_objects_expiring ON storage_objects (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS storage_uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name TEXT NOT NULL, metadata TEXT NOT NULL, query TEXT NOT NULL,
    principal TEXT NOT NULL, total INTEGER, file TEXT NOT NULL, created TEXT NOT NULL, result TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS storage_notifications (
    bucket TEXT NOT NULL, id INTEGER NOT NULL, resource TEXT NOT NULL, PRIMARY KEY (bucket, id)
) WITHOUT ROWID;
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create what is missing; existing data stays."""
    connection.executescript(_SCHEMA)
