# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Composer's API in memory, with its rules for updates: one type a request, masks of keys or of whole maps."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import api_error

PARENT = "projects/p/locations/europe-west1"
OVERRIDES = "config.softwareConfig.airflowConfigOverrides"
MAPS = (OVERRIDES, "config.softwareConfig.pypiPackages", "config.softwareConfig.envVariables", "labels")
IMAGE = "config.softwareConfig.imageVersion"


def recorded_environment(name: str = "etl") -> dict[str, Any]:
    """An environment as Google answers it, abridged from a recording."""
    return {
        "config": {
            "airflowUri": "https://1234abcd-dot-europe-west1.composer.googleusercontent.com",
            "dagGcsPrefix": "gs://europe-west1-etl-1234abcd-bucket/dags",
            "environmentSize": "ENVIRONMENT_SIZE_SMALL",
            "nodeConfig": {"serviceAccount": "composer@p.iam.gserviceaccount.com", "ipAllocationPolicy": {}},
            "softwareConfig": {
                "imageVersion": "composer-2.17.9-airflow-2.11.1",
                "airflowConfigOverrides": {"core-parallelism": "32", "webserver-rbac": "true"},
                "envVariables": {"TEAM": "growth", "BY_HAND": "yes"},
                "webServerPluginsMode": "PLUGINS_ENABLED",
            },
        },
        "name": f"{PARENT}/environments/{name}",
        "labels": {"owner": "somebody"},
        "state": "RUNNING",
        "storageConfig": {"bucket": "europe-west1-etl-1234abcd-bucket"},
        "uuid": "1234abcd-1234-abcd-1234-abcd1234abcd",
    }


class Composer:
    """Environments by name. ``refusals`` are errors that the next updates end with; None lets one pass."""

    project, region = "p", "europe-west1"

    def __init__(self, *environments: dict[str, Any]) -> None:
        self.environments = {one["name"].rpartition("/")[2]: copy.deepcopy(one) for one in environments}
        self.refusals: list[Exception | None] = []
        self.states: list[str] = []
        self.patches: list[tuple[str, dict[str, Any]]] = []
        self.created: list[dict[str, Any]] = []

    def request(self, verb: str, url: str, *, params: Any = None, json: Any = None, **_options: Any) -> Any:
        """One call."""
        name = url.rpartition("/")[2]
        if verb == "POST":
            self.created.append(copy.deepcopy(json))
            made = {**recorded_environment(), **copy.deepcopy(json)}
            made["config"] = {**recorded_environment()["config"], **copy.deepcopy(json["config"])}
            self.environments[json["name"].rpartition("/")[2]] = made
            return {"name": f"{PARENT}/operations/1", "done": True}
        if name not in self.environments:
            raise api_error(404, {"error": {"message": "not found", "status": "NOT_FOUND"}}, url, verb)
        if verb == "DELETE":
            del self.environments[name]
            return {"name": f"{PARENT}/operations/3", "done": True}
        if verb == "PATCH":
            return self._patch(self.environments[name], params["updateMask"], json, url)
        state = self.states.pop(0) if self.states else "RUNNING"
        return {**copy.deepcopy(self.environments[name]), "state": state}

    def pages(self, _url: str, _key: str, **_options: Any) -> list[dict[str, Any]]:
        """A list call."""
        return list(self.environments.values())

    def _patch(self, live: dict[str, Any], mask: str, body: dict[str, Any], url: str) -> dict[str, Any]:
        self.patches.append((mask, body))
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        masks = mask.split(",")
        kinds = {next((kind for kind in (*MAPS, IMAGE) if f"{one}.".startswith(f"{kind}.")), one) for one in masks}
        if len(kinds) != 1:
            raise refused(f"cannot update {' and '.join(sorted(kinds))} in the same request", url)
        kind = kinds.pop()
        *parents, last = kind.split(".")
        target, given = live, body
        for parent in parents:
            target, given = target.setdefault(parent, {}), given.get(parent, {})
        if masks == [kind]:
            target[last] = given.get(last, {})
        else:
            for one in masks:
                key = one.removeprefix(f"{kind}.")
                target.setdefault(last, {}).pop(key, None)
                if key in given.get(last, {}):
                    target[last][key] = given[last][key]
        return {"name": f"{PARENT}/operations/2", "done": True}


def refused(message: str, url: str = "https://composer") -> Exception:
    """What Composer answers to an update it does not take."""
    return api_error(400, {"error": {"message": message, "status": "FAILED_PRECONDITION"}}, url, "PATCH")
