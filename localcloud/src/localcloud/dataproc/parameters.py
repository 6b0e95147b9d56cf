"""Parameters of workflow templates: their field paths, validation, and substitution when a template is instantiated."""

from __future__ import annotations

import copy
import re
from typing import Any

from localcloud.dataproc.names import JOB_TYPES, PARAMETER_NAME, require_match
from localcloud.errors import invalid_argument

MAXIMUM_VALUE_LENGTH = 1000
_STEP = re.compile(
    r"\.?(?P<field>[A-Za-z_][A-Za-z0-9_]*)|\[\s*(?:'(?P<key>[^']*)'|\"(?P<key2>[^\"]*)\"|(?P<index>\d+))\s*\]"
)
_INTEGER_FIELDS = frozenset({"numInstances", "minNumInstances", "bootDiskSizeGb", "numLocalSsds"})
_MAP_FIELDS = frozenset({"labels", "clusterLabels", "properties", "scriptVariables", "metadata"})
_CANONICAL = {name.lower(): name for name in JOB_TYPES}


def parse_path(path: str) -> list[str | int]:
    """Split a field path such as `jobs['step'].pysparkJob.args[0]` into names, map keys and indexes.

    Names may be spelt in snake case, and types of jobs in any case (`pySparkJob` is what the reference shows).
    Raises ApiError 400.
    """
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if not found:
            raise invalid_argument(f"Invalid field path '{path}': cannot read it from '{path[position:]}'.")
        position = found.end()
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["field"] is None:
            steps.append(found["key"] if found["key"] is not None else found["key2"])
        else:
            head, *rest = found["field"].split("_")
            name = head + "".join(part.capitalize() for part in rest)
            steps.append(_CANONICAL.get(name.lower(), name))
    if not steps:
        raise invalid_argument("Invalid field path '': it is empty.")
    return steps


def validate_parameters(template: dict[str, Any]) -> None:
    """Check the parameters of a template: names, and field paths that lead to single values. Raises ApiError 400."""
    names: set[str] = set()
    owners: dict[str, str] = {}
    for parameter in template.get("parameters", ()):
        rule = "It must contain only A-Z, 0-9 and _, must not start with a number, and has at most 40 characters."
        name = require_match(PARAMETER_NAME, parameter.get("name"), "parameter name", rule)
        if name in names:
            raise invalid_argument(f"Duplicate parameter '{name}'.")
        names.add(name)
        if not parameter.get("fields"):
            raise invalid_argument(f"Parameter '{name}' has no fields.")
        for path in parameter["fields"]:
            if path in owners:
                raise invalid_argument(f"Field '{path}' is set by both parameter '{owners[path]}' and '{name}'.")
            owners[path] = name
            _locate(template, path, name)
        for expression in parameter.get("validation", {}).get("regex", {}).get("regexes", ()):
            try:
                re.compile(expression)
            except re.error as problem:
                raise invalid_argument(f"Parameter '{name}' has an invalid regex '{expression}': {problem}.") from None


def apply_parameters(template: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Return `template` with `values` put in place. Raises ApiError 400 for missing, unknown or invalid values."""
    parameters = {parameter["name"]: parameter for parameter in template.get("parameters", ())}
    unknown = sorted(set(values) - set(parameters))
    if unknown:
        known = ", ".join(sorted(parameters)) or "none"
        raise invalid_argument(f"Template does not contain parameters: {', '.join(unknown)} (it has: {known}).")
    missing = [name for name in parameters if name not in values]
    if missing:
        raise invalid_argument(f"Missing value for parameters: {', '.join(missing)}.")
    filled = copy.deepcopy(template)
    for name, parameter in parameters.items():
        _require_valid(name, values[name], parameter.get("validation", {}))
        for path in parameter["fields"]:
            container, last = _locate(filled, path, name)
            container[last] = _converted(name, path, last, values[name])
    return filled


def _require_valid(name: str, value: str, validation: dict[str, Any]) -> None:
    if len(value) > MAXIMUM_VALUE_LENGTH:
        raise invalid_argument(
            f"Value of parameter '{name}' has {len(value)} characters, at most {MAXIMUM_VALUE_LENGTH}."
        )
    expressions = validation.get("regex", {}).get("regexes", ())
    if expressions and not any(re.fullmatch(expression, value) for expression in expressions):
        raise invalid_argument(f"Value '{value}' of parameter '{name}' does not match regex: {', '.join(expressions)}.")
    allowed = validation.get("values", {}).get("values", ())
    if allowed and value not in allowed:
        raise invalid_argument(f"Value '{value}' of parameter '{name}' is not one of: {', '.join(allowed)}.")


def _converted(name: str, path: str, field: str | int, value: str) -> str | int:
    if field not in _INTEGER_FIELDS:
        return value
    if not value.isdecimal():
        raise invalid_argument(f"Value '{value}' of parameter '{name}' is not a number, as field '{path}' needs.")
    return int(value)


def _locate(template: dict[str, Any], path: str, parameter: str) -> tuple[Any, str | int]:
    """Return the container of the field at `path` and the last step into it. Raises ApiError 400."""
    steps = parse_path(path)
    node: Any = template
    for position, step in enumerate(steps[:-1]):
        node = _descend(node, step, steps[position - 1] if position else "", path, parameter)
    last = steps[-1]
    if isinstance(node, list):
        if not isinstance(last, int) or last >= len(node):
            raise invalid_argument(
                f"Parameter '{parameter}': field '{path}' does not exist, the list has {len(node)} items."
            )
    elif isinstance(last, int) or not isinstance(node, dict):
        raise invalid_argument(f"Parameter '{parameter}': field '{path}' does not exist in the template.")
    current = node[last] if isinstance(node, list) else node.get(last)
    if isinstance(current, (dict, list)) or (last in _MAP_FIELDS and isinstance(node, dict) and len(steps) == 1):
        raise invalid_argument(
            f"Parameter '{parameter}': field '{path}' is a whole list or map, only one value can be replaced."
        )
    return node, last


def _descend(node: Any, step: str | int, parent: str | int, path: str, parameter: str) -> Any:
    if parent == "" and step == "jobs" and isinstance(node, dict):
        return {job["stepId"]: job for job in node.get("jobs", ())}
    child = None
    if isinstance(node, dict) and isinstance(step, str):
        child = node.setdefault(step, {}) if step in _MAP_FIELDS else node.get(step)
    elif isinstance(node, list) and isinstance(step, int) and step < len(node):
        child = node[step]
    if child is None:
        raise invalid_argument(f"Parameter '{parameter}': field '{path}' does not exist in the template (at '{step}').")
    return child
