# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check the whole list a user wrote, before any call is made; every problem is reported at once. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Kind
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import label_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import did_you_mean, plain


def check_desired(
    kind: Kind, resources: list[Any], ownership: dict[str, str], *, required: bool = True
) -> dict[str, dict[str, Any]]:
    """Return the resources by id, in one form and in the order given; raises ValidationError with every problem."""
    problems = [f"ownership_labels: {problem}" for problem in label_problems(ownership, "it")]
    checked: dict[str, dict[str, Any]] = {}
    positions: dict[str, int] = {}
    for position, resource in enumerate(plain(resources)):
        identifier, found = _identify(kind, resource)
        where = f"resources[{position}]" + (f" ({identifier})" if identifier else "")
        if identifier and identifier in positions:
            found.append(f"{kind.id_field} '{identifier}' is used already by resources[{positions[identifier]}]")
        value, wrong = kind.schema.check(resource, required=required and isinstance(resource, dict))
        # A missing id was reported with its near miss already.
        found += [problem for problem in wrong if not problem.startswith(f"{kind.id_field} is missing")]
        if isinstance(resource, dict) and not wrong and required:
            found += kind.checks(value)
            found += _label_findings(value, ownership)
        problems += [f"{where}: {problem}" for problem in found]
        if identifier:
            positions.setdefault(identifier, position)
            checked[identifier] = value
    if problems:
        raise ValidationError(problems, f"resources of kind {kind.name}")
    return checked


def _identify(kind: Kind, resource: Any) -> tuple[str, list[str]]:
    if not isinstance(resource, dict):
        return "", []
    identifier = resource.get(kind.id_field)
    if identifier is None or identifier == "":
        known = did_you_mean(kind.id_field, (str(key) for key in resource))
        return "", [f"{kind.id_field} is missing; every {kind.name} needs one{known}"]
    if not isinstance(identifier, str):
        return str(identifier), []
    if not kind.id_pattern.fullmatch(identifier):
        return identifier, [f"{kind.id_field} is '{identifier}'; expected {kind.id_expectation}"]
    return identifier, []


def _label_findings(resource: dict[str, Any], ownership: dict[str, str]) -> list[str]:
    labels = resource.get("labels")
    if not isinstance(labels, dict):
        return []
    problems = label_problems(labels)
    problems += [
        f"labels.{key} is '{labels[key]}', but ownership_labels says '{value}'; state it in one place"
        for key, value in ownership.items()
        if labels.get(key, value) != value
    ]
    return problems
