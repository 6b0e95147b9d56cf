# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters a canary has to be tried on, out of all cluster templates. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


def _of_nodes(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration decides what nodes are; whose keys they hold (a template's own metadata) does not."""
    engine = dict(config.get("gceClusterConfig") or {})
    engine.pop("metadata", None)
    rest = {key: value for key, value in config.items() if key not in (*_NOT_OF_NODES, "gceClusterConfig")}
    return {**rest, "gceClusterConfig": engine}
