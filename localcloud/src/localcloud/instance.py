"""One instance: the shared parts, the services on top of them, and what happens at start, tick, reset and stop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import shutil
from pathlib import Path
from typing import Any

from localcloud import composer, credentials, dataproc, services, storage
from localcloud.app import Application
from localcloud.clock import Clock
from localcloud.compute.images import Images
from localcloud.compute.service import ComputeService
from localcloud.control import Control
from localcloud.dataproc.engines import find_runtime
from localcloud.faults import Faults
from localcloud.files import ensure_private_directory
from localcloud.iam.parts import Identity
from localcloud.journal import Journal
from localcloud.monitoring.service import MonitoringService
from localcloud.oauth import OAuthService
from localcloud.operations import Operations
from localcloud.podman.hosts import Serve
from localcloud.secretmanager.service import SecretManagerService
from localcloud.settings import Settings
from localcloud.store import StateError, Store, recreate
from localcloud.tokens import LIFETIME, Tokens

_TICK_SECONDS = 0.2
_log = logging.getLogger("localcloud")


class Instance:
    """Everything behind the proxy. Whoever makes one holds the lock of its home."""

    def __init__(self, settings: Settings, serve: Serve | None = None) -> None:
        """Open the state of `settings.home`, making what is missing. Raises StateError when it cannot be used.

        `serve` answers on sockets that listen on nodes, for engines whose nodes have networks of their own.
        """
        self.settings = settings
        self._serve = serve
        ensure_private_directory(settings.home)
        for directory in _directories(settings):
            ensure_private_directory(directory)
        self.store = Store(settings.database_file)
        self.clock = Clock(settings.pace)
        self.journal = Journal(settings.journal_file)
        self.faults = Faults(self.store)
        account = credentials.ensure_service_account(settings)
        self.tokens = Tokens(self.store, account)
        credentials.write_user_credentials(settings, self.tokens.issue_refresh(credentials.USER_EMAIL))
        self.control_secret = secrets.token_urlsafe(24)
        self.control = Control(self.control_secret, self.faults, self.journal, self.reset)
        oauth = OAuthService(self.tokens, account)
        self.application = Application(self.journal, self.faults, self.tokens, oauth, self.control)
        self.runtime, self.engine_note = find_runtime(settings)
        self._services: list[Any] = []
        self._failing: set[str] = set()
        self._create_services()

    def _create_services(self) -> None:
        self.operations = Operations(self.store, self.clock, self.faults)
        objects = storage.create_service(self.settings, self.store, self.clock)
        clusters = dataproc.create_service(
            self.settings,
            self.store,
            self.clock,
            self.operations,
            objects,
            runtime=self.runtime,
            issue_token=self._issue_token,
            serve=self._serve,
        )
        self.control.nodes = clusters.nodes
        airflow = composer.create_service(self.settings, self.store, self.clock, self.operations, objects)
        self.control.composer = airflow
        self.control.images = Images(self.store, self.clock, self.settings.project)
        identity = Identity(self.settings, self.store, self.clock, self.tokens)
        policies, access = identity.policies, identity.access
        secrets_ = SecretManagerService(self.settings, self.store, self.clock, policies, access)
        simple = services.create_services(
            self.settings, self.store, self.clock, self.operations, policies=policies, access=access
        )
        self._services = [objects, clusters, airflow, *simple.values()]
        self.application.install(
            {
                ("dataproc", "v1"): clusters,
                ("composer", "v1"): airflow,
                ("compute", "v1"): ComputeService(self.settings, self.store, self.clock),
                ("secretmanager", "v1"): secrets_,
                ("monitoring", "v3"): MonitoringService(self.settings, self.store, self.clock),
                **simple,
                **identity.services,
            },
            objects,
        )

    def _issue_token(self, email: str) -> dict[str, Any]:
        """Answer a node's request for a token of its service account."""
        return {"access_token": self.tokens.issue(email), "expires_in": LIFETIME - 1, "token_type": "Bearer"}

    async def start(self) -> None:
        """Start the services: what was under way when the last server died is picked up here."""
        await self._call_all("start")

    async def run_ticker(self) -> None:
        """Move states by the clock and write the journal, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self._guarded("operations", self.operations.tick)
            await self._call_all("tick")
            self.journal.flush()

    async def stop(self) -> None:
        """Stop for good: services end what they run, such as job drivers."""
        await self._call_all("stop")
        self.journal.flush()
        self.store.close()

    async def reset(self) -> None:
        """Empty the instance: every resource, object, job, fault and journal line; keys and certificates stay."""
        await self._call_all("stop")
        # Nothing below waits: no request meets a half-emptied state, or starts what would be left behind.
        with self.store.transaction() as connection:
            tables = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            for (table,) in tables:
                # The secret of the tokens is kept, so that clients which hold a token go on.
                if table != "named_values":
                    connection.execute(f'DELETE FROM "{table}"')  # noqa: S608  (names come from the database itself)
        _empty_directories(self.settings)
        self.faults.clear()
        self.journal.clear()
        self._create_services()
        await self.start()

    async def _call_all(self, name: str) -> None:
        for service in self._services:
            action = getattr(service, name, None)
            if action is not None:
                await self._guarded(f"{type(service).__name__}.{name}", action)

    async def _guarded(self, what: str, action: Any) -> None:
        """Call `action`; a failure is logged, once while it lasts, and must not stop the other services."""
        try:
            outcome = action()
            if inspect.isawaitable(outcome):
                await outcome
        except Exception:
            if what not in self._failing:
                _log.exception("%s failed", what)
            self._failing.add(what)
        else:
            self._failing.discard(what)


def stop_drivers(settings: Settings) -> None:
    """End what a killed server left running (jobs, clusters, environments), and record that.

    The caller holds the lock of the home.
    """
    try:
        asyncio.run(Instance(settings).stop())
    except StateError:
        # What the state says about jobs cannot be read; their directories tell enough to end them.
        dataproc.end_drivers(settings.jobs_directory)
        dataproc.end_clusters(settings.clusters_directory)
        composer.end_environments(settings.composer_directory)


def reset_stopped(settings: Settings) -> None:
    """Empty an instance that has no server, also one whose state cannot be read. The caller holds the lock."""
    dataproc.end_drivers(settings.jobs_directory)
    dataproc.end_clusters(settings.clusters_directory)
    composer.end_environments(settings.composer_directory)
    recreate(settings.database_file)
    _empty_directories(settings)
    Journal(settings.journal_file).clear()


def _directories(settings: Settings) -> tuple[Path, ...]:
    return (
        settings.objects_directory,
        settings.jobs_directory,
        settings.clusters_directory,
        settings.composer_directory,
        settings.secrets_directory,
    )


def _empty_directories(settings: Settings) -> None:
    for directory in _directories(settings):
        shutil.rmtree(directory, ignore_errors=True)
        ensure_private_directory(directory)
