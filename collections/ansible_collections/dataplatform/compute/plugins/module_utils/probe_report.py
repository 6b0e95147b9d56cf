# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a probe found, as a table for people, as JSON, and as the text of an issue to send back. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.probe_guesses import (
    DIFFERS,
    NOT_OBSERVED,
    OWN_GUESS,
    SAME,
    Verdict,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.status_table import (
    Detail,
    Section,
    render,
    shortened,
)

_NOT_GOOGLE = (
    "These answers are a stand-in's, not Google's. It does as those guessed who made it, and nothing here says what"
    " Google does."
)
_CELL = 60
_ALL = 1000


@dataclass(frozen=True)
class Report:
    """All verdicts, what they rest on, and under which circumstances; ``left`` could not be undone."""

    where: str
    at: str
    stand_in: bool
    cluster: Mapping[str, Any]
    failure: str
    verdicts: Sequence[Verdict]
    not_settled: Sequence[Mapping[str, str]]
    observations: Mapping[str, str]
    left: Sequence[str]

    def of(self, verdict: str) -> list[Verdict]:
        """The verdicts of one kind, in the order of the guesses."""
        return [one for one in self.verdicts if one.verdict == verdict]


def as_json(report: Report) -> dict[str, Any]:
    """Everything."""
    kinds = (DIFFERS, NOT_OBSERVED, SAME, OWN_GUESS)
    return {
        "where": report.where,
        "at": report.at,
        "stand_in": report.stand_in,
        "cluster": dict(report.cluster),
        "failure": report.failure,
        "counts": {kind: len(report.of(kind)) for kind in kinds},
        "verdicts": [asdict(verdict) for verdict in report.verdicts],
        "not_settled": [dict(entry) for entry in report.not_settled],
        "observations": dict(sorted(report.observations.items())),
        "left": list(report.left),
    }


def as_text(report: Report, width: int) -> str:
    """The table: what differs first."""
    kept = OWN_GUESS if report.stand_in else SAME
    counts = [
        f"{len(report.of(DIFFERS))} differ",
        f"{len(report.of(NOT_OBSERVED))} not observed",
        f"{len(report.of(kept))} {'as guessed' if report.stand_in else 'same'}",
        f"{len(report.not_settled)} not asked",
    ]
    notes = [
        *(f"The cluster or its job failed: {report.failure}".splitlines() if report.failure else []),
        *(f"Could not be undone: {what}" for what in report.left),
        *([_NOT_GOOGLE] if report.stand_in else []),
    ]
    sections = [_differs(report), _unseen(report), _same(report)]
    return render(f"{report.where}, {report.at}", counts, sections, notes, width)


def _differs(report: Report) -> Section:
    verdicts = report.of(DIFFERS)
    rows = [(one.id, shortened(one.expected, _CELL), shortened(one.found, _CELL)) for one in verdicts]
    details = {number: Detail(f"{one.question} {one.to_do}", _long(one)) for number, one in enumerate(verdicts)}
    return Section("DIFFERENT FROM WHAT WAS GUESSED", ("GUESS", "EXPECTED", "FOUND"), rows, details)


def _long(verdict: Verdict) -> tuple[str, ...]:
    """Texts that did not fit the row, in full."""
    texts = (("expected", verdict.expected), ("found", verdict.found))
    return tuple(f"{name}: {text}" for name, text in texts if len(text) > _CELL)


def _unseen(report: Report) -> Section:
    names: dict[str, list[str]] = {}
    for one in report.of(NOT_OBSERVED):
        names.setdefault(one.reason, []).append(one.id)
    details = {number: Detail(", ".join(ids), most_lines=_ALL) for number, ids in enumerate(names.values())}
    return Section("NOT OBSERVED", ("WHY",), [(reason,) for reason in names], details)


def _same(report: Report) -> Section:
    heading = "AS GUESSED BY THE STAND-IN ITSELF" if report.stand_in else "THE SAME AS GUESSED"
    rows = [(one.id, shortened(one.found, 2 * _CELL)) for one in report.of(OWN_GUESS if report.stand_in else SAME)]
    return Section(heading, ("GUESS", "FOUND"), rows)


def issue_text(report: Report) -> str:
    """The text of an issue: what differs in words, and everything as JSON."""
    differing = report.of(DIFFERS)
    lines = [f"# Probe of {report.where}, {report.at}", ""]
    if report.stand_in:
        lines += [_NOT_GOOGLE, ""]
    lines += [f"{len(differing)} of {len(report.verdicts)} guesses differ.", ""]
    for one in differing:
        lines += [
            f"- **{one.id}**: {one.question}",
            f"  - expected: {_code(one.expected)}",
            f"  - found: {_code(one.found)}",
            f"  - to do: {one.to_do}",
        ]
    body = json.dumps(as_json(report), indent=1, sort_keys=True)
    fence = "```"
    while fence in body:
        fence += "`"
    return "\n".join([*lines, "", f"{fence}json", body, fence, ""])


def _code(text: str) -> str:
    return f"`{text}`" if "`" not in text else f"`` {text} ``"
