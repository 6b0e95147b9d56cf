"""Updates of an environment: which single thing a mask changes, and to what."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from localcloud.composer.names import problems
from localcloud.names import camel_case

# Maps that are replaced whole, or of which single keys are set and removed.
_MAPS = ("labels", "config.softwareConfig.pypiPackages", "config.softwareConfig.airflowConfigOverrides")
_WHOLE = (
    "config.softwareConfig.envVariables",
    "config.softwareConfig.imageVersion",
    "config.softwareConfig.cloudDataLineageIntegration",
    "config.webServerNetworkAccessControl",
    "config.masterAuthorizedNetworksConfig",
    "config.maintenanceWindow",
    "config.workloadsConfig",
    "config.environmentSize",
    "config.recoveryConfig.scheduledSnapshotsConfig",
    "config.dataRetentionConfig",
    "config.dataRetentionConfig.airflowMetadataRetentionConfig",
    "config.dataRetentionConfig.taskLogsRetentionConfig.storageMode",
    "config.resilienceMode",
)


@dataclass(frozen=True)
class Update:
    """One update: the environment as it will be, and the field (the update type) that changes."""

    field: str
    environment: dict[str, Any]


def plan_update(environment: dict[str, Any], body: dict[str, Any], mask: str | None) -> Update:
    """Return what `mask` and `body` make of `environment`. Raises ApiError 400, also when nothing changes."""
    paths = [path.strip() for path in (mask or "").split(",") if path.strip()]
    if not paths:
        raise problems("Request must not contain an empty update_mask.")
    split = [_split(path) for path in paths]
    unknown = [path for path, (field, _key) in zip(paths, split, strict=True) if not field]
    if unknown:
        raise problems(*(f"Field '{path}' of the update mask cannot be updated." for path in unknown))
    fields = sorted({field for field, _key in split})
    if len(fields) > 1:
        raise problems(
            f"Only one update type may be included in a single request's update mask, found: {', '.join(fields)}."
        )
    field, keys = fields[0], [key for _field, key in split]
    if None in keys and len(set(keys)) > 1:
        raise problems(f"The update mask has both '{field}' and single keys of it; expected one or the other.")
    changed = copy.deepcopy(environment)
    new = _get(body, field)
    if None not in keys:
        new = {**(_get(environment, field) or {}), **{key: (new or {}).get(key) for key in keys}}
        new = {key: value for key, value in new.items() if value is not None}
    _set(changed, field, new)
    if _get(changed, field) == _get(environment, field):
        raise problems(
            f"No change in configuration. The update of '{field}' does not result in any change to the environment."
        )
    return Update(field, changed)


def _split(path: str) -> tuple[str, str | None]:
    """Return (field, key) of a mask path: the key is None for the whole field, the field empty when there is none."""
    for field in _MAPS:
        depth = field.count(".") + 1
        # Keys may have dots of their own.
        parts = path.split(".", depth)
        if ".".join(camel_case(part) for part in parts[:depth]) == field:
            return field, (parts[depth] if len(parts) > depth else None)
    whole = ".".join(camel_case(part) for part in path.split("."))
    return (whole, None) if whole in _WHOLE else ("", None)


def _get(container: dict[str, Any], field: str) -> Any:
    value: Any = container
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    # An empty map and none are the same.
    return value or None


def _set(container: dict[str, Any], field: str, value: Any) -> None:
    *parents, last = field.split(".")
    for part in parents:
        container = container.setdefault(part, {})
    if value:
        container[last] = value
    else:
        container.pop(last, None)
