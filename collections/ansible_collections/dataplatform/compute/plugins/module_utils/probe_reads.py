# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lists, an operation, a job and the staging bucket say once the probe's cluster is gone. Pure.

Each function returns texts by the names under which docs/guesses.yml looks for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import (
    parse_time,
    seconds_between,
    state_times,
)

NONE = "none"
INIT_OUTPUT = "dataproc-initialization-script-"
FACTS_OUTPUT = f"{INIT_OUTPUT}0_output"
"""Output of the first initialization action, which is jobs/probe/node_facts.py."""


def canary_facts(canary: Mapping[str, Any]) -> dict[str, str]:
    """What making the cluster and removing a worker showed; ``canary`` is what dataproc_canary learned."""
    found = {}
    if "creation_seconds" in canary:
        found["canary.creation_seconds"] = str(canary["creation_seconds"])
    if "scale_in" in canary:
        found["canary.nodes_left"] = " ".join(canary["scale_in"].get("nodes_left") or []) or NONE
    return found


def operation_facts(operations: Sequence[Mapping[str, Any]], cluster_uuid: str) -> dict[str, str]:
    """In which order operations are listed, and how long the cluster's took."""
    found = {}
    if order := _order([_began(operation) for operation in operations]):
        found["operations.order"] = order
    for operation in operations:
        metadata = operation.get("metadata") or {}
        if metadata.get("clusterUuid") != cluster_uuid or not cluster_uuid or not operation.get("done"):
            continue
        times = state_times(metadata)
        seconds = seconds_between(times[0][1], times[-1][1]) if times else None
        if seconds is not None:
            found[f"operations.{str(metadata.get('operationType')).lower()}_seconds"] = str(seconds)
    return found


def creation_facts(
    operations: Iterable[Mapping[str, Any]], cluster_uuid: str, properties: Mapping[str, str]
) -> dict[str, str]:
    """What became of the wanted ``properties`` and of the network, from the answer of the cluster's creation."""
    for operation in operations:
        metadata = operation.get("metadata") or {}
        if metadata.get("operationType") != "CREATE" or metadata.get("clusterUuid") != cluster_uuid or not cluster_uuid:
            continue
        config = (operation.get("response") or {}).get("config")
        if config is None:
            return {}
        live = (config.get("softwareConfig") or {}).get("properties") or {}
        other = [
            f"{name}={live.get(name, NONE)}" for name, value in sorted(properties.items()) if live.get(name) != value
        ]
        return {
            "cluster.properties": ", ".join(other) or "all",
            "cluster.network_uri": str((config.get("gceClusterConfig") or {}).get("networkUri") or NONE),
        }
    return {}


def job_facts(job: Mapping[str, Any], output_sizes: Sequence[int]) -> dict[str, str]:
    """What the ended job and the parts of its driver's output are like."""
    found = {}
    applications = job.get("yarnApplications") or []
    if applications:
        found["job.progress"] = str(applications[-1].get("progress", NONE))
    if len(output_sizes) > 1:
        found["output.part_bytes"] = str(output_sizes[0])
    return found


def jobs_facts(jobs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """In which order jobs are listed."""
    times = [state_times(job) for job in jobs]
    order = _order([moments[0][1] if moments else None for moments in times])
    return {"jobs.order": order} if order else {}


def boot_facts(outputs: Mapping[str, str], cluster_uuid: str) -> dict[str, str]:
    """What nodes said when they booted; ``outputs`` are initialization actions' outputs by object name."""
    if not outputs:
        return {}
    places = {name.rpartition("/")[0].replace(cluster_uuid, "UUID") for name in outputs}
    found = {
        "init.first_output": min(name.rpartition("/")[2] for name in outputs),
        "init.place": ", ".join(sorted({f"{place.rpartition('/')[0]}/NODE" for place in places})),
    }
    said = [facts for name, text in outputs.items() if name.endswith(FACTS_OUTPUT) and (facts := _last_json(text))]
    for prefix, nodes in (
        ("boot", said),
        ("boot.master", [facts for facts in said if facts.get("role") == "Master"]),
        ("boot.worker", [facts for facts in said if facts.get("role") == "Worker"]),
    ):
        for name in {name for facts in nodes for name in facts}:
            found[f"{prefix}.{name}"] = ", ".join(sorted({str(facts.get(name, NONE)) for facts in nodes}))
    return found


def _last_json(text: str) -> dict[str, Any]:
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                content = json.loads(line)
            except ValueError:
                continue
            return content if isinstance(content, dict) else {}
    return {}


def _began(operation: Mapping[str, Any]) -> datetime | None:
    metadata = operation.get("metadata") or {}
    times = state_times(metadata) if isinstance(metadata.get("status"), Mapping) else []
    return times[0][1] if times else parse_time(metadata.get("startTime"))


def _order(moments: Iterable[datetime | None]) -> str:
    """How two or more moments follow each other; empty for fewer."""
    known = [moment for moment in moments if moment is not None]
    if len(known) < 2 or known[0] == known[-1]:
        return ""
    if known == sorted(known, reverse=True):
        return "newest first"
    return "oldest first" if known == sorted(known) else "in no order of time"
