# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables for a terminal: short columns, explanations below their row, and what people copy never broken. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.dataplatform.compute.plugins.module_utils.text_table import text_table

_INDENT = "  "
_WIDEST_COLUMN = 40
_DETAIL_INDENT = " " * 6


@dataclass(frozen=True)
class Detail:
    """What stands below a row: a sentence, which is wrapped to so many lines, and lines to copy, which are not."""

    sentence: str = ""
    copied: tuple[str, ...] = ()
    most_lines: int = 3


@dataclass(frozen=True)
class Section:
    """A table with a heading, left out where it has no rows. ``details`` are by the row's number."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    details: Mapping[int, Detail] = field(default_factory=dict)


def render(title: str, counts: Sequence[str], sections: Sequence[Section], notes: Sequence[str], width: int) -> str:
    """The whole text; ``width`` is the terminal's, in characters."""
    lines = [title, " | ".join(counts)]
    for section in sections:
        if section.rows:
            lines += ["", *section_lines(section, width)]
    if notes:
        lines += ["", *(line for note in notes for line in textwrap.wrap(note, width))]
    return "\n".join(lines)


def section_lines(section: Section, width: int) -> list[str]:
    """One section's lines. The last column of a row is as long as its text."""
    rows = [[*(shortened(cell, _WIDEST_COLUMN) for cell in row[:-1]), row[-1]] for row in section.rows]
    columns, *table = text_table(section.columns, rows)
    lines = [section.heading, f"{_INDENT}{columns}"]
    for number, row in enumerate(table):
        lines += [f"{_INDENT}{row}", *_detail_lines(section.details.get(number, Detail()), width)]
    return lines


def _detail_lines(detail: Detail, width: int) -> list[str]:
    wrapped = textwrap.wrap(
        " ".join(detail.sentence.split()),
        max(20, width - len(_DETAIL_INDENT)),
        max_lines=detail.most_lines,
        placeholder=" ...",
    )
    return [f"{_DETAIL_INDENT}{line}" for line in [*wrapped, *detail.copied]]


def shortened(text: str, width: int) -> str:
    """The text on one line, with three dots for what does not fit."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."


def span(seconds: float | None) -> str:
    """A time in one or two units: ``40 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``; ``?`` when it is not known."""
    if seconds is None:
        return "?"
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, int(seconds) // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
