"""composer_environment against a local cloud whose environment runs a real Airflow."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.composer_support import IMAGE, Composer, composer

__all__ = ["composer"]
SOFTWARE = "config.softwareConfig"


@pytest.fixture(autouse=True)
def clean(composer: Composer) -> None:
    """Begin with a quiet environment and an empty journal."""
    composer.wait_until_running()
    composer.cloud.clear_requests()


def test_environment_that_does_not_exist_names_the_one_that_was_meant(composer: Composer) -> None:
    for state in ("present", "drift"):
        result = composer.settings(environment="etll", state=state, image_version=IMAGE)
        assert result["failed"]
        assert "no Composer environment 'etll' in local-project, europe-west1; did you mean 'etl'" in result["msg"]


def test_every_type_is_a_request_of_its_own_and_a_second_run_makes_none(composer: Composer) -> None:
    composer.patch(f"{SOFTWARE}.envVariables", {"config": {"softwareConfig": {"envVariables": {"BY_HAND": "yes"}}}})
    composer.wait_until_running()
    composer.cloud.clear_requests()
    stated = {
        "image_version": "composer-2-airflow-2",
        "airflow_config_overrides": {"core-parallelism": "7", "webserver-instance_name": "ours"},
        "environment_variables": {"TEAM": "growth"},
        "labels": {"managed-by": "dataplatform-compute"},
    }
    check = composer.settings(check=True, **stated)
    assert composer.masks() == []
    result = composer.settings(**stated)
    for key in ("changed", "action", "updates", "drift", "remaining", "diff"):
        assert check[key] == result[key], key
    overrides = f"{SOFTWARE}.airflowConfigOverrides"
    assert composer.masks() == [
        f"{overrides}.core-parallelism,{overrides}.webserver-instance_name",
        f"{SOFTWARE}.envVariables",
        "labels.managed-by",
    ]
    software = composer.live()["config"]["softwareConfig"]
    assert software["envVariables"] == {"BY_HAND": "yes", "TEAM": "growth"}
    assert software["airflowConfigOverrides"]["core-parallelism"] == "7"
    composer.cloud.clear_requests()
    again = composer.settings(**stated)
    assert not again["changed"] and composer.masks() == []


def test_null_takes_a_key_away_and_leaves_the_others(composer: Composer) -> None:
    composer.settings(airflow_config_overrides={"core-parallelism": "7", "webserver-instance_name": "ours"})
    result = composer.settings(airflow_config_overrides={"core-parallelism": None})
    assert result["changed"]
    overrides = composer.live()["config"]["softwareConfig"]["airflowConfigOverrides"]
    assert "core-parallelism" not in overrides and overrides["webserver-instance_name"] == "ours"


def test_drift_is_reported_and_nothing_is_asked_for(composer: Composer) -> None:
    composer.settings(airflow_config_overrides={"core-parallelism": "7"})
    composer.cloud.clear_requests()
    result = composer.settings(state="drift", airflow_config_overrides={"core-parallelism": "9"})
    path = f"{SOFTWARE}.airflowConfigOverrides.core-parallelism"
    assert not result["changed"]
    assert result["drift"] == [{"path": path, "wanted": "9", "live": "7"}]
    assert result["table"][1].split() == [path, "9", "7"]
    assert composer.masks() == []


def test_update_of_somebody_else_is_waited_for(composer: Composer) -> None:
    composer.begin_an_update()
    assert composer.live()["state"] == "UPDATING"
    result = composer.settings(labels={"after": str(time.time_ns())})
    assert result["changed"], result


def test_update_without_end_in_time_is_said_and_nothing_written(composer: Composer) -> None:
    composer.begin_an_update()
    result = composer.settings(labels={"after": str(time.time_ns())}, wait_timeout=0.001)
    assert result["failed"] and "still UPDATING after" in result["msg"]
    assert len(composer.masks()) == 1


def test_run_that_was_killed_half_way_is_finished_by_the_next(composer: Composer, tmp_path: Path) -> None:
    marker = str(time.time_ns())
    stated = {
        "airflow_config_overrides": {"core-parallelism": marker[-3:]},
        "environment_variables": {"MARKER": marker},
        "labels": {"marker": marker},
    }
    process = composer.start(tmp_path / "arguments.json", "composer_environment", **stated)
    deadline = time.monotonic() + 60
    while not composer.masks():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(composer.masks()) == 1
    result = composer.settings(**stated)
    assert result["updates"] == [f"{SOFTWARE}.envVariables", "labels"], "what was started is waited for, not repeated"
    assert not composer.settings(**stated)["changed"]


def test_only_our_own_environment_is_deleted(composer: Composer) -> None:
    composer.settings(labels={"managed-by": "dataplatform-compute"})
    result = composer.settings(state="absent", labels={"managed-by": "somebody"})
    assert result["failed"] and "does not carry managed-by=somebody" in result["msg"]
    assert composer.live()["state"] == "RUNNING"
