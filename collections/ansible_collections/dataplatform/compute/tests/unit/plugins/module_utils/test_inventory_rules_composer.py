# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about the Airflow environment: one broken fact, one finding that names key, expectation and near miss."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import check_inventory
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, Source
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts

NOWHERE = Source(positions={}, duplicates=[], directory="inventories/test")


def findings_with(part: str, value: object, fact: str = "platform_composer") -> list[Finding]:
    """The findings once a part of a fact of sound ones is set; an empty part is the fact itself."""
    facts: dict[str, Any] = sound_facts()
    if part:
        facts[fact][part] = value
    else:
        facts[fact] = value
    return check_inventory(facts, NOWHERE)


# (part, its value, key of the finding below platform_composer, part of what was expected, near miss)
CASES = [
    ("environment", "Data_Platform", "environment", "name of an environment", ""),
    ("environment", "platform-", "environment", "no '-' at the end", ""),
    ("enviroment", "x", "enviroment", "unknown key", "environment"),
    ("location", "europe-west1-b", "location", "a region such as", ""),
    ("managed_by", "teraform", "managed_by", "one of ansible, terraform", "terraform"),
    ("service_account", "composer", "service_account", "NAME@PROJECT", ""),
    # Images
    ("image_version", "composer-2-airflow-2", "image_version", "a full pin", ""),
    ("image_version", "composer-3-airflow-2.11.1-build.14", "image_version", "a full pin", ""),
    ("image_version", "composer-2.16.10-airflow-2.11.0", "image_version", "google-api-core", ""),
    ("image_version", "composer-2.17.9-airflow-2.10.5", "image_version", "Airflow 2.11", ""),
    # Overrides
    ("airflow_config_overrides", {"core.parallelism": "1"}, "airflow_config_overrides.core.parallelism",
     "SECTION-PROPERTY", "core-parallelism"),
    ("airflow_config_overrides", {"AIRFLOW__CORE__PARALLELISM": "1"},
     "airflow_config_overrides.AIRFLOW__CORE__PARALLELISM", "SECTION-PROPERTY", "core-parallelism"),
    ("airflow_config_overrides", {"core-parallelism": 32}, "airflow_config_overrides.core-parallelism", "in quotes",
     ""),
    ("airflow_config_overrides", {"core-fernet_key": None}, "airflow_config_overrides.core-fernet_key", "itself", ""),
    ("airflow_config_overrides", {"cli-x": "1"}, "airflow_config_overrides.cli-x", "itself", ""),
    # Environment variables
    ("environment_variables", {"AIRFLOW__CORE__PARALLELISM": "1"},
     "environment_variables.AIRFLOW__CORE__PARALLELISM", "override core-parallelism", ""),
    ("environment_variables", {"GCP_PROJECT": "x"}, "environment_variables.GCP_PROJECT", "for itself", ""),
    ("environment_variables", {"MY-TEAM": "x"}, "environment_variables.MY-TEAM", "no digit first", "MY_TEAM"),
    # Packages
    ("pypi_packages", {"Polars": ""}, "pypi_packages.Polars", "lower case", "polars"),
    ("pypi_packages", {"polars": "1.9.0"}, "pypi_packages.polars", "such as ==1.2.3", "==1.9.0"),
    ("pypi_packages", {"polars": "=1.9.0"}, "pypi_packages.polars", "such as ==1.2.3", "==1.9.0"),
    ("pypi_packages", {"google-api-core": "==2.29.0"}, "pypi_packages.google-api-core", "2.29.0 slows", ">=2.30.3"),
    ("pypi_packages", {"google-api-core": "[grpc]<2.30.3"}, "pypi_packages.google-api-core", "slows", ">=2.30.3"),
    # Names in Airflow
    ("variables", {"-x": 1}, "variables.-x", "no '-' or '.' first", ""),
    ("variables", {"dataplatform_managed": {}}, "variables.dataplatform_managed", "what it manages", ""),
    ("variables", {"x" * 251: 1}, f"variables.{'x' * 251}", "up to 250", ""),
    ("connections", {"a b": {"conn_type": "http"}}, "connections.a b", "up to 200", ""),
    ("connections", {"a": {"type": "http", "conn_type": "http"}}, "connections.a.type", "unknown key", "conn_type"),
    ("connections", {"a": {"conn_type": "http", "port": 0}}, "connections.a.port", "1 to 65535", ""),
]  # fmt: skip


