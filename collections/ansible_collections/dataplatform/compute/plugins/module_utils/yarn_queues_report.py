# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``yarn_queues_info``: how the published queues differ from wanted ones, and which clusters take a change."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import is_owned
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

METADATA_KEY = "fair-scheduler-uri"
"""The key of a cluster's metadata under which ``init-actions/yarn_queues.py`` looks for the address of the queues."""

SECONDS = 60
"""How long a running cluster takes at most: 10 to fetch, 10 until YARN looks, 5 until it reads, and their jitter."""

_SOON = frozenset({"RUNNING", "UPDATING"})
_LATER = frozenset({"CREATING", "STARTING", "REPAIRING", "SCHEDULED", "STOPPING", "STOPPED"})


def run(params: dict[str, Any], client: GoogleClient, _reporter: Reporter) -> dict[str, Any]:
    """Return what differs and the clusters; raises ValidationError for an address that is none."""
    published = _read(client, params["uri"])
    return {
        "changed": False,
        "uri": params["uri"],
        "published": published is not None,
        "changes": changed_lines(published or "", params["content"]),
        "differs": differing_settings(published or "", params["content"]),
        "clusters": _clusters(params, client) if params["clusters"] else [],
    }


def _clusters(params: dict[str, Any], client: GoogleClient) -> list[dict[str, Any]]:
    url = f"https://dataproc.googleapis.com/v1/projects/{client.project}/regions/{client.region}/clusters"
    owned = [cluster for cluster in client.pages(url, "clusters") if is_owned(cluster, params["ownership_labels"])]
    return sorted((describe(cluster, params["uri"]) for cluster in owned), key=lambda entry: entry["name"])


def changed_lines(before: str, after: str) -> list[str]:
    """The lines of a unified diff without its header: nothing when both are the same."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "published", "wanted", lineterm="", n=2)
    return list(lines)[2:]


def differing_settings(live: str, wanted: str) -> list[dict[str, str | None]]:
    """The settings that differ, as {field, live, wanted}; None stands for not there. ``live`` may be any text."""
    try:
        before = _settings(live)
    except ElementTree.ParseError as error:
        return [{"field": "content", "live": f"no XML: {error}", "wanted": "an allocation file"}]
    after = _settings(wanted)
    return [
        {"field": field, "live": before.get(field), "wanted": after.get(field)}
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    ]


def _settings(text: str) -> dict[str, str]:
    """Texts and attributes by where they are, such as ``root.normal.weight``: a queue is called by its name."""
    # Of the environment's own bucket, and Expat itself bounds what entities expand to.
    return _collect(ElementTree.fromstring(text), "")  # noqa: S314


def _collect(element: ElementTree.Element, path: str) -> dict[str, str]:
    # A text is a setting where nothing is below; elsewhere it is indentation.
    found = {path: element.text or ""} if not len(element) else {}
    found |= {f"{path}.{key}": value for key, value in element.items() if key != "name"}
    for child in element:
        name = child.get("name") or child.tag
        found |= _collect(child, f"{path}.{name}" if path else name)
    return found


def describe(cluster: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """One cluster: name, state, whether it takes the file at ``uri``, and when or why not in words."""
    state = cluster.get("status", {}).get("state", "UNKNOWN")
    found = cluster.get("config", {}).get("gceClusterConfig", {}).get("metadata", {}).get(METADATA_KEY)
    takes = found == uri and state in _SOON | _LATER
    if found is None:
        when = f"never: it was made without {METADATA_KEY} and keeps its queues until it is replaced"
    elif found != uri:
        when = f"never: its {METADATA_KEY} is {found}"
    elif state in _SOON:
        when = f"within {SECONDS} seconds"
    elif state in _LATER:
        when = f"when it runs (it is {state})"
    else:
        when = f"never: it is {state}"
    return {"name": cluster["clusterName"], "state": state, "takes": takes, "when": when}


def _read(client: GoogleClient, uri: str) -> str | None:
    """The object's text, None when it does not exist."""
    bucket, _slash, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not name:
        raise ValidationError([f"uri is {uri!r}, expected gs://BUCKET/NAME"], "the options of yarn_queues_info")
    url = f"https://storage.googleapis.com/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
    try:
        return client.request("GET", url, params={"alt": "media"}, raw=True).text
    except NotFoundError:
        return None


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "uri": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "ownership_labels": {"type": "dict", "default": {}},
            "clusters": {"type": "bool", "default": True},
        },
    ),
    run=run,
)
