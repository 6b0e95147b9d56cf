"""The `filter` of Compute Engine's lists, in both of its languages.

One compares with regular expressions that have to match all of a value: `name eq ".*rc01"`, several in parentheses one
after another. The other is AIP-160's: `labels.a = "b" AND (name = "x*" OR NOT deprecated.state:*)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from localcloud.errors import ApiError, invalid_argument

Predicate = Callable[[dict[str, Any]], bool]
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<operator><=|>=|!=|=|<|>|:)|(?P<paren>[()])|"""
    r"""(?P<word>[^\s()=<>!:"']+))"""
)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9_-]+)*")
_REGULAR = ("eq", "ne")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def parse_filter(text: str) -> Predicate:
    """Return a predicate over resources. Raises ApiError 400 for what cannot be read, rather than show too much."""
    return _Parser(text).parse() if text.strip() else lambda _resource: True


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if not found:
                self._refuse()
            self._tokens.append(found[0].strip())
            position = found.end()

    def parse(self) -> Predicate:
        """Return what the whole text means."""
        regular = any(token in _REGULAR for token in self._tokens)
        predicate = self._regular_terms() if regular else self._conjunction()
        if self._tokens:
            self._refuse()
        return predicate

    def _refuse(self) -> NoReturn:
        raise self._refusal()

    def _refusal(self) -> ApiError:
        return invalid_argument(f"Invalid value for field 'filter': '{self._text}'. Invalid list filter expression.")

    def _next(self, *expected: str) -> str:
        if not self._tokens or (expected and self._tokens[0] not in expected):
            self._refuse()
        return self._tokens.pop(0)

    def _field(self) -> str:
        name = self._next()
        if not _FIELD.fullmatch(name):
            self._refuse()
        return name

    def _regular_terms(self) -> Predicate:
        """Read one comparison, or several, each in parentheses."""
        if self._tokens[0] != "(":
            return self._regular_term()
        terms = []
        while self._tokens:
            self._next("(")
            terms.append(self._regular_term())
            self._next(")")
        return lambda resource: all(term(resource) for term in terms)

    def _regular_term(self) -> Predicate:
        field, wanted = self._field(), self._next(*_REGULAR) == "eq"
        literal = self._next()
        pattern = literal[1:-1] if literal[0] in "\"'" else literal
        while self._tokens and self._tokens[0] == ":":
            # An instant, which gcloud does not quote.
            pattern += self._next() + self._next()
        try:
            expression = re.compile(pattern)
        except re.error as problem:
            raise self._refusal() from problem

        def matches(resource: dict[str, Any]) -> bool:
            value = _value(resource, field)
            return (value is not None and expression.fullmatch(_text(value)) is not None) is wanted

        return matches

    def _conjunction(self) -> Predicate:
        terms = [self._disjunction()]
        while self._tokens and self._tokens[0] != ")":
            if self._tokens[0] == "AND":
                self._next()
            terms.append(self._disjunction())
        return lambda resource: all(term(resource) for term in terms)

    def _disjunction(self) -> Predicate:
        """Read alternatives: they bind closer than AND."""
        terms = [self._term()]
        while self._tokens and self._tokens[0] == "OR":
            self._next()
            terms.append(self._term())
        return lambda resource: any(term(resource) for term in terms)

    def _term(self) -> Predicate:
        if self._tokens and self._tokens[0] == "NOT":
            self._next()
            term = self._term()
            return lambda resource: not term(resource)
        if self._tokens and self._tokens[0] == "(":
            self._next()
            inner = self._conjunction()
            self._next(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        field, operator = self._field(), self._next(*_ORDERED, "=", "!=", ":")
        literal = self._next()
        if literal[0] in "\"'":
            literal = re.sub(r"\\(.)", r"\1", literal[1:-1])
        if operator in _ORDERED:
            return _ordered(field, _ORDERED[operator], literal)
        if operator == ":" and literal == "*":
            return lambda resource: _value(resource, field) is not None
        pattern = re.compile(".*".join(map(re.escape, literal.split("*"))), re.DOTALL)
        wanted = operator != "!="

        def matches(resource: dict[str, Any]) -> bool:
            value = _value(resource, field)
            return (value is not None and pattern.fullmatch(_text(value)) is not None) is wanted

        return matches


def _ordered(field: str, compare: Callable[[Any, Any], bool], literal: str) -> Predicate:
    def matches(resource: dict[str, Any]) -> bool:
        value = _value(resource, field)
        if value is None:
            return False
        for convert in (_number, _instant):
            left, right = convert(_text(value)), convert(literal)
            if left is not None and right is not None:
                return compare(left, right)
        return compare(_text(value), literal)

    return matches


def _value(resource: dict[str, Any], field: str) -> Any:
    """Return what is at a dotted path, None when nothing is."""
    value: Any = resource
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