@pytest.mark.parametrize(("part", "value", "key", "expected", "near"), CASES)
def test_broken_fact_has_one_finding(part: str, value: object, key: str, expected: str, near: str) -> None:
    findings = findings_with(part, value)
    assert [finding.key for finding in findings] == [f"platform_composer.{key}"]
    assert expected in findings[0].expected
    assert findings[0].suggestion == near


SECRETS = [
    ("variables", {"weather_token": "s3cr3t"}, "variables.weather_token", "airflow-variables-NAME"),
    ("variables", {"a": {"api_key": "s3cr3t"}}, "variables.a.api_key", "by its name"),
    ("variables", {"a": ["AKIA" + "S3CR3TS3CR3TABCD"]}, "variables.a[0]", "access key of AWS"),
    ("environment_variables", {"URL": "https://me:s3cr3t@host/"}, "environment_variables.URL", "a password in it"),
    ("airflow_config_overrides", {"x-y": "-----BEGIN RSA PRIVATE KEY-----\ns3cr3t"}, "airflow_config_overrides.x-y",
     "a private key"),
    ("connections", {"a": {"conn_type": "http", "password": "s3cr3t"}}, "connections.a.password",
     "airflow-connections-a"),
    ("connections", {"a": {"conn_type": "http", "uri": "http://s3cr3t"}}, "connections.a.uri", "airflow-connections-a"),
    ("connections", {"a": {"conn_type": "http", "extra": {"keyfile_dict": "s3cr3t"}}},
     "connections.a.extra.keyfile_dict", "airflow-connections-a"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "value", "key", "expected"), SECRETS)
def test_what_looks_like_a_secret_is_refused_and_not_shown(part: str, value: object, key: str, expected: str) -> None:
    findings = findings_with(part, value)
    assert [finding.key for finding in findings] == [f"platform_composer.{key}"]
    assert expected in findings[0].expected
    assert "s3cr3t" not in str(findings[0]).lower()


def test_secret_is_found_beside_another_mistake() -> None:
    facts = sound_facts()
    facts["platform_composer"] |= {"managed_by": "nobody", "variables": {"password": "s3cr3t"}}
    keys = {finding.key for finding in check_inventory(facts, NOWHERE)}
    assert keys == {"platform_composer.managed_by", "platform_composer.variables.password"}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("variables", {"token_url": "https://host/token", "password_file": "/run/x", "tokens_per_minute": 3}),
        ("variables", {"use_token": True, "secret": ""}),
        ("connections", {"a": {"conn_type": "http", "host": "https://host:8443/", "login": "reader"}}),
        ("pypi_packages", {"google-api-core": ">=2.20", "dask": "[complete]>=2026.8,<2027", "zipp": ""}),
        ("airflow_config_overrides", {"secrets-backend_kwargs": '{"project_id": "p"}', "core-parallelism": None}),
        ("environment_variables", {"OLD": None}),
    ],
)
def test_harmless_values_pass(part: str, value: object) -> None:
    assert findings_with(part, value) == []


def test_environment_may_be_null() -> None:
    assert findings_with("", None) == []


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ({"layout": "archiv", "keep": 10, "schedules": True}, "platform_dag_release.layout", "one of archive, files"),
        (
            {"layout": "files", "keep": 1, "schedules": True},
            "platform_dag_release.keep",
            "2 (there is none",
        ),
        ({"layout": "files", "schedules": True}, "platform_dag_release", "the key 'keep'"),
        ({"layout": "files", "keep": 2, "schedules": "no"}, "platform_dag_release.schedules", "true or false"),
    ],
)
def test_release_facts(value: object, key: str, expected: str) -> None:
    findings = findings_with("", value, "platform_dag_release")
    assert [finding.key for finding in findings] == [key]
    assert expected in findings[0].expected
