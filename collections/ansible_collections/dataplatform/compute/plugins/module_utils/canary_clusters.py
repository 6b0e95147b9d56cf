# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters a canary has to be tried on, out of all cluster templates, and which earlier one ran on such. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_NOT_OF_NODES = ("autoscalingConfig", "lifecycleConfig")
"""Parts that change how many nodes there are and how long, and nothing of what a node is."""


def canary_clusters(configs: Mapping[str, Mapping[str, Mapping[str, Any]]], workers: int) -> list[dict[str, Any]]:
    """Return {template, covers, config} for each kind of node there is, in the order of the templates' names.

    ``configs`` is what :func:`cluster_configs` returned. Templates whose nodes are alike are tried once, on the first
    of them. The clusters have ``workers`` primary workers and nothing that adds or takes any.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name in sorted(configs):
        config = configs[name]["own"]
        kind = json.dumps(_of_nodes(config), sort_keys=True)
        if kind in groups:
            groups[kind]["covers"].append(name)
            continue
        fixed = {key: value for key, value in config.items() if key not in (*_NOT_OF_NODES, "secondaryWorkerConfig")}
        fixed["workerConfig"] = {**config.get("workerConfig", {}), "numInstances": workers}
        groups[kind] = {"template": name, "covers": [name], "config": fixed}
    return list(groups.values())


def comparable_canary(
    canaries: Iterable[Mapping[str, Any] | None], clusters: Iterable[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the first of these canaries, as records have them, that ran on just such clusters; None where none did.

    ``clusters`` is what :func:`canary_clusters` returned: the same templates, as many workers, the same type of
    machine. Of a machine without a type nobody knows.
    """
    wanted = {}
    for cluster in clusters:
        worker = cluster["config"]["workerConfig"]
        wanted[cluster["template"]] = worker["numInstances"], worker.get("machineTypeUri")
    if any(machine_type is None for _workers, machine_type in wanted.values()):
        return None
    return next((canary for canary in canaries if canary and _clusters_of(canary) == wanted), None)


def _clusters_of(canary: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    jobs = canary["jobs"].items()
    return {template: ((job.get("workers") or {}).get("first"), job.get("machine_type")) for template, job in jobs}


def _of_nodes(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration decides what nodes are; whose keys they hold (a template's own metadata) does not."""
    engine = dict(config.get("gceClusterConfig") or {})
    engine.pop("metadata", None)
    rest = {key: value for key, value in config.items() if key not in (*_NOT_OF_NODES, "gceClusterConfig")}
    return {**rest, "gceClusterConfig": engine}
