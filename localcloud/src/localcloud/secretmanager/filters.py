"""The `filter` of lists: `state:ENABLED`, `name:part`, `labels.key=value`, joined by AND."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from localcloud.errors import invalid_argument

_TERM = re.compile(r'(?P<field>state|name|labels\.[^\s:=]+)\s*(?P<operator>[:=])\s*(?P<value>"[^"]*"|[^\s"()]+)')
Predicate = Callable[[dict[str, Any]], bool]


def parse_filter(text: str | None) -> Predicate:
    """Return a predicate over resources. Raises ApiError 400 for what is not understood, rather than show too much."""
    terms = [_term(part) for part in re.split(r"\s+AND\s+", text.strip())] if text and text.strip() else []
    return lambda resource: all(term(resource) for term in terms)


def _term(text: str) -> Predicate:
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise invalid_argument(
            f"Invalid filter {text!r}: localcloud knows state, name and labels.KEY with ':' or '=', joined by AND."
        )
    field, operator, value = found["field"], found["operator"], found["value"].strip('"')
    if field.startswith("labels."):
        key = field.removeprefix("labels.")
        return lambda resource: key in resource.get("labels", {}) and value in ("*", resource["labels"][key])
    if field == "name" and operator == ":":
        return lambda resource: value in resource["name"].rpartition("/")[2]
    return lambda resource: resource.get(field, "").upper() == value.upper()
