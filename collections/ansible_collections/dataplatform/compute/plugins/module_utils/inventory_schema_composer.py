# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The facts about the Airflow environment (Composer) and how releases of DAGs reach it."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_parts import (
    mapping,
    or_null,
    text,
)

_ENVIRONMENT = text(
    r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
    "expected the name of an environment: up to 63 of a-z, 0-9 and '-', a letter first, no '-' at the end",
)
_SERVICE_ACCOUNT = text(
    r"^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com$",
    "expected a service account: NAME@PROJECT.iam.gserviceaccount.com",
)
_LOCATION = text(r"^[a-z]+-[a-z]+[0-9]+$", "expected a region such as europe-west1 (a zone has one more part)")
# The server stores the resolved version, so an alias such as composer-2-airflow-2 says nothing about what runs.
_IMAGE_VERSION = text(
    r"^composer-2\.[0-9]+\.[0-9]+-airflow-2\.[0-9]+\.[0-9]+$",
    "expected a full pin such as composer-2.17.9-airflow-2.11.1",
)
_TEXTS = {
    "type": "object",
    "additionalProperties": {
        "type": ["string", "null"],
        "x-expected": "expected a text, numbers and truth values in quotes, or null to take it away",
    },
}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535, "x-expected": "expected a port, 1 to 65535"}
_FIELD = {"type": "string", "x-expected": "expected a text"}
# `password` and `uri` are taken here and refused by a rule, which says where they belong and never shows them.
_CONNECTION = mapping(
    {"conn_type": text(r"^[a-z][a-z0-9_]*$", "expected a connection type such as google_cloud_platform")},
    {
        "host": _FIELD,
        "schema": _FIELD,
        "login": _FIELD,
        "port": _PORT,
        "description": _FIELD,
        "extra": {"type": "object"},
        "password": {},
        "uri": {},
    },
)

COMPOSER_FACTS: dict[str, dict[str, Any]] = {
    "platform_composer": or_null(
        mapping(
            {
                "environment": _ENVIRONMENT,
                "location": _LOCATION,
                "managed_by": {"enum": ["ansible", "terraform"]},
                "image_version": _IMAGE_VERSION,
            },
            {
                "service_account": _SERVICE_ACCOUNT,
                "airflow_config_overrides": _TEXTS,
                "environment_variables": _TEXTS,
                "pypi_packages": _TEXTS,
                "variables": {"type": "object"},
                "connections": {"type": "object", "additionalProperties": _CONNECTION},
            },
        )
    ),
    "platform_dag_release": mapping(
        {
            "layout": {"enum": ["archive", "files"]},
            "keep": {
                "type": "integer",
                "minimum": 2,
                "maximum": 1000,
                "x-expected": "expected how many releases to keep: 2 (there is none to go back to otherwise) to 1000",
            },
            "schedules": {"type": "boolean"},
        }
    ),
}
