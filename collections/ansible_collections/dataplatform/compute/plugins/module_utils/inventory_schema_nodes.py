# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The facts about what is around a cluster's nodes: file systems, the realm, accounts, metrics."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_schema_parts import (
    mapping,
    named,
    or_null,
    text,
)

_HOST = text(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "expected a host name or an IPv4 address")
_KDC = text(
    r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$", "expected a host name or an IPv4 address, or HOST:PORT"
)
_DOMAIN = text(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", "expected a domain such as corp.internal")
_ACCOUNT = text(r"^[a-z_][a-z0-9_-]{0,31}$", "expected the name of an account on the nodes")
_NUMBER = {"type": "integer", "minimum": 1, "maximum": 60000, "x-expected": "expected a number from 1 to 60000"}
# Cloud Monitoring takes a point of a series every five seconds at most.
_INTERVAL = {"type": "integer", "minimum": 5, "maximum": 3600, "x-expected": "expected seconds, 5 to 3600"}
_METRIC_GROUPS = {
    "type": "array",
    "minItems": 1,
    "items": {"enum": ["dask", "node", "yarn"]},
    "uniqueItems": True,
}
_OPTION = text(r"^[a-z][a-z0-9_]*(=[A-Za-z0-9._:/-]+)?$", "expected one mount option, such as nconnect=4")

_SERVER_PATH = text(
    r"^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$",
    "expected the absolute path of a directory on the server, of letters, digits, '.', '_' and '-'",
)

_MOUNT = mapping(
    {
        "mountpoint": text(
            r"^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$", "expected an absolute path of letters, digits, '.', '_' and '-'"
        ),
        "export": _SERVER_PATH,
    },
    {
        "version": {"enum": ["3", "4.1"]},
        "options": {"type": "array", "items": _OPTION, "uniqueItems": True},
        "owner": _ACCOUNT,
        "mode": text(r"^[0-3]7[0-7]{2}$", "expected four octal digits in quotes, all rights for the owner: '2775'"),
    },
)

NODE_FACTS: dict[str, dict[str, Any]] = {
    "platform_nfs": or_null(
        mapping({"server": _HOST, "mounts": {"type": "array", "minItems": 1, "items": _MOUNT}}, {"share": _SERVER_PATH})
    ),
    "platform_accounts": named(_ACCOUNT, mapping({"uid": _NUMBER, "gid": _NUMBER})),
    "platform_kerberos": or_null(
        mapping(
            {
                "realm": text(r"^[A-Z0-9-]+(\.[A-Z0-9-]+)*$", "expected a realm in capitals, such as CORP.INTERNAL"),
                "domain": _DOMAIN,
                "kdcs": {"type": "array", "minItems": 1, "items": _KDC, "uniqueItems": True},
                "ipa_server": _HOST,
            }
        )
    ),
    "platform_metrics": or_null(mapping({"interval": _INTERVAL, "groups": _METRIC_GROUPS})),
}
