# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Dataproc clusters. Google fills in most of a cluster and lets little of it change in place."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas.dataproc import TYPES
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds import dataproc
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Path, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema

COLLECTION = "clusters"

# What can change in place, and the mask Google wants for it.
_MASKS = {
    "labels": "labels",
    "config.autoscalingConfig": "config.autoscaling_config.policy_uri",
    "config.lifecycleConfig.autoDeleteTime": "config.lifecycle_config.auto_delete_time",
    "config.lifecycleConfig.autoDeleteTtl": "config.lifecycle_config.auto_delete_ttl",
    "config.lifecycleConfig.idleDeleteTtl": "config.lifecycle_config.idle_delete_ttl",
    "config.secondaryWorkerConfig.numInstances": "config.secondary_worker_config.num_instances",
    "config.securityConfig.identityConfig.userServiceAccountMapping": (
        "config.security_config.identity_config.user_service_account_mapping"
    ),
    "config.workerConfig.numInstances": "config.worker_config.num_instances",
}
_WORKER_COUNTS = frozenset({"config.workerConfig.numInstances", "config.secondaryWorkerConfig.numInstances"})
_IMAGE_VERSION = re.compile(r"^(\d+)\.(\d+)(?:\.(\d+))?(?:-([a-z]+\d*))?$")


def _request_id() -> dict[str, str]:
    """Return a request id: Google answers a repeated request with the first one's operation."""
    return {"requestId": str(uuid.uuid4())}


def _create(scope: Scope, _identifier: str, body: dict[str, Any]) -> Call:
    url = dataproc.collection_url(scope, COLLECTION)
    return Call("POST", url, _request_id(), {**body, "projectId": scope.project})


def _update(scope: Scope, identifier: str, body: dict[str, Any], _live: dict[str, Any], changed: list[Path]) -> Call:
    masks = {mask for prefix, mask in _MASKS.items() for path in changed if _covers(prefix, path)}
    params = {"updateMask": ",".join(sorted(masks)), **_request_id()}
    return Call("PATCH", dataproc.item_url(scope, COLLECTION, identifier), params, body)


def _covers(prefix: str, path: Path) -> bool:
    dotted = ".".join(str(part) for part in path)
    return f"{dotted}.".startswith(f"{prefix}.")


def _delete(scope: Scope, identifier: str, live: dict[str, Any]) -> Call:
    # With the uuid, a cluster that was created anew under the same name in the meantime is left alone.
    same = {"clusterUuid": live["clusterUuid"]} if live.get("clusterUuid") else {}
    return Call("DELETE", dataproc.item_url(scope, COLLECTION, identifier), {**same, **_request_id()})


def same_image_version(desired: Any, live: Any) -> bool:
    """Return whether Google may choose the live version for the desired one: 2.3.10-debian12 for 2.3-debian12."""
    if desired in ("latest", "preview"):
        return True
    wanted, found = _IMAGE_VERSION.match(str(desired)), _IMAGE_VERSION.match(str(live))
    if not wanted or not found:
        return False
    return all(part is None or part == other for part, other in zip(wanted.groups(), found.groups(), strict=True))


def _ignored(desired: dict[str, Any], _live: dict[str, Any]) -> frozenset[str]:
    """The numbers of workers belong to the autoscaler where there is one."""
    autoscaling = (desired.get("config") or {}).get("autoscalingConfig") or {}
    return _WORKER_COUNTS if autoscaling.get("policyUri") else frozenset()


def _state(live: dict[str, Any]) -> str:
    return str((live.get("status") or {}).get("state", ""))


def _state_detail(live: dict[str, Any]) -> str:
    return str((live.get("status") or {}).get("detail", ""))


def _checks(cluster: dict[str, Any]) -> list[str]:
    stated = [name for name in ("config", "virtualClusterConfig") if cluster.get(name) is not None]
    if len(stated) == 2:
        return ["config and virtualClusterConfig are both set; expected one of them"]
    return []


KIND = Kind(
    name="dataproc_cluster",
    schema=Schema(TYPES, "Cluster"),
    id_field="clusterName",
    id_pattern=re.compile(r"^[a-z](?:[a-z0-9-]{0,49}[a-z0-9])?$"),
    id_expectation="up to 51 lower-case letters, digits and '-', beginning with a letter, not ending with '-'",
    list_key="clusters",
    list_call=lambda scope: dataproc.list_call(scope, COLLECTION),
    get_call=lambda scope, identifier: Call("GET", dataproc.item_url(scope, COLLECTION, identifier)),
    create_call=_create,
    update_call=_update,
    delete_call=_delete,
    updates="mask",
    unordered=frozenset({"config.gceClusterConfig.tags", "config.softwareConfig.optionalComponents"}),
    unordered_superset=frozenset(
        {"config.gceClusterConfig.serviceAccountScopes", "config.softwareConfig.optionalComponents"}
    ),
    strict_paths=frozenset({"labels", "config.securityConfig.identityConfig.userServiceAccountMapping"}),
    url_fields=dataproc.URL_FIELDS,
    aliases={"config.softwareConfig.imageVersion": same_image_version},
    updatable=frozenset(_MASKS),
    replaceable=True,
    long_running=True,
    operations_url=dataproc.ROOT,
    ignored=_ignored,
    checks=_checks,
    state=_state,
    state_detail=_state_detail,
)
