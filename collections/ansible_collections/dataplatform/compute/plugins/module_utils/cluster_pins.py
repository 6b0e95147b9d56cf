# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``cluster_pins_info``: which clusters run on something else than what new ones get. One list call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import is_owned, labels_of
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

BUNDLE_KEY = "node-bundle-uri"
"""The key of a cluster's metadata under which ``init-actions/node-bundle.sh`` finds the node bundle."""


def run(params: dict[str, Any], client: GoogleClient, _reporter: Reporter) -> dict[str, Any]:
    """Return what the task returns (see the module's RETURN)."""
    url = f"https://dataproc.googleapis.com/v1/projects/{client.project}/regions/{client.region}/clusters"
    owned = [cluster for cluster in client.pages(url, "clusters") if is_owned(cluster, params["ownership_labels"])]
    described = [describe(cluster, params["configs"]) for cluster in owned]
    return {"changed": False, "clusters": sorted(described, key=lambda one: one["name"])}


def describe(cluster: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One cluster as Dataproc lists it: its template, what is pinned in it, and what a new one would have. Pure."""
    labels = labels_of(dict(cluster))
    template, placement = labels.get("cluster-template", ""), labels.get("placement", "")
    wanted = configs.get(template, {}).get(placement)
    pins = pins_of(cluster.get("config") or {})
    return {
        "name": cluster["clusterName"],
        "state": (cluster.get("status") or {}).get("state", "UNKNOWN"),
        "template": template,
        "placement": placement,
        "pins": pins,
        "differs": _without_template(template, placement) if wanted is None else _differing(pins_of(wanted), pins),
    }


def pins_of(config: Mapping[str, Any]) -> dict[str, str]:
    """What is pinned in a ClusterConfig: the image, the node bundle and each initialization action by its name."""
    pins = {}
    image = (config.get("softwareConfig") or {}).get("imageVersion")
    bundle = ((config.get("gceClusterConfig") or {}).get("metadata") or {}).get(BUNDLE_KEY)
    if image:
        pins["image"] = str(image)
    if bundle:
        pins["node bundle"] = str(bundle)
    for action in config.get("initializationActions") or []:
        uri = str(action["executableFile"])
        pins[uri.rpartition("/")[2]] = uri
    return pins


def _differing(wanted: Mapping[str, str], live: Mapping[str, str]) -> list[dict[str, str | None]]:
    names = [*wanted, *(name for name in live if name not in wanted)]
    return [
        {"field": name, "wanted": wanted.get(name), "live": live.get(name)}
        for name in names
        if wanted.get(name) != live.get(name)
    ]


def _without_template(template: str, placement: str) -> list[dict[str, str | None]]:
    return [{"field": "cluster template", "wanted": None, "live": f"{template or '(none)'} {placement}".strip()}]


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "configs": {"type": "dict", "required": True},
            "ownership_labels": {"type": "dict", "required": True},
        },
    ),
    run=run,
)
