"""Starting, reaching and ending the Airflow of environments: one host process each (see `airflow_host`)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from localcloud.clock import PACE_FACTORS
from localcloud.composer import airflow_host
from localcloud.composer.configuration import (
    AirflowSpec,
    Paths,
    airflow_environment,
    ensure_secrets,
    render_configuration,
)
from localcloud.composer.database import MigrationError, create_database
from localcloud.dataproc import supervisor
from localcloud.dataproc.drivers import client_environment
from localcloud.dataproc.engine import EngineError
from localcloud.dataproc.supervised import SupervisedProcesses
from localcloud.files import write_private
from localcloud.search_paths import PATH
from localcloud.settings import Settings, default_airflow_python

START_SECONDS = 120.0
_END_GRACE_SECONDS = 5.0
_END_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 10.0
# A module of Airflow's configuration: how long a writer waits for the others, in seconds, and that a commit waits for
# no disk. That survives the death of processes, as the local cloud's own state does.
_DATABASE_MODULE = """\
import sqlite3

from sqlalchemy import event
from sqlalchemy.engine import Engine

CONNECT_ARGS = {"timeout": 60}


@event.listens_for(Engine, "connect")
def use_less_disk(connection, _record):
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")
"""


class AirflowError(Exception):
    """An environment's Airflow does not do what it should; the message says what, and where to look."""


