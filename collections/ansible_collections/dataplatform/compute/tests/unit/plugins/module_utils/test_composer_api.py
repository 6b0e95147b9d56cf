# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Composer environments: found or not, waited for, and asked to run Airflow's command line."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.airflow_output import json_payload
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    AirflowCommandError,
    CommandOutput,
    ComposerApi,
    EnvironmentNotFoundError,
    EnvironmentStateError,
    dag_folder,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError

NAME = "projects/p/locations/r/environments/etl"
NOISE = "[2026-01-02T03:04:05.000+0000] {plugins.py:37} INFO - setup plugin alembic.autogenerate.schemas"


class Client:
    """Answers what a test has queued per method, the last answer for ever; notes every call."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, Any]] = []

    def request(self, _verb: str, url: str, *, json: Any = None, **_options: Any) -> Any:
        method = url.rpartition(":")[2] if ":" in url.removeprefix("https://") else "get"
        self.calls.append((method, json))
        queue = self.answers.get(method) or []
        if not queue:
            raise NotFoundError(404, "NOT_FOUND", "not found", url, "GET")
        return queue.pop(0) if len(queue) > 1 else queue[0]

    def pages(self, _url: str, _key: str, **_options: Any) -> list[dict[str, Any]]:
        return [{"name": NAME}, {"name": "projects/p/locations/r/environments/other"}]


def api(client: Client, slept: list[float] | None = None) -> ComposerApi:
    """The API of one location, in which waiting takes no time."""
    return ComposerApi(client, "p", "r", sleep=(slept if slept is not None else []).append)


def lines(*contents: str, first: int = 1) -> list[dict[str, Any]]:
    """Lines as Composer answers them."""
    return [{"lineNumber": first + index, "content": content} for index, content in enumerate(contents)]


def test_a_missing_environment_names_the_one_that_was_meant() -> None:
    with pytest.raises(EnvironmentNotFoundError, match="no Composer environment 'elt' in p, r; did you mean 'etl'"):
        api(Client()).get_environment("elt")


def test_an_update_is_waited_for() -> None:
    slept: list[float] = []
    client = Client(get=[{"state": "UPDATING"}, {"state": "UPDATING"}, {"state": "RUNNING"}])
    assert api(client, slept).wait_until_running("etl", 60) == {"state": "RUNNING"}
    assert len(slept) == 2


def test_an_update_without_end_is_said() -> None:
    client = Client(get=[{"state": "UPDATING"}])
    with pytest.raises(EnvironmentStateError, match="still UPDATING after 0 s"):
        api(client).wait_until_running("etl", 0)


def test_a_broken_environment_is_not_waited_for() -> None:
    client = Client(get=[{"state": "ERROR"}])
    with pytest.raises(EnvironmentStateError, match="state ERROR, expected RUNNING"):
        api(client).wait_until_running("etl", 60)
    assert len(client.calls) == 1


def test_a_command_is_polled_to_its_end_line_by_line() -> None:
    client = Client(
        executeAirflowCommand=[{"executionId": "x", "pod": "pod", "podNamespace": "space"}],
        pollAirflowCommand=[
            {"output": lines(NOISE)},
            {},
            {"output": list(reversed(lines('[{"dag_id":', '"a"}]', first=2)))},
            {"outputEnd": True, "exitInfo": {}},
        ],
    )
    output = api(client).run("etl", "dags list", ["--output", "json"])
    assert output.exit_code == 0
    assert output.payload() == [{"dag_id": "a"}]
    assert client.calls[0][1] == {"command": "dags", "subcommand": "list", "parameters": ["--output", "json"]}
    assert [body["nextLineNumber"] for method, body in client.calls if method == "pollAirflowCommand"] == [1, 2, 2, 4]
    assert client.calls[1][1]["podNamespace"] == "space"


def test_a_failing_command_shows_code_and_output() -> None:
    client = Client(
        executeAirflowCommand=[{"executionId": "x"}],
        pollAirflowCommand=[{"output": lines("no such pool"), "outputEnd": True, "exitInfo": {"exitCode": 1}}],
    )
    output = api(client).run("etl", "pools get", ["x"])
    with pytest.raises(AirflowCommandError, match=r"`airflow pools get` ended with 1: no such pool"):
        output.require_success()


def test_a_command_that_does_not_end_is_stopped() -> None:
    client = Client(
        executeAirflowCommand=[{"executionId": "x"}],
        pollAirflowCommand=[{"output": lines("half")}],
        stopAirflowCommand=[{}],
    )
    with pytest.raises(AirflowCommandError, match=r"not ended in etl within 0 s and was stopped. It had printed: half"):
        api(client).run("etl", "dags list", timeout=0)
    assert client.calls[-1] == ("stopAirflowCommand", {"executionId": "x", "force": True})


def test_a_command_composer_refuses_to_start_is_said() -> None:
    client = Client(executeAirflowCommand=[{"error": "invalid choice: 'lst'"}])
    with pytest.raises(AirflowCommandError, match="was not started in etl: invalid choice"):
        api(client).run("etl", "dags lst")


def test_a_command_in_a_missing_environment_names_the_environment() -> None:
    with pytest.raises(EnvironmentNotFoundError, match="did you mean 'etl'"):
        api(Client()).run("elt", "dags list")


def test_output_without_json_is_shown() -> None:
    with pytest.raises(AirflowCommandError, match=r"(?s)printed no JSON: .*No data found"):
        CommandOutput("dags list", (NOISE, "No data found"), 0).payload()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([NOISE, "[]"], []),
        ([NOISE, "  [1, 2]", "done"], [1, 2]),
        (["{", '"a": 1', "}"], {"a": 1}),
        (["[12] worker", '["x"]'], ["x"]),
        ([NOISE], None),
        ([], None),
    ],
)
def test_json_is_found_among_the_lines_of_the_log(output: list[str], expected: Any) -> None:
    assert json_payload(output) == expected


def test_the_dag_folder_is_read_from_the_environment() -> None:
    assert dag_folder({"config": {"dagGcsPrefix": "gs://bucket/dags"}}) == ("bucket", "dags")
    with pytest.raises(EnvironmentStateError, match="etl names no DAG folder"):
        dag_folder({"name": NAME, "config": {}, "state": "CREATING"})
