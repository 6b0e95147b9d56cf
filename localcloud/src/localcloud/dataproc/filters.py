"""The `filter` of list requests: `field = value AND field = value`, as the reference of clusters and jobs has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from localcloud.errors import invalid_argument

# Names of groups of states by kind of resource.
CLUSTER_STATE_GROUPS = {
    "ACTIVE": frozenset({"CREATING", "UPDATING", "RUNNING", "STARTING", "REPAIRING"}),
    "INACTIVE": frozenset({"DELETING", "ERROR", "STOPPING", "STOPPED", "ERROR_DUE_TO_UPDATE"}),
}
JOB_ACTIVE_STATES = frozenset(
    {"PENDING", "SETUP_DONE", "RUNNING", "CANCEL_PENDING", "CANCEL_STARTED", "ATTEMPT_FAILURE"}
)
JOB_STATE_GROUPS = {
    "ACTIVE": JOB_ACTIVE_STATES,
    "NON_ACTIVE": frozenset({"CANCELLED", "DONE", "ERROR"}),
}
_TOKEN = re.compile(r'\s*(?:(?P<quoted>"[^"]*")|(?P<operator><=|>=|=|<|>|:)|(?P<word>[^\s=<>:"]+))')
_TIMESTAMP_OPERATORS: dict[str, Callable[[datetime, datetime], bool]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}

Predicate = Callable[[dict[str, Any]], bool]


def parse_filter(text: str | None, state_groups: dict[str, frozenset[str]], fields: tuple[str, ...]) -> Predicate:
    """Return a predicate over resource bodies.

    `state_groups` names groups of states; `fields` are those that may be used besides `status.state`
    and `labels.*`.
    Raises ApiError 400 for a filter that does not parse or uses another field.
    """
    terms = [_term(name, operator, value, state_groups, fields) for name, operator, value in _split(text or "")]
    return lambda body: all(term(body) for term in terms)


def _split(text: str) -> list[tuple[str, str, str]]:
    tokens: list[str] = []
    position = 0
    text = text.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise invalid_argument(f"Invalid list filter: '{text}' (cannot read it from '{text[position:]}').")
        tokens.append(found.group(0).strip())
        position = found.end()
    terms = []
    while tokens:
        if tokens[0] == "AND" and terms:
            tokens.pop(0)
        if len(tokens) < 3 or tokens[1] not in ("=", ":", "<", ">", "<=", ">="):
            raise invalid_argument(f"Invalid list filter: '{text}', expected: field = value [AND field = value ...].")
        name, operator, value = tokens[:3]
        del tokens[:3]
        terms.append((name, operator, value.strip('"')))
    return terms


def _term(
    name: str, operator: str, value: str, state_groups: dict[str, frozenset[str]], fields: tuple[str, ...]
) -> Predicate:
    if name == "insertTime" and name in fields:
        return _insert_time(operator, value)
    if operator not in ("=", ":"):
        raise invalid_argument(
            f"Invalid list filter: operator '{operator}' does not apply to field '{name}', only '='."
        )
    if name == "status.state":
        states = state_groups.get(value, frozenset({value}))
        return lambda body: value == "*" or body["status"]["state"] in states
    if name.startswith("labels."):
        label = name.removeprefix("labels.")
        return lambda body: label in body.get("labels", {}) and value in ("*", body["labels"][label])
    if name in fields:
        return lambda body: value in ("*", body.get(name))
    allowed = ", ".join(("status.state", "labels.KEY", *fields))
    raise invalid_argument(f"Invalid list filter: unknown field '{name}', expected one of: {allowed}.")


def _insert_time(operator: str, value: str) -> Predicate:
    compare = _TIMESTAMP_OPERATORS.get(operator)
    try:
        limit = datetime.fromisoformat(value)
    except ValueError:
        compare = None
    if compare is None or limit.tzinfo is None:
        raise invalid_argument(f'Invalid list filter: insertTime {operator} "{value}", expected an RFC 3339 timestamp.')

    def matches(body: dict[str, Any]) -> bool:
        first = (body.get("statusHistory") or [body["status"]])[0]
        return compare(datetime.fromisoformat(first["stateStartTime"]), limit)

    return matches
