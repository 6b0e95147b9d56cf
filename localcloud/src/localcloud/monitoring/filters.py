"""The `filter` of lists: comparisons of types and labels, joined by AND."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from localcloud.errors import invalid_argument

_TERM = re.compile(
    r"(?P<field>(?:metric|resource)\.(?:type|labels?\.[A-Za-z_][A-Za-z0-9_]*))\s*(?P<operator>=|!=)\s*"
    r'(?P<function>starts_with|ends_with|has_substring)?\s*(?P<open>\()?\s*"(?P<value>[^"]*)"\s*(?P<close>\))?'
)
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "": lambda text, value: text == value,
    "starts_with": lambda text, value: text.startswith(value),
    "ends_with": lambda text, value: text.endswith(value),
    "has_substring": lambda text, value: value in text,
}
Predicate = Callable[[dict[str, Any]], bool]


def parse_filter(text: str) -> Predicate:
    """Return a predicate over what has `metric` and `resource`. Raises ApiError 400 for what is not understood."""
    terms = [_term(part.strip()) for part in re.split(r"\s+AND\s+", text.strip())] if text.strip() else []
    return lambda item: all(term(item) for term in terms)


def metric_types(text: str) -> list[str]:
    """Return the metric types that a filter names; one by a function of its text may be many."""
    found = [_TERM.fullmatch(part.strip()) for part in re.split(r"\s+AND\s+", text.strip())]
    named = [term for term in found if term and term["field"] == "metric.type" and term["operator"] == "="]
    return [term["value"] for term in named if not term["function"]]


def _term(text: str) -> Predicate:
    found = _TERM.fullmatch(text)
    if found is None or bool(found["function"]) != bool(found["open"]) or bool(found["open"]) != bool(found["close"]):
        raise invalid_argument(
            f"The supplied filter [{text}] is invalid: localcloud knows metric.type, resource.type, metric.labels.KEY "
            'and resource.labels.KEY with = or !=, "TEXT" or a function of it, joined by AND.'
        )
    side, _, rest = found["field"].partition(".")
    label = rest.partition(".")[2]
    test, value, wanted = _TESTS[found["function"] or ""], found["value"], found["operator"] == "="

    def matches(item: dict[str, Any]) -> bool:
        part = item.get(side, {})
        return test((part.get("labels", {}).get(label, "") if label else part.get("type", "")), value) is wanted

    return matches
