"""What Dataproc makes of a cluster request: defaults filled in, short names expanded to full URLs, limits checked."""

from __future__ import annotations

import copy
import hashlib
from datetime import timedelta
from typing import Any

from localcloud.dataproc.cluster_images import ChosenImage
from localcloud.dataproc.cluster_properties import default_properties
from localcloud.dataproc.names import COMPUTE_URL, Location, expanded_url, random_suffix, require_duration
from localcloud.errors import invalid_argument

DEFAULT_MACHINE_TYPE = "n4-standard-4"
_HYPERDISK_FAMILIES = frozenset({"c4", "c4a", "c4d", "n4", "n4a", "n4d"})
_ZERO_WORKERS = "dataproc:dataproc.allow.zero.workers"
_LIFECYCLE_LIMITS = {
    "idleDeleteTtl": timedelta(minutes=5),
    "autoDeleteTtl": timedelta(minutes=10),
    "idleStopTtl": timedelta(minutes=5),
    "autoStopTtl": timedelta(minutes=10),
}
_GATEWAY_PORTS = {
    "HDFS NameNode": "hdfs/dfshealth.html",
    "MapReduce Job History": "jobhistory/",
    "Spark History Server": "sparkhistory/",
    "YARN Application Timeline": "apphistory/",
    "YARN ResourceManager": "yarn/",
}


def completed_config(
    name: str, config: dict[str, Any], location: Location, *, buckets: tuple[str, str], image: ChosenImage
) -> dict[str, Any]:
    """Return the config of cluster `name`, made of `image`, as the server completes it.

    `buckets` are the staging and temporary bucket to use where the request names none. Raises ApiError 400 naming the
    field that is out of bounds.
    """
    completed = _without_empty(copy.deepcopy(config))
    completed.setdefault("configBucket", buckets[0])
    completed.setdefault("tempBucket", buckets[1])
    completed.setdefault("endpointConfig", {})
    _complete_network(completed, location)
    zone_url = completed["gceClusterConfig"]["zoneUri"]
    completed["softwareConfig"] = {**completed.get("softwareConfig", {}), "imageVersion": image.version}
    for group, count in _groups(completed):
        config_of_group = _completed_group(completed, group, count, zone_url, location)
        config_of_group.setdefault("imageUri", image.url)
        completed[group] = config_of_group
    _check_sizes(completed)
    _check_lifecycle(completed.get("lifecycleConfig", {}))
    _complete_properties(name, completed)
    if completed["endpointConfig"].get("enableHttpPortAccess"):
        host = f"https://{random_suffix(26)}-dot-{location.region}.dataproc.googleusercontent.com/"
        completed["endpointConfig"]["httpPorts"] = {port: host + path for port, path in _GATEWAY_PORTS.items()}
    return completed


def instance_names(cluster: dict[str, Any], group: str) -> list[str]:
    """Return the names of a group's machines: -m or -m-0.., -w-0.., -sw-xxxx."""
    name = cluster["clusterName"]
    count = cluster["config"].get(group, {}).get("numInstances", 0)
    if group == "masterConfig":
        return [f"{name}-m"] if count == 1 else [f"{name}-m-{index}" for index in range(count)]
    if group == "workerConfig":
        return [f"{name}-w-{index}" for index in range(count)]
    seed = cluster.get("clusterUuid", name)
    return [f"{name}-sw-{hashlib.sha256(f'{seed}/{index}'.encode()).hexdigest()[:4]}" for index in range(count)]


