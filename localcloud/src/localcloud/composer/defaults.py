"""What the server adds to a new environment."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from localcloud.composer.images import resolve
from localcloud.composer.names import EnvironmentName

_EVERYWHERE = {
    "allowedIpRanges": [
        {"value": "0.0.0.0/0", "description": "Allows access from all IPv4 addresses (default value)"},
        {"value": "::0/0", "description": "Allows access from all IPv6 addresses (default value)"},
    ]
}
_MAINTENANCE = {
    "startTime": "1970-01-01T00:00:00Z",
    "endTime": "1970-01-01T04:00:00Z",
    "recurrence": "FREQ=WEEKLY;BYDAY=FR,SA,SU",
}
_RETENTION = {
    "airflowMetadataRetentionConfig": {"retentionMode": "RETENTION_MODE_DISABLED"},
    "taskLogsRetentionConfig": {"storageMode": "CLOUD_LOGGING_ONLY"},
}
_WORKLOADS = {
    "scheduler": {"cpu": 0.5, "memoryGb": 2, "storageGb": 1, "count": 1},
    "webServer": {"cpu": 0.5, "memoryGb": 2, "storageGb": 1},
    "worker": {"cpu": 0.5, "memoryGb": 2, "storageGb": 1, "minCount": 1, "maxCount": 3},
}


def complete(name: EnvironmentName, given: dict[str, Any], bucket: str, project_number: str) -> dict[str, Any]:
    """Return the config of a new environment: what was given, and the server's defaults for the rest.

    Raises ApiError 400 for an image version that there is not.
    """
    software = given.get("softwareConfig", {})
    defaults = {
        "softwareConfig": {"pythonVersion": "3", "cloudDataLineageIntegration": {}},
        "nodeConfig": {
            "network": f"projects/{name.project}/global/networks/default",
            "serviceAccount": f"{project_number}-compute@developer.gserviceaccount.com",
            "ipAllocationPolicy": {"useIpAliases": True},
        },
        "privateEnvironmentConfig": {
            "privateClusterConfig": {},
            "cloudSqlIpv4CidrBlock": "10.0.0.0/12",
            "cloudComposerNetworkIpv4CidrBlock": "172.31.245.0/24",
        },
        "webServerNetworkAccessControl": _EVERYWHERE,
        "databaseConfig": {"machineType": "db-custom-2-7680"},
        "encryptionConfig": {},
        "maintenanceWindow": _MAINTENANCE,
        "workloadsConfig": _WORKLOADS,
        "environmentSize": "ENVIRONMENT_SIZE_SMALL",
        "dataRetentionConfig": _RETENTION,
    }
    host = hashlib.sha256(f"{name}/{bucket}".encode()).hexdigest()[:32]
    suffix = bucket.removesuffix("-bucket")
    made = {
        "softwareConfig": {"imageVersion": resolve(software.get("imageVersion"))},
        "gkeCluster": f"projects/{name.project}/locations/{name.location}/clusters/{suffix}-gke",
        "dagGcsPrefix": f"gs://{bucket}/dags",
        "airflowUri": f"https://{host}-dot-{name.location}.composer.googleusercontent.com",
        "airflowByoidUri": f"https://{host}-dot-{name.location}.composer.byoid.googleusercontent.com",
    }
    return _merged(_merged(defaults, given), made)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else copy.deepcopy(value)
    return merged
