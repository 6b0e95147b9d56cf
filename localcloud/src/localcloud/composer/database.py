"""The migrated metadata database that new environments start from: made once per Airflow environment, then copied."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import filelock

_MIGRATION_SECONDS = 300
_LOCK_SECONDS = 300
# Raised with every change of how the template is made.
_RECIPE = 3


class MigrationError(Exception):
    """Airflow's database could not be made; the message has the end of what Airflow said."""


def create_database(python: Path, target: Path, path: str) -> None:
    """Put a migrated database at `target`, unless there is one. Raises MigrationError."""
    if target.exists():
        return
    template = _template(python, path)
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(template, temporary)
    temporary.chmod(0o600)
    temporary.replace(target)


def _template(python: Path, path: str) -> Path:
    """Return the template of this Airflow, made when there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "dataplatform-compute"
    cache.mkdir(parents=True, exist_ok=True)
    # The environment's directory carries the hash of its lock, so that another lock has another template.
    key = hashlib.sha256(f"{python.parent.resolve()} {_RECIPE}".encode()).hexdigest()[:16]
    template = cache / f"airflow-database-{key}.sqlite"
    if template.exists():
        return template
    with filelock.FileLock(f"{template}.lock", timeout=_LOCK_SECONDS):
        if not template.exists():
            _migrate(python, template, path)
    return template


def _migrate(python: Path, template: Path, path: str) -> None:
    with tempfile.TemporaryDirectory(prefix="localcloud-airflow-") as home:
        environment = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "HOME": home,
            "LANG": "C.UTF-8",
            "PATH": path,
        }
        _run(python, environment, "db", "migrate")
        made = Path(home) / "airflow.db"
        # Readers do not wait for the writer; the mode stays with the file.
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            number_triggers_once(connection)
        # The roles of the web server: hundreds of commits, which it would make at its first start.
        _run(python, environment, "sync-perm")
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        temporary = template.with_suffix(f".{os.getpid()}")
        shutil.copyfile(made, temporary)
        temporary.replace(template)


def number_triggers_once(connection: sqlite3.Connection) -> None:
    """Let the id of a trigger never come again, as in Composer's PostgreSQL. Raises MigrationError.

    SQLite gives a new row the id of the last one once that is deleted. A triggerer then takes the trigger of a task
    that was cleared and runs again for the one that it is just stopping, and fails the task.
    """
    [(made,)] = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'trigger'").fetchall()
    numbered = made.replace("id INTEGER NOT NULL", "id INTEGER PRIMARY KEY AUTOINCREMENT")
    numbered = re.sub(r",\s*CONSTRAINT trigger_pkey PRIMARY KEY \(id\)", "", numbered)
    if "AUTOINCREMENT" not in numbered:
        raise MigrationError(f"Airflow's table of triggers is not as expected: {made}")
    try:
        connection.executescript(f'BEGIN; DROP TABLE "trigger"; {numbered}; COMMIT')
    except sqlite3.Error as problem:
        raise MigrationError(f"Airflow's table of triggers is not as expected: {problem}: {made}") from None


def _run(python: Path, environment: dict[str, str], *words: str) -> None:
    """Run a command of Airflow's command line. Raises MigrationError."""
    command = [str(python), "-m", "airflow", *words]
    what = f"`airflow {' '.join(words)}` with {python}"
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_MIGRATION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise MigrationError(f"{what} failed: {problem}") from None
    if ended.returncode:
        raise MigrationError(f"{what} failed: {ended.stderr[-2000:]}")
