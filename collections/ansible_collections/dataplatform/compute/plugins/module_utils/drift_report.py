# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``drift_report``: what drifted, as one table for people and as data for programs. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.drift import (
    DIFFERS,
    READERS,
    Drift,
    read_drift,
    was_looked_at,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.text_table import text_table

_LONGEST_CELL = 40
_ADDRESS_BY_HASH = re.compile(r"\bgs://[^/]+/(?=[0-9a-f]{64}/)")
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def run(params: dict[str, Any], _client: None, reporter: Reporter) -> dict[str, Any]:
    """Show the report and return both forms of it; raises ValidationError for a name that no role registers."""
    results = params["results"]
    problems = [f"{name} is no result of a role; {near_miss(name, READERS)}" for name in results if name not in READERS]
    problems += [
        f"unseen has {one}; expected what and error" for one in params["unseen"] if set(one) != {"what", "error"}
    ]
    if problems:
        raise ValidationError(problems, "the options of drift_report")
    drift = read_drift(results)
    report = {
        "environment": params["environment"],
        "drifted": bool(drift),
        "drift": plain([asdict(one) for one in drift]),
        "clusters": [one for one in params["clusters"].get("clusters", []) if one["differs"]],
        "looked_at": list(dict.fromkeys(READERS[name][0] for name in READERS if was_looked_at(results.get(name)))),
        "unseen": params["unseen"],
    }
    text = [*_headline(report, drift), *_clusters(report["clusters"]), *_unseen(report["unseen"])]
    reporter.progress("\n".join(text))
    return {"changed": False, "report": report, "text": text}


def _headline(report: Mapping[str, Any], drift: Sequence[Drift]) -> list[str]:
    if drift:
        rows = [row for one in drift for row in _rows(one)]
        count = "1 is" if len(drift) == 1 else f"{len(drift)} are"
        return [
            f"Drift in {report['environment']}: {count} not as the inventory says.",
            *text_table(("kind", "name", "what differs", "wanted", "live"), rows),
        ]
    limits = ", as far as could be looked at" if report["unseen"] else ""
    return [f"No drift in {report['environment']}{limits}: {', '.join(report['looked_at']) or 'nothing was looked at'}"]


def _rows(drift: Drift) -> list[tuple[str, ...]]:
    start = (drift.kind, _shortened(drift.name))
    if drift.state != DIFFERS or not drift.fields:
        return [(*start, drift.state, "", "")]
    return [(*start, one.field, _cell(one.wanted), _cell(one.live)) for one in drift.fields]


def _clusters(clusters: Sequence[Mapping[str, Any]]) -> list[str]:
    if not clusters:
        return []
    rows = [
        (one["name"], one["state"], difference["field"], _cell(difference["wanted"]), _cell(difference["live"]))
        for one in clusters
        for difference in one["differs"]
    ]
    return [
        "",
        "No drift, but good to know: clusters that keep what they were made with until they end.",
        *text_table(("cluster", "state", "made with another", "new clusters get", "this one has"), rows),
    ]


def _unseen(unseen: Sequence[Mapping[str, str]]) -> list[str]:
    if not unseen:
        return []
    return ["", "Could not be looked at:", *(f"{one['what']}: {' '.join(one['error'].split())}" for one in unseen)]


def _cell(value: Any) -> str:
    if value is None:
        return "(absent)"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    text = _shortened(_ADDRESS_BY_HASH.sub("", text.replace("\n", "\\n"))) or "(empty)"
    half = _LONGEST_CELL // 2
    return text if len(text) <= _LONGEST_CELL else f"{text[: half - 1]}…{text[-half:]}"


def _shortened(text: str) -> str:
    """A text with every SHA-256 cut to its first twelve digits, as people compare them."""
    return _HASH.sub(r"\1…", text)


DEFINITION = TaskDefinition(
    argument_spec={
        "results": {"type": "dict", "required": True},
        "environment": {"type": "str", "required": True},
        "clusters": {"type": "dict", "default": {}},
        "unseen": {"type": "list", "elements": "dict", "default": []},
    },
    run=run,
    needs_client=False,
)
