# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check what a user wrote against Google's types, and bring both sides of a comparison into one form.

Pure. One form means: integers as integers, 64-bit integers as strings of digits (as Google sends them), durations
without trailing zeros, numbers as floats.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match

Types = dict[str, dict[str, dict[str, Any]]]

_DURATION = re.compile(r"^-?\d+(\.\d{1,9})?s$")
_SHORTHAND = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DATETIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")
_LIMITS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known name that ``name`` resembles, else an empty string.

    Case, underscores and hyphens do not count: ``worker_config`` is ``workerConfig``.
    """
    names = list(known)
    folded = {_fold(candidate): candidate for candidate in names}
    match = folded.get(_fold(name)) or closest_match(name, names)
    return f"; did you mean '{match}'?" if match else ""


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def plain(value: Any) -> Any:
    """Return ``value`` in Python's own types: Ansible's strings carry tags, YAML's dates are objects."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def show_path(path: tuple[Any, ...]) -> str:
    """Return ``('jobs', 0, 'stepId')`` as ``jobs[0].stepId``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


class Schema:
    """The type of one kind of resource."""

    def __init__(self, types: Types, root: str) -> None:
        self._types = types
        self.root = {"type": "object", "ref": root}

    def fields(self, field: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the fields of an object type."""
        return self._types[field["ref"]]

    def check(self, value: Any, *, required: bool = True) -> tuple[Any, list[str]]:
        """Return what the user wrote in one form, and every problem found in it.

        ``required`` says whether missing required fields are problems (they are not when something is deleted).
        """
        checker = _Checker(self, required=required)
        return checker.convert(self.root, value, ()), checker.problems

    def normalise(self, value: Any) -> Any:
        """Return what Google answered in the same form, without the fields that only Google writes."""
        return self._normalise(self.root, value)

    def _normalise(self, field: dict[str, Any], value: Any) -> Any:
        kind = field["type"]
        if kind == "object" and isinstance(value, dict):
            fields = self.fields(field)
            return {
                name: self._normalise(fields.get(name, {"type": "any"}), item)
                for name, item in value.items()
                if not fields.get(name, {}).get("output_only")
            }
        if kind == "map" and isinstance(value, dict):
            return {name: self._normalise(field["values"], item) for name, item in value.items()}
        if kind == "array" and isinstance(value, list):
            return [self._normalise(field["items"], item) for item in value]
        converted, _problem = convert_scalar(field, value)
        return converted


class _Checker:
    """One pass over what a user wrote."""

    def __init__(self, schema: Schema, *, required: bool) -> None:
        self._schema = schema
        self._required = required
        self.problems: list[str] = []

    def convert(self, field: dict[str, Any], value: Any, path: tuple[Any, ...]) -> Any:
        kind = field["type"]
        if kind == "object":
            return self._object(field, value, path)
        if kind == "map":
            if not isinstance(value, dict):
                self._wrong(path, value, "a mapping")
                return {}
            return {name: self._item(field["values"], item, (*path, name)) for name, item in value.items()}
        if kind == "array":
            if not isinstance(value, list):
                self._wrong(path, value, "a list")
                return []
            return [self._item(field["items"], item, (*path, index)) for index, item in enumerate(value)]
        converted, expected = convert_scalar(field, value)
        if expected:
            self._wrong(path, value, expected)
        return converted

    def _object(self, field: dict[str, Any], value: Any, path: tuple[Any, ...]) -> Any:
        if not isinstance(value, dict):
            self._wrong(path, value, f"a mapping with the fields of {field['ref']}")
            return {}
        fields = self._schema.fields(field)
        result = {}
        for name, item in value.items():
            child = (*path, name)
            known = fields.get(name)
            if known is None:
                writable = [key for key, one in fields.items() if not one.get("output_only")]
                self.problems.append(
                    f"{show_path(child)} is not a field of {field['ref']}{did_you_mean(str(name), writable)}"
                )
            elif known.get("output_only"):
                self.problems.append(f"{show_path(child)} is set by Google or by this module; remove it")
            elif item is None:
                result[name] = None
            else:
                result[name] = self.convert(known, item, child)
        if self._required:
            for name, known in fields.items():
                if known.get("required") and value.get(name) is None:
                    self.problems.append(f"{show_path((*path, name))} is missing; {field['ref']} requires it")
        return result

    def _item(self, field: dict[str, Any], value: Any, path: tuple[Any, ...]) -> Any:
        if value is None:
            self._wrong(path, value, "a value")
            return None
        return self.convert(field, value, path)

    def _wrong(self, path: tuple[Any, ...], value: Any, expected: str) -> None:
        self.problems.append(f"{show_path(path) or 'the resource'} is {_show(value)}; expected {expected}")


