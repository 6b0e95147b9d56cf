# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Written by scripts/refresh_schemas.py from secretmanager.v1 (revision 20261021, google-api-python-client 2.202.0)."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, dict[str, dict[str, Any]]] = {
    "Automatic": {"customerManagedEncryption": {"type": "object", "ref": "CustomerManagedEncryption"}},
    "CustomerManagedEncryption": {"kmsKeyName": {"type": "string", "required": True}},
    "ManagedRotationStatus": {
        "error": {"type": "object", "ref": "Status", "output_only": True},
        "state": {"type": "string", "enum": ["STATE_UNSPECIFIED", "ACTIVE", "INACTIVE"], "output_only": True},
    },
    "Replica": {
        "customerManagedEncryption": {"type": "object", "ref": "CustomerManagedEncryption"},
        "location": {"type": "string"},
    },
    "Replication": {
        "automatic": {"type": "object", "ref": "Automatic"},
        "userManaged": {"type": "object", "ref": "UserManaged"},
    },
    "ResourcePolicyMember": {
        "iamPolicyNamePrincipal": {"type": "string", "output_only": True},
        "iamPolicyUidPrincipal": {"type": "string", "output_only": True},
    },
    "Rotation": {
        "managedRotationStatus": {"type": "object", "ref": "ManagedRotationStatus", "output_only": True},
        "nextRotationTime": {"type": "string", "format": "google-datetime"},
        "rotationPeriod": {"type": "string", "format": "google-duration"},
    },
    "Secret": {
        "annotations": {"type": "map", "values": {"type": "string"}},
        "createTime": {"type": "string", "format": "google-datetime", "output_only": True},
        "customerManagedEncryption": {"type": "object", "ref": "CustomerManagedEncryption"},
        "etag": {"type": "string", "output_only": True},
        "expireTime": {"type": "string", "format": "google-datetime"},
        "labels": {"type": "map", "values": {"type": "string"}},
        "name": {"type": "string", "required": True},
        "policyMember": {"type": "object", "ref": "ResourcePolicyMember", "output_only": True},
        "replication": {"type": "object", "ref": "Replication", "required": True},
        "rotation": {"type": "object", "ref": "Rotation"},
        "secretType": {
            "type": "string",
            "enum": [
                "SECRET_TYPE_UNSPECIFIED",
                "CLOUD_SQL_DB_CREDENTIALS",
                "ACCESS_KEY",
                "CERTIFICATE",
                "OTHER_DB_CREDENTIALS",
                "OTHER",
            ],
        },
        "tags": {"type": "map", "values": {"type": "string"}},
        "topics": {"type": "array", "items": {"type": "object", "ref": "Topic"}},
        "ttl": {"type": "string", "format": "google-duration"},
        "versionAliases": {"type": "map", "values": {"type": "string", "format": "int64"}},
        "versionDestroyTtl": {"type": "string", "format": "google-duration"},
    },
    "Status": {
        "code": {"type": "integer", "format": "int32"},
        "details": {"type": "array", "items": {"type": "map", "values": {"type": "any"}}},
        "message": {"type": "string"},
    },
    "Topic": {"name": {"type": "string"}},
    "UserManaged": {"replicas": {"type": "array", "items": {"type": "object", "ref": "Replica"}, "required": True}},
}
