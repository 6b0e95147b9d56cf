"""What may stand in softwareConfig: Airflow's configuration, environment variables, packages."""

from __future__ import annotations

import re
from typing import Any

_OVERRIDE = re.compile(r"(?P<section>[^-\[\].]+)-(?P<property>[^=;.]+)")
# What the environment itself depends on.
_BLOCKED = frozenset(
    {
        "celery-broker_url",
        "celery-result_backend",
        "core-airflow_home",
        "core-dags_folder",
        "core-executor",
        "core-fernet_key",
        "core-hostname_callable",
        "core-plugins_folder",
        "core-sql_alchemy_conn",
        "database-sql_alchemy_conn",
        "logging-base_log_folder",
        "scheduler-child_process_log_directory",
        "webserver-base_url",
        "webserver-secret_key",
        "webserver-web_server_host",
        "webserver-web_server_port",
    }
)
_VARIABLE = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_CONFIGURATION_VARIABLE = re.compile("AIRFLOW__[A-Z0-9_]+__[A-Z0-9_]+")
_RESERVED = frozenset(
    {
        "AIRFLOW_HOME",
        "AIRFLOW_CONFIG",
        "AIRFLOW_DATABASE_VERSION",
        "AUTO_GKE",
        "CLOUDSDK_METRICS_ENVIRONMENT",
        "CLOUD_LOGGING_ONLY",
        "COMPOSER_ENVIRONMENT",
        "COMPOSER_GKE_LOCATION",
        "COMPOSER_LOCATION",
        "COMPOSER_OPERATION_UUID",
        "COMPOSER_PYTHON_VERSION",
        "COMPOSER_VERSION",
        "CONTAINER_NAME",
        "C_FORCE_ROOT",
        "DAGS_FOLDER",
        "GCE_METADATA_TIMEOUT",
        "GCP_PROJECT",
        "GCP_TENANT_PROJECT",
        "GCSFUSE_EXTRACTED",
        "GCS_BUCKET",
        "GKE_CLUSTER_NAME",
        "GKE_IN_TENANT",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "MAJOR_VERSION",
        "MINOR_VERSION",
        "PATH",
        "PIP_DISABLE_PIP_VERSION_CHECK",
        "PORT",
        "PROJECT_ID",
        "PYTHONPYCACHEPREFIX",
        "SQL_DATABASE",
        "SQL_HOST",
        "SQL_INSTANCE",
        "SQL_PASSWORD",
        "SQL_PROJECT",
        "SQL_REGION",
        "SQL_USER",
    }
)
_PACKAGE = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


def software_problems(software: dict[str, Any]) -> list[str]:
    """Return everything wrong with a softwareConfig."""
    return [
        *_override_problems(software.get("airflowConfigOverrides", {})),
        *_variable_problems(software.get("envVariables", {})),
        *(
            f"Invalid PyPI package name '{package}': it must be lowercase and follow PEP-508."
            for package in software.get("pypiPackages", {})
            if not _PACKAGE.fullmatch(package)
        ),
    ]


def split_override(key: str) -> tuple[str, str]:
    """Return (section, property) of a valid key of airflowConfigOverrides."""
    section, _, name = key.partition("-")
    return section, name


def _override_problems(overrides: dict[str, str]) -> list[str]:
    found = []
    for key, value in overrides.items():
        if not _OVERRIDE.fullmatch(key):
            found.append(
                f"Airflow configuration property '{key}' is invalid, expected the form 'section-property_name'."
            )
        elif key in _BLOCKED:
            found.append(f"Airflow configuration property '{key}' cannot be overridden.")
        elif "\n" in value or "\r" in value:
            found.append(f"The value of Airflow configuration property '{key}' has more than one line.")
    return found


def _variable_problems(variables: dict[str, str]) -> list[str]:
    found = []
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            found.append(f"Environment variable name '{name}' is invalid, expected letters, digits and '_'.")
        elif _CONFIGURATION_VARIABLE.fullmatch(name):
            found.append(
                f"Environment variable '{name}' overrides an Airflow configuration property; use "
                "airflowConfigOverrides instead."
            )
        elif name in _RESERVED:
            found.append(f"Environment variable name '{name}' is reserved.")
    return found
