# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables, connections and pools: only what differs is written, only what is ours deleted, nothing left behind."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import airflow_metadata, waiter
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    AirflowCommandError,
    EnvironmentNotFoundError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import PartialFailureError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.airflow_stand_in import Airflow

WANTED: dict[str, Any] = {
    "variables": {"input": "gs://data/x", "limits": {"retries": 2}, "count": "5"},
    "connections": {"weather": {"conn_type": "http", "host": "weather.example", "extra": {"timeout": 10}}},
    "pools": {"user-ada": {"slots": 3, "include_deferred": True, "description": "Workers of ada"}},
}
OURS = {"variables": ["count", "input", "limits"], "connections": ["weather"], "pools": ["user-ada"]}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses take next to no time."""
    monkeypatch.setattr(waiter, "FIRST_INTERVAL", 0.001)
    monkeypatch.setattr(waiter, "LONGEST_INTERVAL", 0.001)


def apply(airflow: Airflow, *, check: bool = False, warnings: list[str] | None = None, **given: Any) -> dict[str, Any]:
    """Run the core as the task does."""
    defaults = {name: option.get("default") for name, option in airflow_metadata.DEFINITION.argument_spec.items()}
    reporter = Reporter(check_mode=check, warn=(warnings if warnings is not None else []).append)
    return airflow_metadata.run({**defaults, "environment": "etl", **given}, airflow, reporter)


def commands(airflow: Airflow) -> list[str]:
    """The commands that were run, without their parameters."""
    return [" ".join(argv[:2]) for argv in airflow.commands]


def test_everything_is_set_and_a_second_run_only_reads() -> None:
    airflow = Airflow()
    result = apply(airflow, **WANTED)
    assert result["changed"]
    assert {(one["kind"], one["action"]) for one in result["results"]} == {
        ("variables", "create"),
        ("connections", "create"),
        ("pools", "create"),
    }
    assert airflow.variables["input"] == "gs://data/x" and airflow.variables["count"] == "5"
    assert airflow.pools["user-ada"] == WANTED["pools"]["user-ada"]
    assert airflow.connections["weather"]["extra"] == '{"timeout": 10}'
    assert airflow.owned == OURS
    assert airflow.objects == {}, "uploaded files are removed"
    airflow.commands.clear()
    assert not apply(airflow, **WANTED)["changed"]
    assert sorted(commands(airflow)) == ["connections export", "pools list", "variables export"]


def test_no_value_is_ever_an_argument() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    assert not any("weather.example" in word or "gs://" in word for argv in airflow.commands for word in argv)


def test_check_mode_shows_what_a_run_does_and_writes_nothing() -> None:
    airflow = Airflow()
    airflow.set_variables(input="by hand")
    check = apply(airflow, check=True, **WANTED)
    assert airflow.objects == {} and not any(argv[1] in ("import", "delete") for argv in airflow.commands)
    run = apply(airflow, **WANTED)
    assert check == run


def test_what_was_changed_by_hand_is_shown_and_put_right() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.set_variables(input="gs://elsewhere")
    airflow.pools["user-ada"]["include_deferred"] = False
    check = apply(airflow, check=True, **WANTED)
    assert [(one["name"], one["action"]) for one in check["results"]] == [("input", "update"), ("user-ada", "update")]
    assert check["diff"][0]["before"] == {"value": "gs://elsewhere"}
    assert check["diff"][0]["after"] == {"value": "gs://data/x"}
    apply(airflow, **WANTED)
    assert airflow.variables["input"] == "gs://data/x"
    assert airflow.pools["user-ada"]["include_deferred"] is True


def test_only_what_differs_is_imported() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.set_variables(input="other")
    airflow.commands.clear()
    apply(airflow, **WANTED)
    assert [one for one in commands(airflow) if "import" in one] == ["variables import"]


def test_what_is_no_longer_listed_goes_and_what_is_made_by_hand_stays() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.set_variables(by_hand="x")
    airflow.pools["by-hand"] = {"slots": 1, "description": "", "include_deferred": False}
    airflow.connections["by_hand"] = {"conn_type": "http", "password": "s3cr3t"}
    result = apply(airflow, variables={"input": "gs://data/x"}, connections={}, pools={})
    assert {one["name"] for one in result["results"]} == {"count", "limits", "weather", "user-ada"}
    assert set(airflow.variables) == {"input", "by_hand", "dataplatform_managed"}
    assert set(airflow.pools) == {"default_pool", "by-hand"}
    assert set(airflow.connections) == {"by_hand"}
    assert airflow.owned == {"variables": ["input"], "connections": [], "pools": []}
    assert "s3cr3t" not in str(result)


def test_airflows_own_pool_is_not_deleted() -> None:
    airflow = Airflow()
    apply(airflow, pools={"default_pool": {"slots": 64}})
    assert airflow.pools["default_pool"]["slots"] == 64
    apply(airflow, pools={})
    assert "default_pool" in airflow.pools and airflow.owned["pools"] == []
    assert not any(argv[1] == "delete" for argv in airflow.commands)


def test_kinds_that_are_not_given_are_not_looked_at() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.commands.clear()
    assert not apply(airflow, pools=WANTED["pools"])["changed"]
    assert sorted(commands(airflow)) == ["pools list", "variables export"]
    assert airflow.owned == OURS


def test_connections_are_not_read_where_there_is_none_of_ours() -> None:
    airflow = Airflow()
    apply(airflow, variables={"a": "b"}, connections={}, pools={})
    assert "connections export" not in commands(airflow)


def test_without_purge_what_is_gone_stays_ours() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    assert not apply(airflow, variables={"input": "gs://data/x"}, purge=False)["changed"]
    assert airflow.owned == OURS


def test_made_by_hand_under_a_wanted_name_is_adopted() -> None:
    airflow = Airflow()
    airflow.set_variables(input="other", count=5)
    result = apply(airflow, variables={"input": "mine", "count": "5"})
    assert result["results"] == [{"kind": "variables", "name": "input", "action": "update", "adopted": True}]
    assert "(by hand)" in result["diff"][0]["before_header"]
    assert airflow.owned["variables"] == ["count", "input"]


def test_password_that_was_set_by_hand_is_taken_away_and_not_shown() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.connections["weather"] |= {"password": "s3cr3t"}
    result = apply(airflow, **WANTED)
    assert airflow.connections["weather"].get("password") is None
    assert result["diff"][0]["before"].get("password") == "(set)"
    assert "s3cr3t" not in str(result)
    assert not apply(airflow, **WANTED)["changed"]


def test_secret_that_somebody_wrote_over_a_variable_is_not_shown() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.set_variables(input="https://me:s3cr3t@host/")
    result = apply(airflow, **WANTED)
    assert "s3cr3t" not in str(result)
    assert result["diff"][0]["before"] != result["diff"][0]["after"]


def test_file_that_is_not_seen_at_once_is_waited_for() -> None:
    airflow = Airflow()
    airflow.unseen = 2
    apply(airflow, variables={"a": "b"})
    assert commands(airflow).count("variables import") == 3
    assert airflow.variables["a"] == "b"


@pytest.mark.parametrize("command", ["variables import", "pools import", "connections import"])
def test_failure_half_way_says_what_is_left_and_a_repeated_run_finishes(command: str) -> None:
    airflow = Airflow()
    airflow.fail_at[command] = (1, "sqlalchemy.exc.OperationalError: the database is locked")
    with pytest.raises(PartialFailureError, match="database is locked") as caught:
        apply(airflow, **WANTED)
    assert airflow.objects == {}
    assert "weather" in str(caught.value).partition("Left:")[2]
    made = {one["name"] for one in caught.value.result["results"]}
    assert made == {"variables import": set(), "pools import": {"input", "limits", "count"}}.get(
        command, {"input", "limits", "count", "user-ada"}
    )
    airflow.fail_at.clear()
    again = apply(airflow, **WANTED)
    assert {one["name"] for one in again["results"]} == {"input", "limits", "count", "user-ada", "weather"} - made
    assert airflow.owned == OURS
    assert not apply(airflow, **WANTED)["changed"]


def test_deletion_that_failed_is_not_forgotten() -> None:
    airflow = Airflow()
    apply(airflow, **WANTED)
    airflow.fail_at["pools delete"] = (1, "an error")
    with pytest.raises(PartialFailureError):
        apply(airflow, pools={}, variables={})
    assert airflow.owned["pools"] == ["user-ada"]
    airflow.fail_at.clear()
    assert [one["name"] for one in apply(airflow, pools={})["results"]] == ["user-ada"]


def test_import_that_left_something_out_is_a_failure() -> None:
    airflow = Airflow()
    airflow.fail_at["connections import"] = (0, "Could not import connection. The key is too long")
    with pytest.raises(PartialFailureError, match="did not import everything: Could not import"):
        apply(airflow, connections=WANTED["connections"])


def test_interruption_removes_the_file_and_a_repeated_run_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow()
    run = airflow._run

    def interrupted(argv: list[str]) -> tuple[int, list[str]]:
        if argv[:2] == ["pools", "import"]:
            os.kill(os.getpid(), signal.SIGTERM)
            return 1, ["Missing pools file."]
        return run(argv)

    monkeypatch.setattr(airflow, "_run", interrupted)
    with pytest.raises(PartialFailureError, match="interrupted\nMade: variable count"):
        apply(airflow, **WANTED)
    assert airflow.objects == {}
    assert airflow.owned == OURS, "what is to become ours is written down first"
    monkeypatch.setattr(airflow, "_run", run)
    assert {one["name"] for one in apply(airflow, **WANTED)["results"]} == {"user-ada", "weather"}


def test_files_of_a_run_that_was_killed_are_removed_by_the_next() -> None:
    airflow = Airflow()
    airflow.objects = {"data/dataplatform-import/old-variables.json": b"{}"}
    apply(airflow, variables={"a": "b"})
    assert airflow.objects == {}


def test_failing_export_shows_no_value() -> None:
    airflow = Airflow()
    airflow.fail_at["connections export"] = (1, '{"a": {"password": "s3cr3t"\nValueError: it broke')
    with pytest.raises(AirflowCommandError, match="ValueError: it broke") as caught:
        apply(airflow, **WANTED)
    assert "s3cr3t" not in str(caught.value)


def test_export_that_does_not_end_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow()
    airflow.set_variables(other="s3cr3t")
    request = airflow.request

    def endless(verb: str, url: str, **options: Any) -> Any:
        answer = request(verb, url, **options) if not url.endswith(":stopAirflowCommand") else {}
        return {**answer, "outputEnd": False} if url.endswith(":pollAirflowCommand") else answer

    monkeypatch.setattr(airflow, "request", endless)
    with pytest.raises(AirflowCommandError, match="has not ended") as caught:
        apply(airflow, variables={"a": "b"}, command_timeout=0.01)
    assert "s3cr3t" not in str(caught.value)


def test_names_that_somebody_wrote_into_the_marker_reach_no_command() -> None:
    airflow = Airflow()
    airflow.set_variables(dataplatform_managed={"variables": ["--help", 7], "pools": "x"}, **{"--help": "x"})
    warnings: list[str] = []
    apply(airflow, warnings=warnings, variables={"a": "b"}, pools={})
    assert "--help" in warnings[0]
    assert not any(argv[1] == "delete" for argv in airflow.commands)
    assert airflow.owned == {"variables": ["a"], "connections": [], "pools": []}


def test_missing_environment() -> None:
    airflow = Airflow()
    airflow.exists = False
    warnings: list[str] = []
    check = apply(airflow, check=True, warnings=warnings, **WANTED)
    assert check["changed"] and len(check["results"]) == 5
    assert "no Composer environment 'etl'" in warnings[0]
    with pytest.raises(EnvironmentNotFoundError):
        apply(airflow, **WANTED)


def test_everything_wrong_is_found_before_the_first_call_and_no_secret_shown() -> None:
    airflow = Airflow()
    with pytest.raises(ValidationError) as caught:
        apply(
            airflow,
            variables={"-a": 1, "my_token": "s3cr3t", "dataplatform_managed": {}},
            connections={
                "a": {"conn_type": "http", "password": "s3cr3t", "extra": {"private_key": "s3cr3t"}},
                "b": {"host": "x"},
                "c": {"conn_type": "http", "hots": "x"},
            },
            pools={"p": {"slots": "3"}, "q": {"slots": 1, "slot": 2}},
        )
    assert len(caught.value.problems) == 9
    assert "s3cr3t" not in str(caught.value)
    assert airflow.commands == []