def secondary_group(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return the secondary group of a cluster that was created without one: empty, on the primary workers' machines."""
    config = cluster["config"]
    location = Location(cluster["projectId"], cluster["labels"]["goog-dataproc-location"])
    zone_url = config["gceClusterConfig"]["zoneUri"]
    group = _completed_group(config, "secondaryWorkerConfig", 0, zone_url, location)
    return {"imageUri": config["masterConfig"]["imageUri"], **group}


def _without_empty(value: Any) -> Any:
    """Drop empty strings: clients send `zoneUri: ""` for what they leave to the server."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item != ""}
    return value


def _complete_network(config: dict[str, Any], location: Location) -> None:
    network = {"internalIpOnly": True, **config.get("gceClusterConfig", {})}
    project, region = location.project, location.region
    zone = network.get("zoneUri", "").rpartition("/")[2] or _automatic_zone(location)
    if not zone.startswith(f"{region}-"):
        raise invalid_argument(f"Invalid zone '{zone}': zone must be in region '{region}'.")
    network["zoneUri"] = f"{COMPUTE_URL}projects/{project}/zones/{zone}"
    if "subnetworkUri" in network and "networkUri" in network:
        raise invalid_argument("gceClusterConfig has both networkUri and subnetworkUri, expected one of them.")
    if "subnetworkUri" in network:
        parent = f"projects/{project}/regions/{region}/subnetworks/"
        network["subnetworkUri"] = expanded_url(network["subnetworkUri"], parent)
    else:
        network["networkUri"] = expanded_url(
            network.get("networkUri", "default"), f"projects/{project}/global/networks/"
        )
    network.setdefault("serviceAccountScopes", ["https://www.googleapis.com/auth/cloud-platform"])
    shielded = {"enableIntegrityMonitoring": True, "enableSecureBoot": True, "enableVtpm": True}
    network["shieldedInstanceConfig"] = {**shielded, **network.get("shieldedInstanceConfig", {})}
    config["gceClusterConfig"] = network


def _automatic_zone(location: Location) -> str:
    """Choose a zone, always the same one for a project and region."""
    digest = hashlib.sha256(f"{location.project}/{location.region}".encode()).digest()
    return f"{location.region}-{'bcd'[digest[0] % 3]}"


def _groups(config: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the instance groups that the cluster has, with the size each has unless the request says otherwise."""
    groups = [("masterConfig", 1)]
    single = config.get("softwareConfig", {}).get("properties", {}).get(_ZERO_WORKERS, "").lower() == "true"
    if not single:
        groups.append(("workerConfig", 2))
    if "secondaryWorkerConfig" in config:
        groups.append(("secondaryWorkerConfig", 0))
    return groups


def _completed_group(
    config: dict[str, Any], name: str, count: int, zone_url: str, location: Location
) -> dict[str, Any]:
    group = dict(config.get(name, {}))
    fallback = config.get("workerConfig", {}).get("machineTypeUri", DEFAULT_MACHINE_TYPE)
    requested = group.get("machineTypeUri") or (fallback if name == "secondaryWorkerConfig" else DEFAULT_MACHINE_TYPE)
    machine_type = requested.rpartition("/")[2]
    group["machineTypeUri"] = f"{zone_url}/machineTypes/{machine_type}"
    family = machine_type.partition("-")[0]
    disk = {
        "bootDiskSizeGb": 1000,
        "bootDiskType": "hyperdisk-balanced" if family in _HYPERDISK_FAMILIES else "pd-standard",
    }
    group["diskConfig"] = {**disk, **group.get("diskConfig", {})}
    if "imageUri" in group:
        group["imageUri"] = expanded_url(group["imageUri"], f"projects/{location.project}/global/images/")
    group.setdefault("numInstances", count)
    group.setdefault("minCpuPlatform", "AUTOMATIC")
    if name == "secondaryWorkerConfig":
        group.setdefault("preemptibility", "PREEMPTIBLE")
        group["isPreemptible"] = group["preemptibility"] != "NON_PREEMPTIBLE"
        manager = f"dataproc-goog-reserved-auto-secondary-{random_suffix(14)}"
        group["managedGroupConfig"] = {
            "instanceGroupManagerName": manager,
            "instanceGroupManagerUri": f"{location.path}/instanceGroupManagers/{manager}",
            "instanceTemplateName": manager,
        }
        group.setdefault("startupConfig", {"requiredRegistrationFraction": 0.0001})
    else:
        group.setdefault("preemptibility", "NON_PREEMPTIBLE")
        if group["preemptibility"] != "NON_PREEMPTIBLE":
            raise invalid_argument(
                f"{name}.preemptibility is {group['preemptibility']}, only secondary workers may be preempted."
            )
    return group


def _check_sizes(config: dict[str, Any]) -> None:
    masters = config["masterConfig"]["numInstances"]
    if masters not in (1, 3):
        raise invalid_argument(f"masterConfig.numInstances is {masters}, expected 1, or 3 for high availability.")
    if "workerConfig" in config:
        check_worker_count(config["workerConfig"]["numInstances"])


def check_worker_count(count: int) -> None:
    """Refuse a primary group that is too small. Raises ApiError 400."""
    if count < 2:
        raise invalid_argument(
            f"workerConfig.numInstances is {count}, expected at least 2 (or none, with the property {_ZERO_WORKERS})."
        )


def _check_lifecycle(lifecycle: dict[str, Any]) -> None:
    for field, minimum in _LIFECYCLE_LIMITS.items():
        require_duration(lifecycle.get(field), f"config.lifecycleConfig.{field}", minimum, timedelta(days=14))


def _complete_properties(name: str, config: dict[str, Any]) -> None:
    master_type = config["masterConfig"]["machineTypeUri"].rpartition("/")[2]
    worker = config.get("workerConfig", config["masterConfig"])
    worker_type = worker["machineTypeUri"].rpartition("/")[2]
    workers = config.get("workerConfig", {}).get("numInstances", 0)
    workers += config.get("secondaryWorkerConfig", {}).get("numInstances", 0)
    autoscaled = bool(config.get("autoscalingConfig", {}).get("policyUri"))
    software = config["softwareConfig"]
    defaults = default_properties(name, master_type, worker_type, workers, autoscaled)
    software["properties"] = dict(sorted({**defaults, **software.get("properties", {})}.items()))
