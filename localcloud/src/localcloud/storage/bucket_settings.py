"""What a bucket can be configured with: types, defaults, locations, and the fields the server derives."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from localcloud.errors import ApiError
from localcloud.storage.resources import dump, timestamp

_TYPES: dict[str, type] = {
    "autoclass": dict,
    "billing": dict,
    "cors": list,
    "customPlacementConfig": dict,
    "defaultEventBasedHold": bool,
    "encryption": dict,
    "hierarchicalNamespace": dict,
    "iamConfiguration": dict,
    "ipFilter": dict,
    "labels": dict,
    "lifecycle": dict,
    "logging": dict,
    "retentionPolicy": dict,
    "rpo": str,
    "softDeletePolicy": dict,
    "storageClass": str,
    "versioning": dict,
    "website": dict,
}
# Bucket fields that a caller sets; all others are the server's or unknown, and are ignored as Cloud Storage does.
WRITABLE = frozenset(_TYPES)
_MULTI_REGIONS = frozenset({"US", "EU", "ASIA"})
_DUAL_REGIONS = frozenset({"ASIA1", "EUR4", "EUR5", "EUR7", "EUR8", "NAM4"})
_REGION = re.compile(r"[A-Z]+-[A-Z]+\d+")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_SOFT_DELETE_RANGE = (7 * 86400, 90 * 86400)
_LOCK_DAYS = 90


def location_type(location: str, placement: dict[str, Any] | None) -> str:
    """Return `region`, `dual-region` or `multi-region`. Raises ApiError 400 for a location that does not exist."""
    if location in _DUAL_REGIONS or placement:
        return "dual-region"
    if location in _MULTI_REGIONS:
        return "multi-region"
    if _REGION.fullmatch(location):
        return "region"
    raise ApiError(400, "The specified location constraint is not valid.")


def check_types(settings: dict[str, Any]) -> None:
    """Refuse values of a wrong type or out of range. Raises ApiError 400."""
    for field, value in settings.items():
        if not isinstance(value, _TYPES[field]):
            raise _invalid(field, value)
    for key, value in settings.get("labels", {}).items():
        if value is None:
            continue
        if not isinstance(value, str) or not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise _invalid(f"labels.{key}", value)
    rules = settings.get("lifecycle", {}).get("rule") or []
    if not isinstance(rules, list):
        raise _invalid("lifecycle.rule", rules)
    for rule in rules:
        if not isinstance(rule, dict) or "type" not in (rule.get("action") or {}):
            raise ApiError(400, "A lifecycle management rule must have an action with a type.")
        if not rule.get("condition"):
            raise ApiError(400, "A lifecycle management rule must have at least one condition.")
    key = settings.get("encryption", {}).get("defaultKmsKeyName")
    if key and not (isinstance(key, str) and _KMS_KEY.fullmatch(key)):
        raise _invalid("encryption.defaultKmsKeyName", key)
    seconds = _integer(
        "softDeletePolicy.retentionDurationSeconds",
        settings.get("softDeletePolicy", {}).get("retentionDurationSeconds"),
    )
    lowest, highest = _SOFT_DELETE_RANGE
    if seconds and not lowest <= seconds <= highest:
        raise ApiError(
            400,
            f"Soft delete policy's retention duration must be 0 or from {lowest} to {highest} seconds, not {seconds}.",
        )
    _integer("retentionPolicy.retentionPeriod", settings.get("retentionPolicy", {}).get("retentionPeriod"))
    _boolean("versioning.enabled", settings.get("versioning", {}).get("enabled"))


def _integer(field: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _invalid(field, value)
    try:
        return int(value)
    except ValueError:
        raise _invalid(field, value) from None


def _boolean(field: str, value: Any) -> None:
    if not isinstance(value, bool | None):
        raise _invalid(field, value)


def _invalid(field: str, value: Any) -> ApiError:
    return ApiError(400, f"Invalid value for field {field}: {dump(value)}", reason="invalid")


def normalise(resource: dict[str, Any], before: dict[str, Any], now: datetime) -> None:
    """Fill in what the server derives from the settings of a bucket, in place; `before` is the bucket as it was."""
    _normalise_access(resource, before, now)
    policy = resource["softDeletePolicy"] = dict(resource.get("softDeletePolicy") or {})
    seconds = str(int(policy.get("retentionDurationSeconds") or 0))
    earlier = before.get("softDeletePolicy", {})
    if seconds == "0":
        resource["softDeletePolicy"] = {"retentionDurationSeconds": "0"}
    else:
        unchanged = earlier.get("retentionDurationSeconds") == seconds
        effective = earlier.get("effectiveTime") if unchanged else None
        resource["softDeletePolicy"] = {
            "effectiveTime": effective or timestamp(now),
            "retentionDurationSeconds": seconds,
        }
    if "retentionPolicy" in resource:
        _normalise_retention(resource, before, now)
    if not resource.get("lifecycle", {}).get("rule"):
        resource.pop("lifecycle", None)
    for field in ("labels", "cors", "encryption", "logging", "website", "billing"):
        if field in resource and not resource[field]:
            del resource[field]
    if "labels" in resource:
        resource["labels"] = {key: value for key, value in resource["labels"].items() if value is not None}


def _normalise_access(resource: dict[str, Any], before: dict[str, Any], now: datetime) -> None:
    access = dict(resource.get("iamConfiguration") or {})
    # bucketPolicyOnly is the former name of uniformBucketLevelAccess: answered always, honoured when it comes alone.
    earlier = before.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {"enabled": False})
    uniform, former = access.get("uniformBucketLevelAccess") or {}, access.get("bucketPolicyOnly") or {}
    enabled = bool(uniform.get("enabled", earlier["enabled"]))
    if bool(former.get("enabled", enabled)) != enabled and enabled == earlier["enabled"]:
        enabled = bool(former["enabled"])
    state: dict[str, Any] = {"enabled": enabled}
    if enabled:
        state["lockedTime"] = earlier.get("lockedTime") or timestamp(now + timedelta(days=_LOCK_DAYS))
    prevention = access.get("publicAccessPrevention") or "inherited"
    if prevention == "unspecified":
        prevention = "inherited"
    if prevention not in ("inherited", "enforced"):
        raise _invalid("iamConfiguration.publicAccessPrevention", prevention)
    resource["iamConfiguration"] = {
        "bucketPolicyOnly": dict(state),
        "uniformBucketLevelAccess": state,
        "publicAccessPrevention": prevention,
    }


def _normalise_retention(resource: dict[str, Any], before: dict[str, Any], now: datetime) -> None:
    policy, earlier = dict(resource["retentionPolicy"]), before.get("retentionPolicy", {})
    period = str(int(policy.get("retentionPeriod") or 0))
    if period == "0":
        del resource["retentionPolicy"]
        return
    unchanged = earlier.get("retentionPeriod") == period
    policy["retentionPeriod"] = period
    policy["effectiveTime"] = earlier["effectiveTime"] if unchanged else timestamp(now)
    resource["retentionPolicy"] = policy


def kept_seconds(resource: dict[str, Any]) -> int:
    """Return for how long the soft-delete policy of a bucket keeps deleted objects."""
    return int(resource["softDeletePolicy"]["retentionDurationSeconds"])
