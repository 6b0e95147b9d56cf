# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read and write Airflow's metadata by its command line in Composer.

Values travel in files below ``data/`` of the environment's bucket and in the output of the command, never in arguments,
which Airflow keeps in its log of actions. Names in arguments are checked before. What each command does was read in
Airflow 2.11.1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_metadata_plan import (
    CONNECTIONS,
    CREATE,
    DELETE,
    POOLS,
    UPDATE,
    VARIABLES,
    Change,
    MetadataPlan,
    Objects,
    connection_file,
    needs_deletion_first,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_output import json_payload
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    AirflowCommandError,
    CommandOutput,
    ComposerApi,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_names import MARKER_VARIABLE
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_storage import TreeStorage
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline, poll

# `-` is standard output. Pools have no such export: a list gives numbers and truth values as texts.
_READS = {
    VARIABLES: ("variables export", ["-"]),
    CONNECTIONS: ("connections export", ["-", "--file-format", "json"]),
    POOLS: ("pools list", ["--output", "json"]),
}
FOLDER = "data/dataplatform-import/"
_MOUNTED = "/home/airflow/gcs/"
# Files of a run that was killed; a command that reads one has ended long before.
_LEFT_BEHIND_SECONDS = 3600.0
# Airflow 2.11.1 closes standard output behind an export of connections and then fails to print one more line.
_EXPORTED_ALL_THE_SAME = "I/O operation on closed file"
_ALREADY_GONE = ("did not find a connection", "does not exist")


class Metadata:
    """The metadata of one environment. ``sleep`` pauses for some seconds, and may raise to end the work."""

    def __init__(
        self,
        client: GoogleClient,
        api: ComposerApi,
        environment: str,
        bucket: str,
        *,
        timeout: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._api = api
        self._environment = environment
        self._bucket = bucket
        self._timeout = timeout
        self._sleep = sleep

    def read(self, kinds: Iterable[str]) -> Objects:
        """Return what there is of each kind, read at the same time. Raises AirflowCommandError without any value."""
        wanted = list(kinds)
        with ThreadPoolExecutor(max_workers=len(_READS)) as pool:
            return dict(zip(wanted, pool.map(self._read, wanted), strict=True))

    def _read(self, kind: str) -> dict[str, Any]:
        command, parameters = _READS[kind]
        try:
            output = self._api.run(self._environment, command, parameters, self._timeout)
        except AirflowCommandError as error:
            # What it had printed may hold passwords of connections that are none of ours.
            raise AirflowCommandError(str(error).partition(" It had printed")[0]) from None
        complete = not output.exit_code or (kind == CONNECTIONS and _EXPORTED_ALL_THE_SAME in output.text)
        found = json_payload(output.lines) if complete else None
        if found is None:
            raise AirflowCommandError(f"`airflow {command}` ended with {output.exit_code}: {_complaints(output)}")
        return _pools(found) if kind == POOLS else found

    def apply(self, plan: MetadataPlan, done: Callable[[Change], None]) -> None:
        """Make the changes and call ``done`` for each once it is made; whatever was uploaded is removed again.

        What is ours is written down before anything of it is made, so that a run that is cut short forgets nothing.
        """
        self._remove_left_behind()
        created = {kind: plan.of(kind, CREATE, UPDATE) for kind in (VARIABLES, POOLS, CONNECTIONS)}
        variables = {change.name: change.after for change in created[VARIABLES]}
        if plan.owned_during != plan.owned_before:
            variables = {MARKER_VARIABLE: plan.owned_during, **variables}
        self._import(VARIABLES, variables)
        _tell(created[VARIABLES], done)
        self._import(POOLS, {change.name: change.after for change in created[POOLS]})
        _tell(created[POOLS], done)
        for change in filter(needs_deletion_first, created[CONNECTIONS]):
            self._delete(change)
        self._import(CONNECTIONS, {change.name: connection_file(change.after) for change in created[CONNECTIONS]})
        _tell(created[CONNECTIONS], done)
        for change in [one for kind in (CONNECTIONS, POOLS, VARIABLES) for one in plan.of(kind, DELETE)]:
            self._delete(change)
            done(change)
        if plan.owned_after != plan.owned_during:
            self._import(VARIABLES, {MARKER_VARIABLE: plan.owned_after})

    def _import(self, kind: str, content: dict[str, Any]) -> None:
        if not content:
            return
        options = ["--overwrite"] if kind == CONNECTIONS else []
        name = f"{secrets.token_hex(8)}-{kind}.json"
        body = json.dumps(content, indent=1).encode()
        storage = TreeStorage(self._client, self._bucket, FOLDER)
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        resource = {"contentType": "application/json", "md5Hash": checksum}
        generation = storage.upload(name, resource, lambda: body, "0")
        try:
            output = self._run_with_file(f"{kind} import", [f"{_MOUNTED}{FOLDER}{name}", *options])
        finally:
            with suppress(ComputeError):
                storage.delete(name, generation)
        output.require_success()
        if "could not import" in output.text.lower() or "failed to be updated" in output.text.lower():
            raise AirflowCommandError(f"`airflow {kind} import` did not import everything: {_complaints(output)}")

    def _run_with_file(self, command: str, parameters: list[str]) -> CommandOutput:
        """Run a command that reads a file of the bucket, which may not be seen in the environment at once."""

        def attempt() -> CommandOutput:
            return self._api.run(self._environment, command, parameters, self._timeout)

        def read(output: CommandOutput) -> bool:
            return not (output.exit_code and "Missing " in f"{output.text}{output.error}")

        return poll(attempt, read, Deadline(self._timeout), self._sleep)[0]

    def _delete(self, change: Change) -> None:
        output = self._api.run(self._environment, f"{change.kind} delete", [change.name], self._timeout)
        if output.exit_code and not any(text in f"{output.text}{output.error}".lower() for text in _ALREADY_GONE):
            output.require_success()

    def _remove_left_behind(self) -> None:
        url = f"https://storage.googleapis.com/storage/v1/b/{quote(self._bucket, safe='')}/o"
        query = {"prefix": FOLDER, "fields": "items(name,generation,updated)"}
        response = self._client.request("GET", url, params=query, raw=True)
        date = response.headers.get("Date")
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        storage = TreeStorage(self._client, self._bucket, "")
        for item in json.loads(response.content).get("items") or []:
            if now - datetime.fromisoformat(item["updated"]).timestamp() > _LEFT_BEHIND_SECONDS:
                storage.delete(item["name"], str(item["generation"]))


def _tell(changes: list[Change], done: Callable[[Change], None]) -> None:
    for change in changes:
        done(change)


def _pools(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        str(pool["pool"]): {
            "slots": int(pool["slots"]),
            "description": pool.get("description") or "",
            "include_deferred": str(pool.get("include_deferred")).lower() == "true",
        }
        for pool in listed
    }


def _complaints(output: CommandOutput) -> str:
    """Return the lines that speak of an error, and no other: those of an export hold values."""
    words = ("error", "exception", "could not", "failed")
    lines = [line for line in [output.error, *output.lines] if any(word in line.lower() for word in words)]
    return "\n".join(lines[-5:]) or "no line of its output speaks of an error"
