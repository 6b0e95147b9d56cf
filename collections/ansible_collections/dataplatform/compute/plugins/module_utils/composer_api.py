# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Composer environments: find one, wait until it is usable, run Airflow's command line in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_output import json_payload
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, NotFoundError
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline, poll

ROOT = "https://composer.googleapis.com/v1"

RUNNING = "RUNNING"
PASSING_STATES = frozenset({"CREATING", "UPDATING"})
"""States that an environment leaves by itself."""
_LINES_SHOWN = 20


class EnvironmentNotFoundError(ComputeError):
    """There is no Composer environment of that name in the project and location."""


class EnvironmentStateError(ComputeError):
    """The environment is in a state in which it cannot be used, or has not left one in time."""


class AirflowCommandError(ComputeError):
    """A command of Airflow could not be run in the environment, did not end in time, or failed."""


def list_image_versions(client: GoogleClient, project: str, location: str) -> list[str]:
    """Return the images that Composer offers, the default one first."""
    url = f"{ROOT}/projects/{quote(project, safe='')}/locations/{quote(location, safe='')}/imageVersions"
    found = list(client.pages(url, "imageVersions"))
    found.sort(key=lambda image: not image.get("isDefault"))
    return [image["imageVersionId"] for image in found]


@dataclass(frozen=True)
class CommandOutput:
    """What a command printed (standard output and error, as Composer mixes them) and how it ended."""

    command: str
    lines: tuple[str, ...]
    exit_code: int
    error: str = ""

    @property
    def text(self) -> str:
        """The whole output."""
        return "\n".join(self.lines)

    def payload(self) -> Any:
        """The JSON document in the output, behind whatever Airflow logged before it. Raises AirflowCommandError."""
        found = json_payload(self.lines)
        if found is None:
            raise AirflowCommandError(f"`airflow {self.command}` printed no JSON: {self._ending()}")
        return found

    def require_success(self) -> CommandOutput:
        """Return itself. Raises AirflowCommandError, with the end of the output, when the command failed."""
        if self.exit_code:
            raise AirflowCommandError(f"`airflow {self.command}` ended with {self.exit_code}: {self._ending()}")
        return self

    def _ending(self) -> str:
        shown = [line for line in self.lines if line.strip()][-_LINES_SHOWN:]
        return "\n".join([self.error, *shown]).strip() or "it printed nothing"


