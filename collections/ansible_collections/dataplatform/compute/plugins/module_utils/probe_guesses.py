# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guesses about Google, and what becomes of each once it was asked. Pure.

A guess is an entry of docs/guesses.yml; what the keys mean is said there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.placeholders import fill, names_in

SAME, OWN_GUESS, DIFFERS, NOT_OBSERVED = "same", "own guess", "differs", "not observed"
ACCEPTED = "accepted"
"""What is found when a request is taken that was to be refused."""

_KEYS = {"id", "question", "expected", "assumed_by", "seen", "request", "answer", "before", "undo", "differs"}
_FORMS = ("matches", "between")


@dataclass(frozen=True)
class Verdict:
    """What became of a guess. ``reason`` says why it was not observed, ``to_do`` what to do when it differs."""

    id: str
    question: str
    expected: str
    found: str
    verdict: str
    reason: str = ""
    to_do: str = ""


def problems(guesses: Iterable[Any], not_settled: Iterable[Any]) -> list[str]:
    """What is wrong with the entries: keys, twice the same id, an expectation that cannot be met."""
    found: list[str] = []
    seen: set[str] = set()
    for number, guess in enumerate([*guesses, *not_settled]):
        name = guess.get("id") if isinstance(guess, Mapping) else None
        if not name:
            found.append(f"entry {number} has no id")
            continue
        if name in seen:
            found.append(f"{name}: there are two of this id")
        seen.add(name)
        if set(guess) == {"id", "reason"}:
            continue
        found += [f"{name}: unknown key {key!r}" for key in sorted(set(guess) - _KEYS)]
        found += [f"{name}: {key} is missing" for key in ("question", "expected", "differs") if not guess.get(key)]
        if ("seen" in guess) == ("request" in guess):
            found.append(f"{name}: expected one of seen and request")
        found += _expectation_problems(name, guess.get("expected"))
    return found


def _expectation_problems(name: str, expected: Any) -> list[str]:
    if isinstance(expected, str):
        return []
    if not isinstance(expected, Mapping) or len(expected) != 1 or next(iter(expected)) not in _FORMS:
        return [f"{name}: expected is {expected!r}; expected a text, {{matches: REGEX}} or {{between: [LEAST, MOST]}}"]
    if "matches" in expected:
        try:
            re.compile(str(expected["matches"]))
        except re.error as error:
            return [f"{name}: expected.matches is no regular expression: {error}"]
    elif len(expected["between"]) != 2:
        return [f"{name}: expected.between is {expected['between']!r}; expected two numbers"]
    return []


def judge(
    guess: Mapping[str, Any], found: str | None, reason: str, values: Mapping[str, str], *, stand_in: bool
) -> Verdict:
    """The verdict on what was found; None was not observed, for the ``reason``.

    ``values`` take the place of ``${name}`` in the expectation. A stand-in for Google that does as expected does as
    those expected who made it: that is OWN_GUESS, never SAME.
    """
    expected = guess["expected"]
    known = {"id": guess["id"], "question": guess["question"], "expected": described(expected, values)}
    if found is None:
        return Verdict(**known, found="", verdict=NOT_OBSERVED, reason=reason)
    if _holds(expected, found, values):
        return Verdict(**known, found=found, verdict=OWN_GUESS if stand_in else SAME)
    return Verdict(**known, found=found, verdict=DIFFERS, to_do=guess["differs"])


def described(expected: Any, values: Mapping[str, str]) -> str:
    """An expectation in words."""
    if isinstance(expected, str):
        return fill(expected, values)
    if "matches" in expected:
        return f"like {fill(expected['matches'], values)}"
    return f"from {expected['between'][0]} to {expected['between'][1]}"


def _holds(expected: Any, found: str, values: Mapping[str, str]) -> bool:
    if isinstance(expected, str):
        return found == fill(expected, values)
    if "matches" in expected:
        escaped = {name: re.escape(value) for name, value in values.items()}
        return re.fullmatch(fill(expected["matches"], escaped), found, re.DOTALL) is not None
    least, most = expected["between"]
    try:
        return float(least) <= float(found) <= float(most)
    except ValueError:
        return False


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """A request with ``${name}`` replaced everywhere in it."""
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, Mapping):
        return {key: filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    return value


def unfilled(value: Any) -> list[str]:
    """The names that nothing took the place of."""
    if isinstance(value, str):
        return names_in(value)
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return [name for item in items for name in unfilled(item)]