def _show(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def convert_scalar(field: dict[str, Any], value: Any) -> tuple[Any, str]:
    """Return the value in one form and an empty string, or the value as it is and what was expected."""
    converters = {"integer": _integer, "number": _number, "boolean": _boolean, "string": _string}
    converter = converters.get(field["type"])
    return converter(field, value) if converter else (value, "")


def _integer(field: dict[str, Any], value: Any) -> tuple[Any, str]:
    expected = "an integer"
    if isinstance(value, bool):
        return value, expected
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int):
        return value, expected
    low, high = _LIMITS.get(field.get("format", ""), (None, None))
    if low is not None and high is not None and not low <= value <= high:
        return value, f"an integer between {low} and {high}"
    return int(value), ""


def _number(_field: dict[str, Any], value: Any) -> tuple[Any, str]:
    if isinstance(value, bool):
        return value, "a number"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value, "a number"
    # JSON has no infinity, and not-a-number differs from itself: it would be drift for ever.
    return (number, "") if math.isfinite(number) else (value, "a finite number")


def _boolean(_field: dict[str, Any], value: Any) -> tuple[Any, str]:
    if isinstance(value, bool):
        return value, ""
    hint = " (without quotes)" if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no") else ""
    return value, f"true or false{hint}"


def _string(field: dict[str, Any], value: Any) -> tuple[Any, str]:
    converter = _FORMATS.get(field.get("format", ""))
    if converter:
        return converter(value)
    if not isinstance(value, str):
        quoted = isinstance(value, (bool, int, float))
        return value, f'a string; write it in quotes: "{_yaml(value)}"' if quoted else "a string"
    if "enum" in field and value not in field["enum"]:
        named = [name for name in field["enum"] if not name.endswith("_UNSPECIFIED")]
        return value, f"one of {', '.join(named)}{did_you_mean(value, named)}"
    if "pattern" in field and not re.search(field["pattern"], value):
        return value, f"a string matching {field['pattern']}"
    return value, ""


def _long(value: Any) -> tuple[Any, str]:
    """Accept a number or digits; Google sends 64-bit integers as digits."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
        return value, "an integer"
    return str(value), ""


def _time(value: Any) -> tuple[Any, str]:
    if not isinstance(value, str) or not _DATETIME.match(value) or not _is_moment(value):
        return value, 'a time such as "2026-01-31T12:00:00Z"'
    return re.sub(r"(\.\d*?)0+(?=Z|[+-])", r"\1", value).replace(".Z", "Z"), ""


def _is_moment(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _duration(value: Any) -> tuple[Any, str]:
    """Accept Google's form alone (``"120s"``), and work out what a shorthand meant."""
    if isinstance(value, str) and _DURATION.match(value):
        number = value[:-1]
        return (f"{number.rstrip('0').rstrip('.')}s" if "." in number else value), ""
    expected = 'a duration in seconds, such as "120s"'
    shorthand = _SHORTHAND.match(str(value).strip().lower()) if isinstance(value, (str, int, float)) else None
    if shorthand and not isinstance(value, bool):
        seconds = float(shorthand.group(1)) * _SECONDS[(shorthand.group(2) or "s")[0]]
        expected += f"; did you mean '{seconds:g}s'?" if seconds < 1e6 else f"; did you mean '{seconds:.0f}s'?"
    return value, expected


_FORMATS = {
    "int64": _long,
    "uint64": _long,
    "google-duration": _duration,
    "google-datetime": _time,
    "date-time": _time,
}
