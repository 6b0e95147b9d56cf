"""Partial responses: the `fields` query parameter, such as `items(name,metadata/owner),nextPageToken`."""

from __future__ import annotations

import functools
from typing import Any

from localcloud.errors import invalid_argument
from localcloud.names import camel_case

# A parsed selector: field -> selector of its children; an empty one means everything below.
Selector = dict[str, "Selector"]


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Selector:
    """Return the selector of a `fields` parameter. Raises ApiError 400."""
    selector, position = _parse_list(text.replace(" ", ""), 0)
    if position != len(text.replace(" ", "")):
        raise _invalid(text)
    return selector


def select(value: Any, text: str) -> Any:
    """Return the part of `value` that the `fields` parameter names. Raises ApiError 400."""
    return _select(value, parse(text))


def _select(value: Any, selector: Selector) -> Any:
    if not selector or selector.get("*") == {}:
        return value
    if isinstance(value, list):
        return [_select(item, selector) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in selector:
        return {name: _select(item, selector["*"]) for name, item in value.items()}
    result = {}
    for name, children in selector.items():
        key = name if name in value else camel_case(name)
        if key in value:
            result[key] = _select(value[key], children)
    return result


def _parse_list(text: str, position: int) -> tuple[Selector, int]:
    selector: Selector = {}
    while True:
        position = _parse_path(text, position, selector)
        if position < len(text) and text[position] == ",":
            position += 1
            continue
        return selector, position


def _parse_path(text: str, position: int, selector: Selector) -> int:
    while True:
        end = position
        while end < len(text) and text[end] not in ",/()":
            end += 1
        if end == position:
            raise _invalid(text)
        # `a.b` is a field mask's way to write `a/b`.
        for name in text[position:end].split("."):
            selector = selector.setdefault(name, {})
        if end < len(text) and text[end] == "/":
            position = end + 1
            continue
        if end < len(text) and text[end] == "(":
            children, end = _parse_list(text, end + 1)
            if end >= len(text) or text[end] != ")":
                raise _invalid(text)
            selector.update(children)
            end += 1
        return end


def _invalid(text: str) -> Exception:
    return invalid_argument(f"Invalid value for parameter fields: {text!r} is not a valid field selection.")
