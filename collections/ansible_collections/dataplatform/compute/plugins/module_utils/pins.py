# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pinned versions of an environment: their id, how they are promoted, left and withdrawn, and what is sound. Pure.

``pins`` is the fact ``platform_pins`` and ``record`` the fact ``platform_pin_record``, which tells how these pins came
here. The record is None where no patch run ever did anything, and its ``id`` where none brought these pins.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema import schema_findings
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_patching import PIN_FACTS
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, KeyPath, format_key
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss

Located = Iterator[tuple[KeyPath, Finding]]

PINS, RECORD = "platform_pins", "platform_pin_record"
# What a record says about one set of pins; it all comes from one canary, or none of it is there.
_OF_A_CANARY = ("id", "promoted_at", "commit", "canary")
_OF_THE_FILE = ("previous", "withdrawn")
_ID_LENGTH = 12
# Ansible runs what stands in such braces wherever it reads a fact, and a record quotes what jobs and servers said.
_TEMPLATE = re.compile(r"\{(?=[{%#])")


@dataclasses.dataclass(frozen=True)
class PinsChange:
    """What becomes of pins and record. Unchanged: both are those that were given, and ``message`` says why."""

    pins: dict[str, Any]
    record: dict[str, Any]
    changed: bool
    message: str


def canonical_json(pins: Mapping[str, Any]) -> str:
    """The one text for these pins, however they were written."""
    return json.dumps(pins, sort_keys=True, separators=(",", ":"), allow_nan=False)


def pins_id(pins: Mapping[str, Any]) -> str:
    """The name of these pins: equal pins have equal ids, in every environment."""
    return hashlib.sha256(canonical_json(pins).encode()).hexdigest()[:_ID_LENGTH]