class AirflowProcesses:
    """The hosts of all environments; methods may take seconds and are called in threads."""

    def __init__(self, settings: Settings) -> None:
        """Keep environments below the composer directory of `settings`."""
        self._settings = settings
        self._hosts = SupervisedProcesses(_hosts_directory(settings.composer_directory))
        # Several threads may want to start and stop the same environment.
        self._lock = threading.RLock()
        self._closed = False

    def missing(self) -> str:
        """Return why no environment can be created here, or nothing."""
        python = default_airflow_python()
        if python.exists():
            return ""
        return (
            f"Airflow is not installed: {python} does not exist. Run `make setup`, or set LOCALCLOUD_AIRFLOW_PYTHON to "
            "the Python of an environment with apache-airflow."
        )

    def paths(self, directory: str) -> Paths:
        """Return where the files of an environment are."""
        return Paths(self._settings.composer_directory / "environments" / directory)

    def start(self, spec: AirflowSpec) -> None:
        """See to it that the environment's Airflow runs as `spec` says; returns once it answers.

        Raises AirflowError.
        """
        if problem := self.missing():
            raise AirflowError(problem)
        plan = self._plan(spec)
        with self._lock:
            if self._closed:
                raise AirflowError("the local cloud is being stopped")
            if not self.is_running(spec.directory) or self._running_plan(spec.directory) != plan:
                self.stop(spec.directory)
                self._spawn(spec.directory, plan)
        self._wait(spec.directory)

    def _spawn(self, directory: str, plan: dict[str, Any]) -> None:
        host = _hosts_directory(self._settings.composer_directory) / directory
        (host / "work").mkdir(mode=0o700, parents=True, exist_ok=True)
        self.paths(directory).make()
        write_private(host / supervisor.RUN_FILE, json.dumps(plan).encode())
        self._hosts.spawn(directory)

    def _plan(self, spec: AirflowSpec) -> dict[str, Any]:
        """Write the files of an environment; return what its supervisor is to start."""
        paths, python = self.paths(spec.directory), default_airflow_python()
        try:
            paths.make()
            create_database(python, paths.database, PATH)
            client = client_environment(self._settings.environment_file)
        except (MigrationError, EngineError, OSError) as problem:
            raise AirflowError(str(problem)) from None
        keys = ensure_secrets(paths.secrets)
        text = render_configuration(paths, keys, spec.overrides, PACE_FACTORS[self._settings.pace])
        write_private(paths.configuration, text.encode())
        write_private(paths.home / "config" / "localcloud_database.py", _DATABASE_MODULE.encode())
        return {
            "arguments": [str(python), airflow_host.__file__, str(paths.home)],
            "directory": str(_hosts_directory(self._settings.composer_directory) / spec.directory / "work"),
            "environment": airflow_environment(spec, paths, python, PATH, client),
            "configuration": hashlib.sha256(text.encode()).hexdigest(),
        }

    def _running_plan(self, directory: str) -> dict[str, Any]:
        file = _hosts_directory(self._settings.composer_directory) / directory / supervisor.RUN_FILE
        return json.loads(file.read_text(encoding="utf-8"))

    def _wait(self, directory: str) -> None:
        """Wait until the host answers. Raises AirflowError when it ends, or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(AirflowError):
                self.call(directory, {"action": "status"})
                return
            if not self.is_running(directory):
                raise AirflowError(f"Airflow ended while starting: {self._output_tail(directory)}")
            time.sleep(0.05)
        raise AirflowError(f"Airflow does not answer within {START_SECONDS:.0f} s: {self._output_tail(directory)}")

    def wait_until_ready(self, directory: str, seconds: float) -> None:
        """Return once the environment's host answers; it may just be starting. Raises AirflowError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.call(directory, {"action": "status"})
            except AirflowError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _output_tail(self, directory: str) -> str:
        file = _hosts_directory(self._settings.composer_directory) / directory / supervisor.OUTPUT_FILE
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        except FileNotFoundError:
            lines = []
        return f"{' | '.join(lines)} (log: {file})"

    def is_running(self, directory: str) -> bool:
        """Return whether the environment's host runs."""
        return self._hosts.status(directory).state == "running"

    def call(self, directory: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the host of an environment. Raises AirflowError when it does not answer."""
        home = self.paths(directory).home
        descriptor = -1
        try:
            descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_ANSWER_SECONDS)
                connection.connect(f"/proc/self/fd/{descriptor}/{airflow_host.SOCKET_FILE}")
                with connection.makefile("rwb") as stream:
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                    return json.loads(stream.readline())
        except (OSError, ValueError) as problem:
            raise AirflowError(f"the Airflow of {directory} does not answer: {problem}") from None
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def stop(self, directory: str) -> None:
        """End an environment's Airflow; returns when nothing of it runs."""
        with self._lock:
            self._hosts.terminate(directory, _END_GRACE_SECONDS)
            deadline = time.monotonic() + _END_GRACE_SECONDS + _END_PATIENCE_SECONDS
            while time.monotonic() < deadline and self.is_running(directory):
                time.sleep(0.02)
            paths = self.paths(directory)
            _sweep(_hosts_directory(self._settings.composer_directory) / directory, [paths.temporary])
            shutil.rmtree(paths.temporary, ignore_errors=True)
            self._hosts.remove(directory)

    def remove(self, directory: str) -> None:
        """End an environment's Airflow and delete all its files."""
        self.stop(directory)
        shutil.rmtree(self.paths(directory).home, ignore_errors=True)

    def stop_all(self) -> None:
        """End the Airflow of every environment, for good: this object starts none after that."""
        self._closed = True
        with self._lock:
            end_environments(self._settings.composer_directory)


def end_environments(composer_directory: Path) -> None:
    """End every Airflow below `composer_directory`, whatever the stored state says; waits until they are gone."""
    hosts = _hosts_directory(composer_directory)
    directories = [path.name for path in hosts.glob("*")]
    if not directories:
        return
    SupervisedProcesses(hosts).end_all(_END_GRACE_SECONDS, _END_PATIENCE_SECONDS)
    temporaries = [Paths(composer_directory / "environments" / name).temporary for name in directories]
    _sweep(hosts, temporaries)
    for temporary in temporaries:
        shutil.rmtree(temporary, ignore_errors=True)
    for directory in directories:
        shutil.rmtree(hosts / directory, ignore_errors=True)


def _hosts_directory(composer_directory: Path) -> Path:
    """Return where the supervisors of hosts keep their files."""
    return composer_directory / "hosts"


def _sweep(working: Path, temporaries: Iterable[Path]) -> None:
    """Kill what is left of environments whose supervisors were killed too.

    It is Python below `working`, where a person's shell may also be, or anything in a directory of `temporaries`.
    Looked for until there is none: what is about to be killed may start another meanwhile.
    """
    deadline = time.monotonic() + _END_PATIENCE_SECONDS
    while (left := _leftovers(working, temporaries)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        # No wait for each: nobody may reap them in a container without an init.
        time.sleep(_LOOK_SECONDS)


def _leftovers(working: Path, temporaries: Iterable[Path]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        # Airflow's titles for its processes take the place of their variables in /proc, so these cannot tell.
        with contextlib.suppress(psutil.Error, OSError):
            where = Path(process.cwd())
            python = where.is_relative_to(working) and Path(process.exe()).name.startswith("python")
            if python or any(where.is_relative_to(directory) for directory in temporaries):
                found.append(process)
    return found