class ComposerApi:
    """The environments of one project and location; ``sleep`` is replaced by tests."""

    def __init__(
        self,
        client: GoogleClient,
        project: str,
        location: str,
        *,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._retry = retry
        self._sleep = sleep
        self.project = project
        self.location = location
        self.parent = f"projects/{quote(project, safe='')}/locations/{quote(location, safe='')}"

    def environment_name(self, environment: str) -> str:
        """The full resource name of an environment."""
        return f"{self.parent}/environments/{quote(environment, safe='')}"

    def list_environments(self) -> list[dict[str, Any]]:
        """All environments of the location."""
        url = f"{ROOT}/{self.parent}/environments"
        return list(self._client.pages(url, "environments", retry=self._retry))

    def find_environment(self, environment: str) -> dict[str, Any] | None:
        """One environment, None when there is none of that name."""
        try:
            return self._client.request("GET", f"{ROOT}/{self.environment_name(environment)}", retry=self._retry)
        except NotFoundError:
            return None

    def get_environment(self, environment: str) -> dict[str, Any]:
        """One environment. Raises EnvironmentNotFoundError with the name that was probably meant."""
        found = self.find_environment(environment)
        if found is not None:
            return found
        names = [str(item["name"]).rpartition("/")[2] for item in self.list_environments()]
        raise EnvironmentNotFoundError(
            f"There is no Composer environment {environment!r} in {self.project}, {self.location};"
            f" {near_miss(environment, names)}"
        )

    def wait_until_running(self, environment: str, timeout: float) -> dict[str, Any]:
        """Return the environment once its state is RUNNING, at most ``timeout`` seconds from now.

        An environment that is being created or updated is waited for. Raises EnvironmentNotFoundError and
        EnvironmentStateError.
        """
        seen, _in_time = poll(
            lambda: self.get_environment(environment),
            lambda found: found.get("state") not in PASSING_STATES,
            Deadline(timeout),
            self._sleep,
        )
        state = seen.get("state", "unknown")
        if state == RUNNING:
            return seen
        if state in PASSING_STATES:
            raise EnvironmentStateError(
                f"The Composer environment {environment} is still {state} after {timeout:g} s. Nothing was changed;"
                " run again when that has ended (gcloud composer operations list shows it)."
            )
        raise EnvironmentStateError(
            f"The Composer environment {environment} is in state {state}, expected RUNNING. Nothing was changed;"
            " look at it with: gcloud composer environments describe"
        )

    def run(
        self, environment: str, command: str, parameters: Sequence[str] = (), timeout: float = 300
    ) -> CommandOutput:
        """Run ``airflow COMMAND PARAMETERS`` in the environment and return what it printed.

        ``command`` is a command and at most one subcommand (``dags list``). Where the answer is lost the command is
        sent again, so it has to be one that may run twice. Raises AirflowCommandError when it does not end within
        ``timeout`` seconds (it is stopped then) or cannot be started; an exit code other than 0 is part of the output.
        """
        deadline = Deadline(timeout)
        name, _space, subcommand = command.partition(" ")
        body = {"command": name, "subcommand": subcommand, "parameters": list(parameters)}
        started = self._call(environment, "executeAirflowCommand", body)
        if started.get("error") or not started.get("executionId"):
            reason = started.get("error") or "Composer gave it no execution id"
            raise AirflowCommandError(f"`airflow {command}` was not started in {environment}: {reason}")
        execution = {key: started[key] for key in ("executionId", "pod", "podNamespace") if key in started}
        lines: list[str] = []

        def fetch() -> dict[str, Any]:
            answer = self._call(environment, "pollAirflowCommand", {**execution, "nextLineNumber": len(lines) + 1})
            new = sorted(answer.get("output") or [], key=lambda line: int(line.get("lineNumber") or 0))
            lines.extend(str(line.get("content") or "") for line in new)
            return answer

        seen, in_time = poll(fetch, lambda answer: bool(answer.get("outputEnd")), deadline, self._sleep)
        if not in_time:
            # The message below says more than a failure to stop would.
            with suppress(ComputeError):
                self._call(environment, "stopAirflowCommand", {**execution, "force": True})
            shown = "\n".join(lines[-_LINES_SHOWN:]) or "nothing"
            raise AirflowCommandError(
                f"`airflow {command}` has not ended in {environment} within {timeout:g} s and was stopped."
                f" It had printed: {shown}"
            )
        ended = seen.get("exitInfo") or {}
        return CommandOutput(command, tuple(lines), int(ended.get("exitCode") or 0), str(ended.get("error") or ""))

    def _call(self, environment: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{ROOT}/{self.environment_name(environment)}:{method}"
        try:
            return self._client.request("POST", url, json=body, retry=self._retry)
        except NotFoundError as error:
            # The environment itself, when it is missing, is the better message.
            self.get_environment(environment)
            raise AirflowCommandError(f"{method} in {environment}: {error.message}") from error


def dag_folder(environment: dict[str, Any]) -> tuple[str, str]:
    """Return (bucket, prefix) of the environment's DAG folder, as in ``("europe-west1-etl-1a2b3c4d-bucket", "dags")``.

    Raises EnvironmentStateError while the environment has none yet.
    """
    address = str((environment.get("config") or {}).get("dagGcsPrefix") or "")
    bucket, _slash, prefix = address.removeprefix("gs://").partition("/")
    if not address.startswith("gs://") or not bucket:
        name = str(environment.get("name", "")).rpartition("/")[2]
        raise EnvironmentStateError(
            f"The Composer environment {name} names no DAG folder (config.dagGcsPrefix is {address!r}), expected"
            f" gs://BUCKET/dags; its state is {environment.get('state', 'unknown')}"
        )
    return bucket, prefix.strip("/")
