# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether new versions do what the last good ones did, from what two canaries learned. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss

MOST_SHOWN = 5
"""Differing answers of a job that are spelt out; the others are counted."""

BOUNDS = {"seconds": ("seconds", "s"), "memory": ("memory_mb", "MiB")}
"""What can be bounded: the measurement of a job, and its unit."""


def verdict(baseline: Mapping[str, Any] | None, candidate: Mapping[str, Any], bounds: Mapping[str, float]) -> list[str]:
    """Return what speaks against the candidate, one finding a line; nothing when it may be promoted.

    Both are ``canary`` as dataproc_canary returns it, ``baseline`` that of the last good versions or None while there
    are none. ``bounds`` says how many times as much as the baseline a job may take: of ``seconds``, of ``memory``; one
    that is missing is not looked at. A job that computes something else by now (its ``workload`` says what) is compared
    with nothing: :func:`remarks` says so. Raises ValidationError for bounds that can bound nothing.
    """
    problems = [
        f"bounds.{name}: there is no such bound; {near_miss(name, BOUNDS)}" for name in bounds if name not in BOUNDS
    ]
    problems += [
        f"bounds.{name} is {bounds[name]!r}; expected a number of at least 1"
        for name in BOUNDS
        if name in bounds and not (_is_number(bounds[name]) and bounds[name] >= 1)
    ]
    if problems:
        raise ValidationError(problems, "the bounds of a canary")
    findings = []
    for name, good in _jobs(baseline).items():
        job = _jobs(candidate).get(name)
        if job is None:
            findings.append(f"job {name} did not run; the last good canary ran it")
        elif _same_workload(good, job):
            findings += [*_differing_results(name, good, job), *_excesses(name, good, job, bounds)]
    return findings


def remarks(baseline: Mapping[str, Any] | None, candidate: Mapping[str, Any]) -> list[str]:
    """Return what is worth knowing beside the verdict: what jobs took, changed versions, what could not be compared."""
    if baseline is None:
        return ["there is no last good canary to compare with"]
    lines = []
    for name, job in _jobs(candidate).items():
        good = _jobs(baseline).get(name)
        if good is None:
            lines.append(f"job {name} is new; there is nothing to compare it with")
            continue
        if not _same_workload(good, job):
            lines.append(f"job {name} computes {job.get('workload')}, before {good.get('workload')}: not compared")
        lines += _measured(name, good, job)
        before, now = good.get("versions") or {}, job.get("versions") or {}
        lines += [
            f"job {name}: {package} {before.get(package, 'none')} -> {now.get(package, 'none')}"
            for package in sorted({*before, *now})
            if before.get(package) != now.get(package)
        ]
    return lines


def _jobs(canary: Mapping[str, Any] | None) -> Mapping[str, Mapping[str, Any]]:
    return (canary or {}).get("jobs") or {}


def _same_workload(good: Mapping[str, Any], job: Mapping[str, Any]) -> bool:
    # What says nothing about it is compared: of a job that failed, what is missing is found.
    return "workload" not in job or "workload" not in good or good["workload"] == job["workload"]


def _differing_results(name: str, good: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    before, now = good.get("results") or {}, job.get("results") or {}
    if before and not now:
        return [f"job {name} has no results; the last good canary had {len(before)}"]
    differing = []
    for key in before:
        if key not in now:
            differing.append(f"job {name}: {key} was {before[key]!r}, and is missing")
        elif now[key] != before[key]:
            differing.append(f"job {name}: {key} was {before[key]!r}, and is {now[key]!r}")
    more = len(differing) - MOST_SHOWN
    return [*differing[:MOST_SHOWN], *([f"job {name}: {more} more results differ"] if more > 0 else [])]


def _excesses(name: str, good: Mapping[str, Any], job: Mapping[str, Any], bounds: Mapping[str, float]) -> list[str]:
    findings = []
    for bound, factor in bounds.items():
        key, unit = BOUNDS[bound]
        before, now = good.get(key), job.get(key)
        if not before:
            continue
        if now is None:
            findings.append(f"job {name}: {bound} was {before:g} {unit}, and was not measured")
        elif now > factor * before:
            findings.append(
                f"job {name}: {bound} was {before:g} {unit}, and is {now:g} {unit}, {now / before:.2f} times as much; "
                f"at most {factor:g} times is accepted"
            )
    return findings


def _measured(name: str, good: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    """One line with what a job took and what it took before; none where nothing was measured."""
    shown = [
        f"{job[key]:g} {unit} (before: {good[key]:g})"
        for key, unit in BOUNDS.values()
        if _is_number(job.get(key)) and _is_number(good.get(key))
    ]
    return [f"job {name} took {', '.join(shown)}"] if shown else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
