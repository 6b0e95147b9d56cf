"""Commands of Airflow's command line: executed by the environment's Airflow, their output read line by line."""

from __future__ import annotations

import json
import shutil
import uuid
from typing import Any

from localcloud.composer import airflow_host
from localcloud.composer.configuration import Paths
from localcloud.composer.images import IMAGE_VERSION
from localcloud.composer.names import problems, wrong_state
from localcloud.composer.processes import AirflowError, AirflowProcesses
from localcloud.errors import not_found

COMPOSER_MIRROR = "/home/airflow/gcs"
# What gcloud lets one run with Airflow 2, and which second words of those that have some.
_ALLOWED: dict[str, tuple[str, ...]] = {
    "connections": (),
    "dags": (),
    "db": ("check", "trim"),
    "kerberos": (),
    "kubernetes": (),
    "list-import-errors": (),
    "pools": (),
    "roles": (),
    "sync-perm": (),
    "tasks": (),
    "users": (),
    "variables": (),
    "version": (),
}
# Lines in one answer, and executions whose output is kept.
_MOST_LINES = 1000
_MOST_EXECUTIONS = 200
_LOST_CODE = 255
# How long a command waits for an Airflow that is being started again.
_READY_SECONDS = 30.0


def require_allowed(command: str, subcommand: str) -> None:
    """Refuse what Composer does not run. Raises ApiError 400."""
    nested = _ALLOWED.get(command)
    if nested is None:
        raise problems(f"Airflow command '{command}' is not supported, expected one of: {', '.join(sorted(_ALLOWED))}.")
    if nested and subcommand not in nested:
        raise problems(
            f"Airflow command '{f'{command} {subcommand}'.strip()}' is not supported, expected one of: "
            f"{', '.join(f'{command} {word}' for word in nested)}."
        )


class Commands:
    """Executes, polls and stops commands; `execute` and `stop` take a moment and are called in threads."""

    def __init__(self, airflow: AirflowProcesses) -> None:
        """Let `airflow` run the commands."""
        self._airflow = airflow

    def execute(self, directory: str, uid: str, body: dict[str, Any]) -> dict[str, Any]:
        """Start a command in the environment of `directory`; return ExecuteAirflowCommandResponse.

        Raises ApiError 400 for a command that Composer does not run, or when Airflow does not answer.
        """
        command, subcommand = body.get("command", ""), body.get("subcommand", "")
        parameters = body.get("parameters", [])
        require_allowed(command, subcommand or next(iter(parameters), ""))
        paths = self._airflow.paths(directory)
        identifier = str(uuid.uuid4())
        (paths.commands / identifier).mkdir(mode=0o700, parents=True)
        _prune(paths)
        words = [command, *([subcommand] if subcommand else []), *parameters]
        arguments = [word.replace(COMPOSER_MIRROR, str(paths.mirror)) for word in words]
        try:
            self._airflow.wait_until_ready(directory, _READY_SECONDS)
            self._airflow.call(directory, {"action": "execute", "id": identifier, "arguments": arguments})
        except AirflowError as problem:
            raise wrong_state(f"localcloud: {problem}.") from None
        namespace = f"{IMAGE_VERSION.replace('.', '-')}-{uid[:8]}"
        return {"executionId": identifier, "pod": f"airflow-worker-{uid[-5:]}", "podNamespace": namespace}

    def poll(self, directory: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return PollAirflowCommandResponse: the lines from `nextLineNumber` on. Raises ApiError 404."""
        paths = self._airflow.paths(directory)
        execution = self._require(paths, body)
        # Looked for before the output is read: what the command wrote last is in there then.
        code = _exit_code(paths, execution)
        if code is None and not self._airflow.is_running(directory):
            code = _LOST_CODE
        first = max(1, body.get("nextLineNumber") or 1)
        lines, complete = _read_lines(paths, execution)
        wanted = lines if code is not None or complete else lines[:-1]
        answered = wanted[first - 1 : first - 1 + _MOST_LINES]
        answer: dict[str, Any] = {
            "output": [
                {"lineNumber": number, "content": line.replace(str(paths.mirror), COMPOSER_MIRROR)}
                for number, line in enumerate(answered, first)
            ]
        }
        if code is not None and first - 1 + len(answered) >= len(wanted):
            answer["outputEnd"] = True
            answer["exitInfo"] = {"exitCode": code}
            if code == _LOST_CODE and _exit_code(paths, execution) is None:
                answer["exitInfo"]["error"] = "The process that ran the command was restarted."
        return answer

    def stop(self, directory: str, body: dict[str, Any]) -> dict[str, Any]:
        """Stop a command; return StopAirflowCommandResponse. Raises ApiError 404."""
        paths = self._airflow.paths(directory)
        execution = self._require(paths, body)
        if _exit_code(paths, execution) is not None:
            return {"isDone": True, "output": ["The command has ended already."]}
        request = {"action": "stop", "id": execution, "force": body.get("force", False)}
        try:
            running = self._airflow.call(directory, request)["running"]
        except AirflowError:
            running = False
        return {"isDone": not running, "output": ["Stopping the command."] if running else []}

    @staticmethod
    def _require(paths: Paths, body: dict[str, Any]) -> str:
        execution = body.get("executionId", "")
        try:
            known = str(uuid.UUID(execution)) == execution and (paths.commands / execution).is_dir()
        except ValueError:
            known = False
        if not known:
            raise not_found(f"Execution '{execution}' was not found.")
        return execution


def _exit_code(paths: Paths, execution: str) -> int | None:
    try:
        text = (paths.commands / execution / airflow_host.EXIT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return json.loads(text)["exit_code"]


def _read_lines(paths: Paths, execution: str) -> tuple[list[str], bool]:
    """Return the lines so far, and whether the last one is complete."""
    try:
        text = (paths.commands / execution / airflow_host.OUTPUT_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return [], True
    return text.removesuffix("\n").split("\n") if text else [], text.endswith("\n")


def _prune(paths: Paths) -> None:
    """Forget the oldest executions beyond those that are kept."""
    found = sorted(paths.commands.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in found[:-_MOST_EXECUTIONS]:
        shutil.rmtree(path, ignore_errors=True)
