"""Airflow's metadata database: where SQLite is not like Composer's PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from localcloud.composer.database import MigrationError, number_triggers_once

# As Airflow 2.11 makes it.
TABLE = """CREATE TABLE "trigger" (
\tid INTEGER NOT NULL,\x20
\tclasspath TEXT,\x20
\tCONSTRAINT trigger_pkey PRIMARY KEY (id)
)"""


def next_id(connection: sqlite3.Connection) -> int:
    """The id of a new trigger."""
    return connection.execute("INSERT INTO \"trigger\" (classpath) VALUES ('x')").lastrowid


def test_the_id_of_a_trigger_never_comes_again() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(TABLE)
        number_triggers_once(connection)
        first = next_id(connection)
        connection.execute('DELETE FROM "trigger"')
        assert next_id(connection) > first


@pytest.mark.parametrize(
    "table",
    [TABLE.replace("id INTEGER NOT NULL", "id BIGINT NOT NULL"), TABLE.replace("trigger_pkey", "pk")],
    ids=["another type", "another key"],
)
def test_a_table_of_another_shape_is_an_error_and_stays(table: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(table)
        with pytest.raises(MigrationError, match="not as expected"):
            number_triggers_once(connection)
        connection.rollback()
        assert connection.execute("SELECT sql FROM sqlite_master WHERE name = 'trigger'").fetchone() == (table,)
