# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the kinds of Dataproc share."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Scope

ROOT = "https://dataproc.googleapis.com/v1"
PAGE_SIZE = 1000

# Policies, templates and steps share one rule for their ids.
ID_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{1,48}[A-Za-z0-9]$")
ID_EXPECTATION = "3 to 50 letters, digits, '_' and '-', beginning and ending with a letter or digit"

URL_FIELDS = frozenset(
    {
        "acceleratorTypeUri",
        "imageUri",
        "machineTypeUri",
        "networkUri",
        "nodeGroupUri",
        "policyUri",
        "serviceAccountScopes",
        "subnetworkUri",
        "zoneUri",
    }
)


def collection_url(scope: Scope, collection: str) -> str:
    """Return the address of a regional collection, such as ``autoscalingPolicies``."""
    return f"{ROOT}/projects/{quote(scope.project, safe=':')}/regions/{quote(scope.region)}/{collection}"


def list_call(scope: Scope, collection: str) -> Call:
    """Return the request for the first page of a collection."""
    return Call("GET", collection_url(scope, collection), {"pageSize": PAGE_SIZE})


def item_url(scope: Scope, collection: str, identifier: str) -> str:
    """Return the address of one resource."""
    return f"{collection_url(scope, collection)}/{quote(identifier, safe='')}"


def resource_name(scope: Scope, collection: str, identifier: str) -> str:
    """Return Google's name of a regional resource."""
    return f"projects/{scope.project}/regions/{scope.region}/{collection}/{identifier}"


def duration_seconds(value: Any) -> float | None:
    """Return the seconds of ``"120s"``, None for anything else."""
    try:
        return float(str(value).removesuffix("s")) if str(value).endswith("s") else None
    except ValueError:
        return None
