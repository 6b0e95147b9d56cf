# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs in an environment, and the updates that put it right: one type each, nothing else touched."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import composer_plan as plan
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.composer_stand_in import (
    recorded_environment,
)

IMAGE = "composer-2.17.9-airflow-2.11.1"


def test_nothing_stated_is_no_drift() -> None:
    assert plan.differences(plan.Wanted(), recorded_environment()) == []
    assert plan.differences(plan.Wanted(labels={}, pypi_packages={}), recorded_environment()) == []


def test_what_is_there_already_is_no_drift() -> None:
    wanted = plan.Wanted(
        image_version=IMAGE,
        airflow_config_overrides={"core-parallelism": "32", "core-absent": None},
        environment_variables={"TEAM": "growth"},
        labels={"owner": "somebody"},
    )
    assert plan.differences(wanted, recorded_environment()) == []


@pytest.mark.parametrize(
    ("alias", "same"),
    [
        ("composer-2-airflow-2", True),
        ("composer-2.17.9-airflow-2.11", True),
        ("composer-latest-airflow-2.11.1", True),
        ("composer-2.1-airflow-2", False),
        ("composer-2.17.9-airflow-2.11.10", False),
        ("composer-3-airflow-2.11.1", False),
        ("something", False),
    ],
)
def test_alias_is_compared_by_what_it_resolved_to(alias: str, same: bool) -> None:
    assert plan.same_image(alias, IMAGE) is same


def test_every_type_is_an_update_of_its_own_in_order() -> None:
    live = recorded_environment()
    wanted = plan.Wanted(
        image_version="composer-2.18.0-airflow-2.11.1",
        pypi_packages={"polars": "==1.9.0"},
        airflow_config_overrides={"core-parallelism": "64", "webserver-rbac": None},
        environment_variables={"TEAM": None, "NEW": "1"},
        labels={"environment": "test"},
    )
    made = plan.updates(plan.differences(wanted, live), live, upgrade=True)
    overrides = plan.OVERRIDES
    assert [(one.mask, one.body) for one in made] == [
        (plan.IMAGE, plan.nested(plan.IMAGE, "composer-2.18.0-airflow-2.11.1")),
        (f"{plan.PACKAGES}.polars", plan.nested(plan.PACKAGES, {"polars": "==1.9.0"})),
        (
            f"{overrides}.core-parallelism,{overrides}.webserver-rbac",
            plan.nested(overrides, {"core-parallelism": "64"}),
        ),
        (plan.VARIABLES, plan.nested(plan.VARIABLES, {"BY_HAND": "yes", "NEW": "1"})),
        ("labels.environment", {"labels": {"environment": "test"}}),
    ]


def test_image_stays_without_upgrade() -> None:
    live = recorded_environment()
    found = plan.differences(plan.Wanted(image_version="composer-2.18.0-airflow-2.11.1"), live)
    assert [one.path for one in found] == [plan.IMAGE]
    assert plan.updates(found, live, upgrade=False) == []


@pytest.mark.parametrize(
    ("wanted", "older"),
    [
        ("composer-2.9.9-airflow-2.11.1", True),
        ("composer-2.18.0-airflow-2.10.5", True),
        ("composer-2.18.0-airflow-2.11.1", False),
        ("composer-2-airflow-2", False),
        (IMAGE, False),
    ],
)
def test_older_images_are_known(wanted: str, older: bool) -> None:
    assert plan.is_downgrade(wanted, IMAGE) is older


def test_table_and_diff_show_no_secret() -> None:
    live = recorded_environment()
    live["config"]["softwareConfig"]["envVariables"] |= {"API_TOKEN": "old-s3cr3t", "TEAM": "a" * 80}
    wanted = plan.Wanted(environment_variables={"API_TOKEN": "new-s3cr3t", "TEAM": "", "GONE": "x"})
    found = plan.differences(wanted, live)
    table = plan.table(found)
    assert table[0].split() == ["path", "wanted", "live"]
    assert table[1].split() == [f"{plan.VARIABLES}.API_TOKEN", "(not", "shown)", "(not", "shown)"]
    assert table[2].split() == [f"{plan.VARIABLES}.GONE", "x", "(absent)"]
    assert table[3].split() == [f"{plan.VARIABLES}.TEAM", "(empty)", "a" * 57 + "..."]
    before, after = plan.sides(found)
    assert "s3cr3t" not in f"{table}{before}{after}"
    assert before[f"{plan.VARIABLES}.API_TOKEN"] != after[f"{plan.VARIABLES}.API_TOKEN"], "the diff would be empty"
    assert f"{plan.VARIABLES}.GONE" not in before


def test_packages_are_not_part_of_a_creation() -> None:
    wanted = plan.Wanted(image_version=IMAGE, pypi_packages={"polars": ""}, airflow_config_overrides={"a-b": "1"})
    body = plan.creation_body("projects/p/x", wanted, {"environmentSize": "ENVIRONMENT_SIZE_SMALL"})
    assert body["config"] == {
        "environmentSize": "ENVIRONMENT_SIZE_SMALL",
        "softwareConfig": {"imageVersion": IMAGE, "airflowConfigOverrides": {"a-b": "1"}},
    }
