"""The Composer service: from discovery method to the part that serves it, and the life of the environments."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.composer.commands import Commands
from localcloud.composer.environments import Environments
from localcloud.composer.images import listed
from localcloud.composer.mirror import Mirror
from localcloud.composer.names import EnvironmentName, parse_name, wrong_state
from localcloud.composer.processes import AirflowError, AirflowProcesses
from localcloud.composer.web import open_ui
from localcloud.discovery import Method
from localcloud.errors import NotServedError
from localcloud.operations import Operations
from localcloud.paging import page
from localcloud.services import require_project

Answer = dict[str, Any]
# Looking at files and processes is done every so many real seconds.
_LOOK_SECONDS = 1.0
_LOOK_PART = 20
_LONGEST_PAUSE = 60.0
_log = logging.getLogger("localcloud")


@dataclass(frozen=True)
class Call:
    """One request, routed and validated; `asked` is the resource, or its parent."""

    method_id: str
    asked: str
    query: Answer
    body: Answer


class ComposerService:
    """Serves `composer` v1: environments, operations, image versions and Airflow's command line."""

    def __init__(  # noqa: PLR0917  (the parts of an instance)
        self, settings: Any, store: Any, clock: Any, operations: Operations, storage: Any, airflow: AirflowProcesses
    ) -> None:
        """Build the parts on the stored state; `airflow` runs the environments."""
        self._settings = settings
        self._store = store
        self._clock = clock
        self._operations = operations
        self._storage = storage
        self._airflow = airflow
        self._environments = Environments(settings, store, clock, operations, storage, airflow)
        self._commands = Commands(airflow)
        self._mirrors: dict[str, Mirror] = {}
        self._changes = -1
        self._look_at = 0.0
        # Environments whose Airflow did not come up: when to try again, and the pause after that.
        self._troubled: dict[str, tuple[float, float]] = {}
        self._routes = self._make_routes()

    def _make_routes(self) -> dict[str, Callable[[Call], Answer]]:
        environments, operations = self._environments, self._operations
        return {
            "environments.create": lambda call: environments.create(call.asked, call.body, call.method_id),
            "environments.get": lambda call: environments.get(parse_name(call.asked)),
            "environments.list": lambda call: _page(
                environments.list(call.asked.split("/")[3]), "environments", call.query
            ),
            "environments.patch": lambda call: environments.patch(
                parse_name(call.asked), call.body, call.query.get("updateMask"), call.method_id
            ),
            "environments.delete": lambda call: environments.delete(parse_name(call.asked), call.method_id),
            "environments.pollAirflowCommand": lambda call: self._commands.poll(self._directory(call.asked), call.body),
            "imageVersions.list": lambda _call: listed(),
            "operations.get": lambda call: operations.get(call.asked),
            "operations.list": lambda call: operations.list(
                f"{call.asked}/operations", call.query.get("pageSize") or 0, call.query.get("pageToken") or ""
            ),
            "operations.delete": lambda call: operations.delete(call.asked) or {},
        }

    async def handle(
        self, request: Any, _principal: str, method: Method, parameters: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        """Answer one request, already routed and validated. Raises ApiError."""
        short = method.id.removeprefix("composer.projects.locations.")
        asked = parameters.get("name") or parameters.get("environment") or parameters["parent"]
        require_project(self._settings, asked.split("/")[1])
        call = Call(method.id, asked, request.state.query, body)
        if short == "environments.executeAirflowCommand":
            return await self._execute(parse_name(asked), body)
        if short == "environments.stopAirflowCommand":
            return await asyncio.to_thread(self._commands.stop, self._directory(asked), body)
        route = self._routes.get(short)
        if route is None:
            raise NotServedError(method.id)
        return route(call)

    def _directory(self, name: str) -> str:
        parsed = parse_name(name)
        self._environments.get(parsed)
        return parsed.directory

    async def _execute(self, name: EnvironmentName, body: Answer) -> Answer:
        resource = self._environments.get(name)
        if resource["state"] not in ("RUNNING", "UPDATING"):
            raise wrong_state(f"Cannot execute Airflow command for environment in state {resource['state']}.")
        # What was put into data/ a moment ago is there for the command.
        self._mirror(resource).pull()
        return await asyncio.to_thread(self._commands.execute, name.directory, resource["uuid"], body)

    def _mirror(self, resource: Answer) -> Mirror:
        mirror = self._mirrors.get(resource["uuid"])
        if mirror is None:
            paths = self._airflow.paths(parse_name(resource["name"]).directory)
            paths.make()
            mirror = Mirror(self._storage, self._clock, resource["storageConfig"]["bucket"], paths.mirror)
            self._mirrors[resource["uuid"]] = mirror
        return mirror

    def start(self) -> None:
        """Start the Airflow of the environments that are there."""
        self._environments.resume()

    async def stop(self) -> None:
        """End the Airflow of all environments: the local cloud is being stopped."""
        await asyncio.to_thread(self._airflow.stop_all)

    def tick(self) -> None:
        """Keep disks and buckets alike, and every environment's Airflow running; quick when nothing has changed."""
        look = time.monotonic() >= self._look_at
        environments = self._environments.running() if look or self._has_changed() else []
        started = time.monotonic()
        for resource in environments:
            mirror = self._mirror(resource)
            mirror.pull()
            if look:
                mirror.push()
                if resource["state"] == "RUNNING":
                    self._keep_running(resource)
        if look:
            # Where there are many files, looking at them must not become what the server does.
            ended = time.monotonic()
            self._look_at = ended + max(_LOOK_SECONDS, _LOOK_PART * (ended - started))

    def _has_changed(self) -> bool:
        """Return whether anything was written to the database since the last look."""
        changes = self._store.connection.total_changes
        changed, self._changes = changes != self._changes, changes
        return changed

    def _keep_running(self, resource: Answer) -> None:
        directory = parse_name(resource["name"]).directory
        if self._airflow.is_running(directory):
            self._troubled.pop(directory, None)
            return
        at, pause = self._troubled.get(directory, (0.0, _LOOK_SECONDS))
        if time.monotonic() < at:
            return
        try:
            self._environments.restart(resource)
        except AirflowError as problem:
            _log.error("%s: %s", resource["name"], problem)
            self._troubled[directory] = (time.monotonic() + pause, min(pause * 2, _LONGEST_PAUSE))

    async def open_ui(self, identifier: str) -> Answer:
        """Start the web server of an environment; return where it is and who may log in.

        Without `identifier`: of the only one. Raises ValueError with a message for people.
        """
        name = self._named(identifier)
        try:
            return await asyncio.to_thread(open_ui, self._airflow, name.directory)
        except AirflowError as problem:
            raise ValueError(str(problem)) from None

    async def close_ui(self, identifier: str) -> None:
        """End the web server of an environment. Raises ValueError with a message for people."""
        name = self._named(identifier)
        try:
            await asyncio.to_thread(self._airflow.call, name.directory, {"action": "web", "port": 0})
        except AirflowError as problem:
            raise ValueError(str(problem)) from None

    def _named(self, identifier: str) -> EnvironmentName:
        names = [parse_name(resource["name"]) for resource in self._environments.list()]
        found = [name for name in names if identifier in ("", name.id)]
        if len(found) == 1:
            return found[0]
        there = ", ".join(name.id for name in names) or "none"
        raise ValueError(
            f"there is no environment {identifier}; there are: {there}"
            if not found
            else f"name one of the environments: {there}"
        )

    async def overview(self) -> list[Answer]:
        """Return the environments for people: name, location, state, bucket, and which parts of Airflow run."""
        found = []
        for resource in self._environments.list():
            name = parse_name(resource["name"])
            found.append(
                {
                    "name": name.id,
                    "location": name.location,
                    "state": resource["state"],
                    "bucket": resource["storageConfig"]["bucket"],
                    "airflow": await asyncio.to_thread(self._parts, name.directory),
                }
            )
        return found

    def _parts(self, directory: str) -> dict[str, bool]:
        """Return whether the parts of an environment's Airflow run; none when it does not answer."""
        try:
            daemons = self._airflow.call(directory, {"action": "status"})["daemons"]
        except AirflowError:
            return {}
        return {part: process is not None for part, process in daemons.items()}


def _page(items: list[Answer], field: str, query: Answer) -> Answer:
    return page(items, field, lambda item: item["name"], size=query.get("pageSize"), token=query.get("pageToken"))
