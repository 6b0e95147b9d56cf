# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One environment is read, compared and updated in turn; interrupted half-way, a repeated run finishes it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import composer_environment, waiter
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    EnvironmentNotFoundError,
    EnvironmentStateError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_plan import PACKAGES
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import PartialFailureError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.composer_stand_in import (
    IMAGE,
    OVERRIDES,
    Composer,
    recorded_environment,
    refused,
)

STATED = {
    "airflow_config_overrides": {"core-parallelism": "64"},
    "environment_variables": {"TEAM": "platform"},
    "labels": {"managed-by": "dataplatform-compute"},
}
BUSY = "Cannot update environment in state UPDATING"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses take no time."""
    monkeypatch.setattr(waiter.time, "sleep", lambda _seconds: None)


def apply(
    composer: Composer, *, check: bool = False, warnings: list[str] | None = None, **stated: Any
) -> dict[str, Any]:
    """Run the core as the task does."""
    defaults = {name: option.get("default") for name, option in composer_environment.DEFINITION.argument_spec.items()}
    params = {**defaults, "environment": "etl", **stated}
    reporter = Reporter(check_mode=check, warn=(warnings if warnings is not None else []).append)
    return composer_environment.run(params, composer, reporter)


def test_differences_are_put_right_one_type_a_request() -> None:
    composer = Composer(recorded_environment())
    result = apply(composer, **STATED)
    assert result["changed"]
    assert result["updates"] == [OVERRIDES, "config.softwareConfig.envVariables", "labels"]
    assert len(composer.patches) == 3
    software = composer.environments["etl"]["config"]["softwareConfig"]
    assert software["airflowConfigOverrides"] == {"core-parallelism": "64", "webserver-rbac": "true"}
    assert software["envVariables"] == {"TEAM": "platform", "BY_HAND": "yes"}, "others' variables are kept"
    assert composer.environments["etl"]["labels"] == {"owner": "somebody", "managed-by": "dataplatform-compute"}
    assert result["remaining"] == [] and result["table"] == []
    assert result["environment"]["bucket"] == "europe-west1-etl-1234abcd-bucket"
    again = apply(composer, **STATED)
    assert not again["changed"] and len(composer.patches) == 3


def test_check_mode_says_what_a_run_does_and_writes_nothing() -> None:
    composer = Composer(recorded_environment())
    check = apply(composer, check=True, **STATED)
    assert composer.patches == []
    run = apply(composer, **STATED)
    for key in ("changed", "action", "updates", "drift", "remaining", "diff"):
        assert check[key] == run[key], key


@pytest.mark.parametrize("check", [True, False])
def test_drift_is_reported_and_nothing_is_written(check: bool) -> None:
    composer = Composer(recorded_environment())
    result = apply(composer, state="drift", check=check, **STATED)
    assert composer.patches == []
    assert not result["changed"] and result["diff"] == [] and result["updates"] == []
    assert {"path": f"{OVERRIDES}.core-parallelism", "wanted": "64", "live": "32"} in result["drift"]
    assert len(result["table"]) == 4
    assert result["pending"] == [OVERRIDES, "config.softwareConfig.envVariables", "labels"]


def test_image_is_reported_and_upgraded_only_when_asked() -> None:
    composer = Composer(recorded_environment())
    newer = "composer-2.18.0-airflow-2.11.1"
    result = apply(composer, image_version=newer)
    assert not result["changed"] and [one["path"] for one in result["remaining"]] == [IMAGE]
    assert apply(composer, image_version=newer, upgrade=True)["updates"] == [IMAGE]
    assert composer.environments["etl"]["config"]["softwareConfig"]["imageVersion"] == newer
    with pytest.raises(ValidationError, match="older than"):
        apply(composer, image_version="composer-2.17.9-airflow-2.11.1", upgrade=True)


def test_missing_environment_names_the_one_that_was_meant() -> None:
    for options in ({}, {"state": "drift", "create": {}}):
        with pytest.raises(EnvironmentNotFoundError, match="did you mean 'etl'"):
            apply(Composer(recorded_environment()), environment="elt", **options)


def test_missing_environment_is_created_when_asked() -> None:
    composer = Composer()
    packages = {"polars": "==1.9.0"}
    wanted = {"create": {"environmentSize": "ENVIRONMENT_SIZE_SMALL"}, "pypi_packages": packages, **STATED}
    check = apply(composer, check=True, **wanted)
    assert check["action"] == "create" and composer.created == [] and composer.patches == []
    assert check["environment"]["state"] == "ABSENT"
    result = apply(composer, **wanted)
    assert result["changed"] and result["action"] == "create"
    assert result["updates"] == [PACKAGES]
    for key in ("changed", "updates", "pending", "drift", "remaining", "table", "diff"):
        assert check[key] == result[key], key
    assert "pypiPackages" not in composer.created[0]["config"]["softwareConfig"]
    assert composer.environments["etl"]["config"]["softwareConfig"]["pypiPackages"] == packages
    assert not apply(composer, create={}, pypi_packages=packages, **STATED)["changed"]


@pytest.mark.parametrize(
    "words", ["No change in configuration", "The update does not result in any change to the environment."]
)
def test_no_change_is_no_failure(words: str) -> None:
    composer = Composer(recorded_environment())
    composer.refusals = [refused(words)]
    assert not apply(composer, labels={"a": "b"})["changed"]


def test_update_of_somebody_else_is_waited_for() -> None:
    composer = Composer(recorded_environment())
    composer.states = ["UPDATING", "UPDATING", "RUNNING"]
    composer.refusals = [refused(BUSY), None]
    assert apply(composer, labels={"a": "b"})["updates"] == ["labels"]
    assert len(composer.patches) == 2


def test_update_without_end_is_said_and_nothing_written() -> None:
    composer = Composer(recorded_environment())
    composer.states = ["UPDATING"] * 100
    with pytest.raises(EnvironmentStateError, match="still UPDATING"):
        apply(composer, labels={"a": "b"}, wait_timeout=0.001)
    assert composer.patches == []


def test_check_mode_does_not_wait_and_warns() -> None:
    composer = Composer(recorded_environment())
    composer.states = ["UPDATING"]
    warnings: list[str] = []
    assert apply(composer, check=True, warnings=warnings, labels={"a": "b"})["changed"]
    assert "etl is UPDATING" in warnings[0]


def test_environment_that_is_broken_is_not_updated() -> None:
    composer = Composer(recorded_environment())
    composer.states = ["ERROR"]
    with pytest.raises(EnvironmentStateError, match="state ERROR"):
        apply(composer, labels={"a": "b"})
    assert composer.patches == []


def test_failure_half_way_says_what_is_left_and_a_repeated_run_finishes() -> None:
    composer = Composer(recorded_environment())
    composer.refusals = [None, refused("quota is used up")]
    with pytest.raises(PartialFailureError) as caught:
        apply(composer, **STATED)
    message = str(caught.value)
    assert "quota is used up" in message
    assert f"Updated before: {OVERRIDES}. Left: config.softwareConfig.envVariables, labels." in message
    assert caught.value.result["changed"]
    assert {one["path"] for one in caught.value.result["remaining"]} == {
        "config.softwareConfig.envVariables.TEAM",
        "labels.managed-by",
    }
    assert apply(composer, **STATED)["updates"] == ["config.softwareConfig.envVariables", "labels"]


def test_only_what_carries_our_labels_is_deleted() -> None:
    composer = Composer(recorded_environment())
    for labels in ({"managed-by": "dataplatform-compute"}, {}):
        with pytest.raises(ValidationError, match="labels that mark the environment as ours"):
            apply(composer, state="absent", labels=labels)
    ours = {"owner": "somebody"}
    assert apply(composer, state="absent", check=True, labels=ours)["action"] == "delete"
    assert set(composer.environments) == {"etl"}
    result = apply(composer, state="absent", labels=ours)
    assert result["changed"] and composer.environments == {}
    assert result["environment"]["bucket"] == "europe-west1-etl-1234abcd-bucket", "what stays is named"
    assert not apply(composer, state="absent", labels=ours)["changed"]


def test_everything_composer_refuses_is_found_before_the_first_call() -> None:
    composer = Composer(recorded_environment())
    with pytest.raises(ValidationError) as caught:
        apply(
            composer,
            airflow_config_overrides={"core.parallelism": "1"},
            environment_variables={"AIRFLOW__CORE__X": "1"},
            pypi_packages={"google-api-core": "==2.29.0"},
            labels={"Team": "x"},
            image_version="composer-2.16.9-airflow-2.11.0",
            wait_timeout=0.0,
        )
    assert len(caught.value.problems) == 6
    assert "did you mean 'core-parallelism'" in str(caught.value)
    assert composer.patches == []
