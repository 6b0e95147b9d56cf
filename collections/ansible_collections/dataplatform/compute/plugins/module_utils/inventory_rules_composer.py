# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the Airflow environment: names that are taken, images that must not run, no secret in the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import composer_names as names
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    KeyPath,
    format_key,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.secret_looking import secrets_in

Located = Iterator[tuple[KeyPath, Finding]]

_FACT = "platform_composer"
_LONGEST_VARIABLE, _LONGEST_CONNECTION = 250, 200


def check_composer_image(composer: dict[str, Any] | None) -> Located:
    """The image is none of those that are known to be bad."""
    problem = names.image_problem(composer["image_version"]) if composer else ""
    if problem and composer:
        path: KeyPath = (_FACT, "image_version")
        yield path, Finding(format_key(path), repr(composer["image_version"]), problem)


def check_composer_names(composer: dict[str, Any] | None) -> Located:
    """Overrides, environment variables, packages, variables and connections have names that are taken."""
    for key, _item in _part(composer, "airflow_config_overrides"):
        yield from _found(("airflow_config_overrides", key), *names.override_problem(key))
    for key, _item in _part(composer, "environment_variables"):
        yield from _found(("environment_variables", key), *names.environment_variable_problem(key))
    for key, item in _part(composer, "pypi_packages"):
        problem, near = names.package_problem(key, item or "")
        yield from _found(("pypi_packages", key), problem, near, item)
    for part, longest in (("variables", _LONGEST_VARIABLE), ("connections", _LONGEST_CONNECTION)):
        for key, _item in _part(composer, part):
            yield from _found((part, key), names.key_problem(key, longest))


def check_composer_holds_no_secret(composer: dict[str, Any]) -> Located:
    """Nothing looks like a secret, whatever else is wrong with the fact; values are never shown."""
    for part in ("airflow_config_overrides", "environment_variables", "variables"):
        for where, kind in secrets_in(composer.get(part)):
            place = "airflow-variables" if part == "variables" else "airflow-connections or airflow-variables"
            yield from _secret((part, *where), kind, f"{place}-NAME")
    connections = composer.get("connections")
    for name, connection in connections.items() if isinstance(connections, dict) else ():
        if isinstance(connection, dict):
            yield from _secrets_of_connection(name, connection)


def _secrets_of_connection(name: str, connection: dict[str, Any]) -> Located:
    found = {(field,): "a secret" for field in ("password", "uri") if field in connection}
    found |= {where: kind for where, kind in secrets_in(connection) if where[0] not in ("password", "uri")}
    for where, kind in found.items():
        yield from _secret(("connections", name, *where), kind, f"airflow-connections-{name}")


def _secret(where: KeyPath, kind: str, place: str) -> Located:
    expected = f"looks like {kind}; expected no secret here: keep it in Secret Manager as {place}"
    yield from _found(where, expected)


def _part(composer: dict[str, Any] | None, part: str) -> list[tuple[str, Any]]:
    return [(str(key), item) for key, item in ((composer or {}).get(part) or {}).items()]


def _found(where: KeyPath, problem: str, near: str = "", value: Any = None) -> Located:
    if problem:
        path: KeyPath = (_FACT, *where)
        yield path, Finding(format_key(path), repr(value) if value else "", problem, near)
