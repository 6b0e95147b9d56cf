"""Prometheus' text format: reading what Dask answers, writing what this node's own endpoint answers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"[^\n]+")
#: A line of more characters is nothing of Dask's, and would take memory many times over when it is taken apart.
_LONGEST_LINE = 1 << 16
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(?:,|(?=\}))')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclass(frozen=True)
class Sample:
    """One line of the format."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def parse(text: str, wanted: Collection[str]) -> Iterator[Sample]:
    """Yield the samples whose name is wanted; comments, other names and lines that are none are passed over.

    A scheduler answers a line per task prefix and state, of which nearly all are not wanted: only names are looked at
    for those.
    """
    for line in _LINE.finditer(text):
        name = _NAME.match(text, line.start())
        if name is None or name[0] not in wanted or line.end() - line.start() > _LONGEST_LINE:
            continue
        sample = _sample(name[0], text[name.end() : line.end()])
        if sample is not None:
            yield sample


def _sample(name: str, rest: str) -> Sample | None:
    labels: dict[str, str] = {}
    if rest.startswith("{"):
        position = 1
        while (found := _LABEL.match(rest, position)) is not None:
            labels[found[1]] = re.sub(r"\\[\\\"n]", lambda escape: _ESCAPES[escape[0]], found[2])
            position = found.end()
        if rest[position : position + 1] != "}":
            return None
        rest = rest[position + 1 :]
    words = rest.split()
    try:
        return Sample(name, float(words[0]), labels)
    except (IndexError, ValueError):
        return None


def render(samples: Iterable[Sample], helps: Mapping[str, str]) -> str:
    """Return samples as text, those of one name together; `helps` says what a name means."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, group in sorted(by_name.items()):
        if name in helps:
            lines.append(f"# HELP {name} {_escape(helps[name])}")
        lines += [f"{name}{_labels(sample.labels)} {sample.value!r}" for sample in group]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{key}="{_escape(value, quotes=True)}"' for key, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escape(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text
