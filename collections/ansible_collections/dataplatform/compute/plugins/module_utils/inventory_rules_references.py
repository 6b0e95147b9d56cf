# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about what is named: entries that other entries refer to, scripts, schedules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import (
    Finding,
    KeyPath,
    format_key,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import closest_match
from ansible_collections.dataplatform.compute.plugins.module_utils.placeholders import PLACEHOLDERS, names_in

Located = Iterator[tuple[KeyPath, Finding]]

_PRESETS = frozenset({"@hourly", "@daily", "@weekly", "@monthly"})
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_CRON_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _WEEKDAYS),
)
_CRON_PART = re.compile(r"(?:(\*)|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?")


def check_names_exist(
    fact: str, entries: dict[str, Any], field: tuple[str, ...], target: str, names: list[str]
) -> Located:
    """Every entry's ``field``, where it is a text or a list of texts, names entries of ``target``."""
    known = ", ".join(sorted(map(str, names))) or "none is defined"
    for name, entry in entries.items():
        value: Any = entry
        for key in field:
            value = value.get(key) if isinstance(value, dict) else None
        path: KeyPath = (fact, name, *field)
        named = {(*path, index): item for index, item in enumerate(value)} if isinstance(value, list) else {path: value}
        for place, item in named.items():
            if isinstance(item, str) and item not in names:
                expected = f"expected one of {target}: {known}"
                yield place, Finding(format_key(place), repr(item), expected, closest_match(item, names))


def check_workload_teams(workloads: dict[str, Any], users: dict[str, Any], teams: dict[str, Any]) -> Located:
    """A workload belongs to its owner's team, which its DAG is released with and which pays for it."""
    for name, workload in workloads.items():
        team, owner = workload.get("team"), workload.get("owner")
        if team not in teams or owner not in users:
            continue
        expected = users[owner].get("team")
        if expected in teams and team != expected:
            path: KeyPath = ("platform_workloads", name, "team")
            yield path, Finding(format_key(path), repr(team), f"expected the team of {owner}: {expected}")


def check_scripts_exist(workloads: dict[str, Any], jobs_directory: Path) -> Located:
    """Every workload's script is a file under the jobs directory, and stays inside it."""
    known: list[str] = []
    root = jobs_directory.resolve()
    for name, workload in workloads.items():
        wanted = workload.get("script")
        if not isinstance(wanted, str):
            continue
        script = (root / wanted).resolve()
        if script.is_file() and script.is_relative_to(root):
            continue
        known = known or [str(file.relative_to(root)) for file in sorted(root.rglob("*.py"))]
        path: KeyPath = ("platform_workloads", name, "script")
        expected = f"expected a file under {jobs_directory.name}/"
        yield path, Finding(format_key(path), repr(wanted), expected, closest_match(wanted, known))


def check_placeholders(workloads: dict[str, Any]) -> Located:
    """Every ``${name}`` in an argument is one that is replaced."""
    for name, workload in workloads.items():
        arguments = workload.get("arguments")
        for index, argument in enumerate(arguments if isinstance(arguments, list) else []):
            for placeholder in names_in(argument) if isinstance(argument, str) else ():
                if placeholder not in PLACEHOLDERS:
                    path: KeyPath = ("platform_workloads", name, "arguments", index)
                    expected = f"expected one of the placeholders {', '.join(PLACEHOLDERS)}"
                    yield (
                        path,
                        Finding(format_key(path), repr(argument), expected, closest_match(placeholder, PLACEHOLDERS)),
                    )


def check_schedules(workloads: dict[str, Any]) -> Located:
    """Every schedule is null, a preset, or five cron fields within their ranges."""
    for name, workload in workloads.items():
        schedule = workload.get("schedule")
        if not isinstance(schedule, str) or schedule in _PRESETS:
            continue
        problem, suggestion = _cron_problem(schedule)
        if problem:
            path: KeyPath = ("platform_workloads", name, "schedule")
            yield path, Finding(format_key(path), repr(schedule), problem, suggestion)


def _cron_problem(schedule: str) -> tuple[str, str]:
    """What is wrong with a schedule and the near miss; two empty texts when nothing is."""
    if schedule.startswith("@"):
        return f"expected one of {', '.join(sorted(_PRESETS))} or five cron fields", closest_match(schedule, _PRESETS)
    fields = schedule.split()
    if len(fields) != len(_CRON_FIELDS):
        return f"expected five cron fields (minute hour day month weekday), found {len(fields)}", ""
    for field, (title, low, high, names) in zip(fields, _CRON_FIELDS, strict=True):
        if not all(_is_cron_part(part, low, high, names) for part in field.lower().split(",")):
            return f"expected {low}-{high}, *, lists, ranges or steps as {title}, found {field!r}", ""
    return "", ""


def _is_cron_part(part: str, low: int, high: int, names: dict[str, int]) -> bool:
    match = _CRON_PART.fullmatch(part)
    if not match:
        return False
    star, first, last, step = match.groups()
    if step is not None and not 0 < int(step) <= high:
        return False
    if star:
        return True
    bounds = [names.get(text, int(text) if text.isdigit() else -1) for text in (first, last or first)]
    return low <= bounds[0] <= bounds[1] <= high