def same_but_bundle(pins: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two pins of one environment differ in nothing but the node bundle.

    A Dask environment counts by its lock: a candidate's other hashes are known only when it is built.
    """
    return _without_build(pins) == _without_build(others)


def same_in_common(pins: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether pins of two environments differ in nothing that both have: each enables actions of its own."""
    ours, theirs = pins["init_actions"], others["init_actions"]
    if ours is not None and theirs is not None:
        common = ours.keys() & theirs.keys()
        ours, theirs = ({name: actions[name] for name in common} for actions in (ours, theirs))
    return same_but_bundle({**pins, "init_actions": ours}, {**others, "init_actions": theirs})


def _without_build(pins: Mapping[str, Any]) -> dict[str, Any]:
    environment = pins["environment"] and pins["environment"]["lock_sha256"]
    return {**pins, "environment": environment, "node_bundle": None}


def record_matches(pins: Mapping[str, Any], record: Mapping[str, Any] | None) -> bool:
    """Whether the record tells of these very pins: a canary ran with them, and nobody changed them since."""
    return record is not None and record["id"] == pins_id(pins)


def withdrawal(record: Mapping[str, Any] | None, wanted: str) -> dict[str, Any] | None:
    """The entry of ``withdrawn`` with this id, or None."""
    return next((entry for entry in (record or {}).get("withdrawn", []) if entry["id"] == wanted), None)


def promote(
    pins: Mapping[str, Any],
    record: Mapping[str, Any] | None,
    new_pins: Mapping[str, Any],
    new_record: Mapping[str, Any],
    keep: int,
) -> PinsChange:
    """Put ``new_pins`` in the place of ``pins``, which become the newest of the ``keep`` previous ones.

    ``new_record`` has promoted_at, commit, files and canary. The same pins again get the new record, and the previous
    ones stay. Raises ValidationError for what is not sound and for pins that were withdrawn.
    """
    current, new = pins_id(pins), pins_id(new_pins)
    withdrawn = withdrawal(record, new)
    if withdrawn:
        problem = f"the pins {new} were withdrawn at {withdrawn['at']}: {withdrawn['reason']}; expected other ones"
        raise ValidationError([problem], "the candidate")
    previous = list(_previous(record))
    if new != current:
        previous.insert(0, _kept(pins, record))
    result = {
        **new_record,
        "id": new,
        "rolled_back_from": None,
        "previous": _unique(previous, without=new)[:keep],
        "withdrawn": list((record or {}).get("withdrawn", [])),
    }
    refuse_unsound(new_pins, result, "the candidate")
    message = f"promoted {new} in the place of {current}" if new != current else f"{new} has a new record"
    return PinsChange(dict(new_pins), result, True, message)


def rollback(
    pins: Mapping[str, Any],
    record: Mapping[str, Any] | None,
    to: str | None = None,
    *,
    at: str,
    reason: str = "rolled back",
) -> PinsChange:
    """Return to the last good pins, or to those of the id ``to``; the pins that are left are withdrawn.

    ``at`` is now, as in the record. After a rollback another one without ``to`` changes nothing. Raises ValidationError
    where there is nothing to go back to, or no such id.
    """
    current, previous = pins_id(pins), _previous(record)
    rolled_back_from = (record or {}).get("rolled_back_from")
    if to == current:
        return PinsChange(dict(pins), dict(record or {}), False, f"the pins are {current} already")
    if to is None and rolled_back_from and (record["id"] in (None, current)):
        message = f"the pins were rolled back from {rolled_back_from} to {current} already; an id goes further back"
        return PinsChange(dict(pins), dict(record), False, message)
    target = _target(previous, record, to)
    back = pins_id(target["pins"])
    origin = target["record"] or {**dict.fromkeys(_OF_A_CANARY), "files": {}}
    message = f"rolled back from {current} to {back}"
    if record and record["id"] not in (None, current):
        message += (
            f"; {current} was no promotion but a change by hand of {record['id']}, which only the file's history has"
        )
    result = {
        **origin,
        "rolled_back_from": current,
        "previous": _unique(previous, without=back),
        "withdrawn": list((record or {}).get("withdrawn", [])),
    }
    record = withdraw(result, pins, at, reason, instead=target["pins"])
    return PinsChange(dict(target["pins"]), record, True, message)


def withdraw(
    record: Mapping[str, Any] | None, pins: Mapping[str, Any], at: str, reason: str, *, instead: Mapping[str, Any]
) -> dict[str, Any]:
    """The record with pins that are never promoted again; those that were withdrawn before stay as they are.

    They are kept whole, with those that came ``instead``: environments that come after this one know by both whether
    what they have is what was left.
    """
    empty = {**dict.fromkeys(_OF_A_CANARY), "files": {}, "rolled_back_from": None, "previous": [], "withdrawn": []}
    result = dict(record or empty)
    wanted = pins_id(pins)
    if withdrawal(result, wanted) is None:
        told = " ".join(_TEMPLATE.sub("{ ", reason).split())
        kept = {"pins": dict(pins), "instead": dict(instead)}
        entry = {"id": wanted, "at": at, "reason": told or "no reason given", **kept}
        result["withdrawn"] = [*result["withdrawn"], entry]
    return result


def findings_of(pins: Any, record: Any) -> Located:
    """Everything wrong with the two facts, each with its key path, in the words of the inventory's cross-check."""
    problems = list(schema_findings({PINS: pins, RECORD: record}, PIN_FACTS))
    yield from problems
    if not problems:
        yield from check_record(record)
        yield from _check_templates(record, (RECORD,))


def check_record(record: dict[str, Any] | None) -> Located:
    """What a schema cannot say: moments exist, a record is whole, previous pins have the id that their record says."""
    if record is None:
        return
    missing = [name for name in _OF_A_CANARY if record[name] is None]
    if missing and len(missing) < len(_OF_A_CANARY):
        expected = f"expected no null, or null in all of {', '.join(_OF_A_CANARY)}"
        yield (RECORD, missing[0]), Finding(format_key((RECORD, missing[0])), "null", expected)
    yield from _check_moments(record, (RECORD,))
    for index, entry in enumerate(record["previous"]):
        path: KeyPath = (RECORD, "previous", index, "record")
        if entry["record"] is not None:
            yield from _check_moments(entry["record"], path)
            yield from _check_id(entry["record"]["id"], entry["pins"], path)
    for index, entry in enumerate(record["withdrawn"]):
        yield from _check_id(entry["id"], entry["pins"], (RECORD, "withdrawn", index))


def refuse_unsound(pins: Any, record: Any, subject: str) -> None:
    """Raise ValidationError with everything that is wrong."""
    problems = [str(finding) for _path, finding in findings_of(pins, record)]
    if problems:
        raise ValidationError(problems, subject)


def _target(previous: list[dict[str, Any]], record: Mapping[str, Any] | None, to: str | None) -> dict[str, Any]:
    by_id = {pins_id(entry["pins"]): entry for entry in previous}
    if to is not None:
        if to not in by_id:
            problem = f"{to!r}: expected the id of previous pins; {near_miss(to, by_id)}"
            raise ValidationError([problem], "the rollback")
        return by_id[to]
    good = [entry for name, entry in by_id.items() if withdrawal(record, name) is None]
    if not good:
        raise ValidationError([f"{RECORD} has no previous pins; expected some to go back to"], "the rollback")
    return good[0]


def _previous(record: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return list((record or {}).get("previous", []))


def _kept(pins: Mapping[str, Any], record: Mapping[str, Any] | None) -> dict[str, Any]:
    """These pins as an entry of ``previous``, with their record where it is theirs."""
    if record is None or not record_matches(pins, record):
        return {"pins": dict(pins), "record": None}
    return {"pins": dict(pins), "record": {key: value for key, value in record.items() if key not in _OF_THE_FILE}}


def _unique(previous: list[dict[str, Any]], without: str) -> list[dict[str, Any]]:
    """Every pins once, at their newest place, and with a record where one of the entries has it."""
    entries: dict[str, dict[str, Any]] = {}
    for entry in previous:
        name = pins_id(entry["pins"])
        if name not in entries or entries[name]["record"] is None:
            entries[name] = entry
    entries.pop(without, None)
    return list(entries.values())


def _check_moments(origin: Mapping[str, Any], path: KeyPath) -> Located:
    moments: dict[KeyPath, str | None] = {(*path, "promoted_at"): origin["promoted_at"]}
    if origin["canary"] is not None:
        moments[(*path, "canary", "at")] = origin["canary"]["at"]
    for index, entry in enumerate(origin.get("withdrawn", [])):
        moments[(*path, "withdrawn", index, "at")] = entry["at"]
    for place, moment in moments.items():
        try:
            datetime.fromisoformat(moment or "2026-01-01")
        except ValueError:
            expected = "expected a moment that exists, such as '2026-11-29T05:00:00Z'"
            yield place, Finding(format_key(place), repr(moment), expected)


def _check_id(given: str, pins: Mapping[str, Any], path: KeyPath) -> Located:
    expected_id = pins_id(pins)
    if given != expected_id:
        expected = f"expected {expected_id!r}, the id of the pins beside it"
        yield (*path, "id"), Finding(format_key((*path, "id")), repr(given), expected)


def _check_templates(value: Any, path: KeyPath) -> Located:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _check_templates(key, (*path, key))
            yield from _check_templates(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_templates(item, (*path, index))
    elif isinstance(value, str) and _TEMPLATE.search(value):
        expected = "expected no template ({{, {% or {#): Ansible would run it"
        yield path, Finding(format_key(path), repr(value), expected)
