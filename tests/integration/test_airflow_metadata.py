"""airflow_metadata against a real Airflow in a local cloud's environment."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.composer_support import ENVIRONMENT, REGION, Composer, composer

__all__ = ["composer"]
WANTED: dict[str, Any] = {
    "variables": {"input": "gs://data/x", "limits": {"retries": 2}, "lines": "one\ntwo"},
    "connections": {"weather": {"conn_type": "http", "host": "weather.example", "port": 443, "extra": {"timeout": 10}}},
    "pools": {"user-ada": {"slots": 3, "include_deferred": True, "description": "Workers of ada"}},
}
NAMES = {"input", "limits", "lines", "weather", "user-ada"}


@pytest.fixture(autouse=True)
def nothing_of_ours(composer: Composer) -> None:
    """Begin without anything that an earlier test has set."""
    result = composer.metadata(variables={}, connections={}, pools={})
    assert not result.get("failed"), result
    composer.cloud.clear_requests()


def names(result: dict[str, Any]) -> set[str]:
    """What changed."""
    assert not result.get("failed"), result["msg"]
    return {one["name"] for one in result["results"]}


def test_check_mode_says_what_a_run_does_and_a_second_run_changes_nothing(composer: Composer) -> None:
    check = composer.metadata(check=True, **WANTED)
    assert names(check) == NAMES
    assert composer.import_files() == []
    assert composer.metadata(**WANTED) == check
    assert composer.import_files() == [], "uploaded files are removed"
    again = composer.metadata(**WANTED)
    assert not again["changed"] and again["diff"] == [], again["diff"]


def test_googles_command_line_sees_the_same(composer: Composer) -> None:
    composer.metadata(**WANTED)
    assert "limits" in composer.airflow("variables", "list")
    pools = composer.airflow("pools", "list", "--output", "json")
    assert '"user-ada", "slots": "3", "description": "Workers of ada", "include_deferred": "True"' in pools
    assert "weather.example" in composer.airflow("connections", "get", "weather")


def test_what_was_changed_by_hand_is_shown_and_put_right(composer: Composer) -> None:
    composer.metadata(**WANTED)
    composer.airflow("variables", "set", "input", "gs://elsewhere")
    composer.airflow("pools", "set", "user-ada", "9", "by-hand")
    check = composer.metadata(check=True, **WANTED)
    assert names(check) == {"input", "user-ada"}
    assert check["diff"][0]["before"] == {"value": "gs://elsewhere"}
    assert check["diff"][1]["before"] == {"slots": 9, "description": "by-hand", "include_deferred": False}
    assert names(composer.metadata(**WANTED)) == {"input", "user-ada"}
    assert not composer.metadata(**WANTED)["changed"]


@pytest.mark.slow
def test_password_that_was_set_by_hand_is_taken_away(composer: Composer) -> None:
    composer.metadata(connections=WANTED["connections"])
    composer.airflow("connections", "delete", "weather")
    composer.airflow(
        "connections", "add", "weather", "--conn-type", "http", "--conn-host", "weather.example", "--conn-port", "443",
        "--conn-extra", '{"timeout": 10}', "--conn-password", "s3cr3t",
    )  # fmt: skip
    result = composer.metadata(connections=WANTED["connections"])
    assert names(result) == {"weather"} and "s3cr3t" not in str(result)
    assert "s3cr3t" not in composer.airflow("connections", "get", "weather", "--output", "json")
    assert not composer.metadata(connections=WANTED["connections"])["changed"]


def test_what_is_no_longer_listed_goes_and_what_gcloud_imported_stays(composer: Composer, tmp_path: Path) -> None:
    composer.metadata(**WANTED)
    (tmp_path / "by-hand.json").write_text('{"by_hand": "x"}')
    storage = ["gcloud", "composer", "environments", "storage", "data", "import", "--environment", ENVIRONMENT]
    composer.cloud.run(*storage, "--location", REGION, "--source", str(tmp_path / "by-hand.json"))
    deadline = time.monotonic() + 60
    while "1 of 1 variables" not in composer.airflow("variables", "import", "/home/airflow/gcs/data/by-hand.json"):
        assert time.monotonic() < deadline
    assert names(composer.metadata(variables={"input": "gs://data/x"}, connections={}, pools={})) == NAMES - {"input"}
    listed = composer.airflow("variables", "list")
    assert "by_hand" in listed and "limits" not in listed
    assert "user-ada" not in composer.airflow("pools", "list")


def test_environment_that_is_being_updated_is_waited_for(composer: Composer) -> None:
    composer.begin_an_update()
    assert composer.live()["state"] == "UPDATING"
    assert names(composer.metadata(variables={"a": "b"})) == {"a"}


def test_environment_that_does_not_exist(composer: Composer) -> None:
    result = composer.metadata(environment="etll", variables={"a": "b"})
    assert result["failed"] and "did you mean 'etl'" in result["msg"]


def wait_for_second_upload(composer: Composer, process: Any) -> None:
    """Wait until the variables are in and the file with the pools was uploaded."""
    deadline = time.monotonic() + 120
    while sum(one["method_id"] == "storage.objects.insert" for one in composer.cloud.requests()) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_run_that_ended_half_way_is_finished_by_the_next(composer: Composer, tmp_path: Path, number: int) -> None:
    left = composer.import_files()
    process = composer.start(tmp_path / "arguments.json", "airflow_metadata", **WANTED)
    wait_for_second_upload(composer, process)
    process.send_signal(number)
    process.wait(timeout=60)
    if number == signal.SIGTERM:
        assert "interrupted" in process.stdout.read()
        assert composer.import_files() == left
    rest = composer.metadata(**WANTED)
    assert names(rest) <= {"weather", "user-ada"}, "variables were in already"
    assert not composer.metadata(**WANTED)["changed"]
