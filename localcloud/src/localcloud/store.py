"""All state in one SQLite database (WAL): what is committed survives `kill -9` of the server."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

# Set by the fault `disk-full` for the request being answered: every write of that request then finds the disk full.
disk_full: ContextVar[bool] = ContextVar("disk_full", default=False)

# Raised by one with every change to a table or to what its rows hold: an older state is refused, not misread.
SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (key TEXT PRIMARY KEY, collection TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS resources_by_collection ON resources (collection, key);
CREATE TABLE IF NOT EXISTS named_values (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class StateError(Exception):
    """The state on disk cannot be used; the message names the file, what is wrong with it, and the next step."""


def require_disk_space() -> None:
    """Raise OSError(ENOSPC) while the fault `disk-full` holds; called wherever a file is about to be written."""
    if disk_full.get():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Store:
    """One connection for the whole process, for one thread at a time: clusters are made by threads of their own.

    A transaction must not span an `await`: requests run on one event loop and would share it.
    """

    def __init__(self, path: Path | str) -> None:
        """Open or create the database at `path`, readable by its owner alone.

        Raises StateError when it is damaged or was written by another version.
        """
        if str(path) != ":memory:":
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
        self._lock = threading.RLock()
        self._depth = 0
        try:
            _require_version(self.connection, path)
        except BaseException:
            self.connection.close()
            raise
        # WAL with synchronous=NORMAL survives the death of the process (not a power cut) and costs no fsync per commit.
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute("PRAGMA busy_timeout=5000")
        self.connection.execute("PRAGMA cache_size=-16000")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the connection; committed data is already safe."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block atomically (BEGIN IMMEDIATE); a nested block joins the outer one.

        Raises sqlite3.OperationalError when the disk is full; nothing of the block is kept then.
        """
        with self._lock:
            if self._depth:
                yield self.connection
                return
            self.connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield self.connection
                if disk_full.get():
                    raise sqlite3.OperationalError("database or disk is full")
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the body stored under `key`, or None."""
        with self._lock:
            row = self.connection.execute("SELECT body FROM resources WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, key: str, collection: str, body: dict[str, Any]) -> None:
        """Create or replace the body under `key`."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO resources (key, collection, body) VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET collection = excluded.collection, body = excluded.body",
                (key, collection, _dump(body)),
            )

    def create(self, key: str, collection: str, body: dict[str, Any]) -> bool:
        """Create `key`; return False, changing nothing, when it exists."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "INSERT OR IGNORE INTO resources (key, collection, body) VALUES (?, ?, ?)",
                (key, collection, _dump(body)),
            )
            return cursor.rowcount == 1

    def delete(self, key: str) -> bool:
        """Delete `key`; return whether it existed."""
        with self.transaction() as connection:
            return connection.execute("DELETE FROM resources WHERE key = ?", (key,)).rowcount == 1

    def list(self, collection: str, after: str = "", limit: int | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Return (key, body) pairs of `collection` in order of their keys, those beyond `after`, at most `limit`."""
        with self._lock:
            rows = self.connection.execute(
                "SELECT key, body FROM resources WHERE collection = ? AND key > ? ORDER BY key LIMIT ?",
                (collection, after, -1 if limit is None else limit),
            ).fetchall()
        return [(key, json.loads(body)) for key, body in rows]

    def get_value(self, name: str) -> Any:
        """Return the JSON value stored under `name` (internal settings, not resources), or None."""
        with self._lock:
            row = self.connection.execute("SELECT value FROM named_values WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_value(self, name: str, value: Any) -> None:
        """Store a JSON value under `name`."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO named_values (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, _dump(value)),
            )


def _require_version(connection: sqlite3.Connection, path: Path | str) -> None:
    """Give an empty database this version. Raises StateError for one that holds another version's tables, or none."""
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # Locked, unreadable, no space: it may be in order another time.
        raise
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path} is damaged ({error}). {_NEXT_STEP}") from None
    if tables and found != SCHEMA_VERSION:
        raise StateError(
            f"{path} was written by another version of localcloud: its tables have version {found}, expected "
            f"{SCHEMA_VERSION}. {_NEXT_STEP}"
        )
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


_NEXT_STEP = "Empty it with: localcloud reset (credentials and certificates stay)."


def recreate(path: Path) -> None:
    """Replace the database by an empty one of this version, whatever it holds; nobody may have it open.

    Named values are kept as far as they can be read: with the secret of the tokens, clients that hold one go on.
    """
    values: list[tuple[str, str]] = []
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as old:
        values = old.execute("SELECT name, value FROM named_values").fetchall()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with closing(Store(path)) as fresh, fresh.transaction() as connection:
        connection.executemany("INSERT INTO named_values (name, value) VALUES (?, ?)", values)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
