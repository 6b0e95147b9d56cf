# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Airflow's command line behind Composer's API, and the environment's bucket, in memory.

What the commands print and keep was seen on Airflow 2.11.1: a list of pools has texts only, an import of connections
keeps passwords, an import that fails for one object ends with 0, an export of connections to standard output with 1.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.composer_stand_in import (
    recorded_environment,
)

NOISE = "[2026-01-02T03:04:05.000+0000] {plugins.py:37} INFO - setup plugin alembic.autogenerate.schemas"
_FIELDS = ("conn_type", "description", "login", "password", "host", "port", "schema", "extra")


class _Response:
    def __init__(self, content: Any, date: str) -> None:
        self.content = json.dumps(content).encode()
        self.headers = {"Date": date}


class Airflow:
    """One environment, ``etl``. ``fail_at`` are commands that fail instead, ``unseen`` how often a file is missing."""

    project, region = "p", "europe-west1"

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self.connections: dict[str, dict[str, Any]] = {}
        self.pools = {"default_pool": {"slots": 128, "description": "Default pool", "include_deferred": False}}
        self.objects: dict[str, bytes] = {}
        self.commands: list[list[str]] = []
        self.fail_at: dict[str, Exception | tuple[int, str]] = {}
        self.unseen = 0
        self.exists = True
        self._outputs: dict[str, tuple[int, list[str]]] = {}

    def request(
        self,
        verb: str,
        url: str,
        *,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        raw: bool = False,
        **_more: Any,
    ) -> Any:
        """One call of Composer or Cloud Storage."""
        if "storage.googleapis.com" in url:
            return self._storage(verb, url, data, raw)
        if not self.exists:
            raise NotFoundError(404, "NOT_FOUND", "not found", url, verb)
        if url.endswith(":executeAirflowCommand"):
            argv = [json["command"], json["subcommand"], *json["parameters"]]
            self.commands.append(argv)
            identifier = str(len(self.commands))
            self._outputs[identifier] = self._run(argv)
            return {"executionId": identifier}
        if url.endswith(":pollAirflowCommand"):
            code, lines = self._outputs[json["executionId"]]
            output = [{"lineNumber": number, "content": line} for number, line in enumerate(lines, 1)]
            return {"output": output[json["nextLineNumber"] - 1 :], "outputEnd": True, "exitInfo": {"exitCode": code}}
        return recorded_environment()

    def pages(self, *_arguments: Any, **_options: Any) -> list[dict[str, Any]]:
        """A list call: of environments only."""
        return [recorded_environment("other")]

    @property
    def owned(self) -> Any:
        """What is noted as managed."""
        return json.loads(self.variables["dataplatform_managed"])

    def set_variables(self, **values: Any) -> None:
        """Set variables by hand."""
        self.variables |= {key: _stored(value) for key, value in values.items()}

    def _storage(self, verb: str, url: str, data: Any, raw: bool) -> Any:
        if verb == "POST":
            body = data().read()
            head, content = body.split(b"\r\n\r\n")[1:3]
            name = json.loads(head.split(b"\r\n--")[0])["name"]
            self.objects[name] = content.split(b"\r\n--")[0]
            return {"generation": "1"}
        if verb == "DELETE":
            self.objects.pop(unquote(url.rpartition("/o/")[2]), None)
            return {}
        assert raw
        items = [
            {"name": name, "generation": "1", "updated": "2026-01-01T00:00:00Z"}
            for name in self.objects
            if name.startswith("data/")
        ]
        return _Response({"items": items}, "Thu, 01 Jan 2026 02:00:00 GMT")

    def _run(self, argv: list[str]) -> tuple[int, list[str]]:
        command = " ".join(argv[:2])
        if command in self.fail_at:
            failure = self.fail_at[command]
            if isinstance(failure, Exception):
                raise failure
            return failure[0], [NOISE, *failure[1].splitlines()]
        code, text = getattr(self, f"_{argv[1]}")(argv[0], argv[2:])
        return code, [NOISE, *text.splitlines()]

    def _export(self, kind: str, _arguments: list[str]) -> tuple[int, str]:
        if kind == "variables":
            shown: dict[str, Any] = {name: _decoded(text) for name, text in self.variables.items()}
        else:
            shown = {name: {key: one.get(key) for key in _FIELDS} for name, one in self.connections.items()}
        text = json.dumps(shown, indent=4)
        if kind == "connections":
            return 1, f"{text}Traceback (most recent call last):\nValueError: I/O operation on closed file."
        return 0, f"{text}\n{len(shown)} successfully exported."

    def _list(self, _kind: str, _arguments: list[str]) -> tuple[int, str]:
        return 0, json.dumps([{"pool": name} | {k: str(v) for k, v in one.items()} for name, one in self.pools.items()])

    def _import(self, kind: str, arguments: list[str]) -> tuple[int, str]:
        content = self.objects.get(arguments[0].removeprefix("/home/airflow/gcs/"))
        if content is None or self.unseen:
            self.unseen -= 1
            return 1, f"Missing {kind} file."
        for name, value in json.loads(content).items():
            if kind == "variables":
                self.variables[name] = _stored(value)
            elif kind == "pools":
                self.pools[name] = dict(value)
            else:
                kept = {"password": self.connections.get(name, {}).get("password")}
                self.connections[name] = {**kept, **value}
        return 0, "all imported"

    def _delete(self, kind: str, arguments: list[str]) -> tuple[int, str]:
        found = getattr(self, kind).pop(arguments[0], None)
        if found is None and kind != "variables":
            return 1, f"Pool {arguments[0]} does not exist"
        return 0, "deleted"


def _stored(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
