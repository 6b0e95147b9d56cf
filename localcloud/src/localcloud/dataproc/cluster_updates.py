"""Which fields of a running cluster can change, and what a change is called."""

from __future__ import annotations

import copy
from typing import Any

from localcloud.dataproc.cluster_defaults import check_worker_count, secondary_group
from localcloud.errors import invalid_argument
from localcloud.schema import camel_case

_UPDATABLE = (
    "labels",
    "config.workerConfig.numInstances",
    "config.secondaryWorkerConfig.numInstances",
    "config.autoscalingConfig.policyUri",
    "config.lifecycleConfig.idleDeleteTtl",
    "config.lifecycleConfig.autoDeleteTtl",
    "config.lifecycleConfig.autoDeleteTime",
    "config.lifecycleConfig.idleStopTtl",
    "config.lifecycleConfig.autoStopTtl",
    "config.lifecycleConfig.autoStopTime",
    "config.securityConfig.identityConfig.userServiceAccountMapping",
)
# Labels that the server owns survive any update of the labels.
_OWN_LABELS = "goog-dataproc-"


def apply_update(current: dict[str, Any], wanted: dict[str, Any], mask: str | None) -> tuple[dict[str, Any], str]:
    """Return (cluster with the fields of `mask` taken from `wanted`, description of the change).

    `mask` holds paths in camel or snake case, separated by commas; a field that `wanted` lacks is cleared.
    Raises ApiError 400 for an empty mask or a field that cannot be updated.
    """
    paths = [".".join(map(camel_case, path.strip().split("."))) for path in (mask or "").split(",") if path.strip()]
    if not paths:
        raise invalid_argument("updateMask is required: it names the fields to update, for example 'labels'.")
    changed = copy.deepcopy(current)
    descriptions = []
    for path in paths:
        if path not in _UPDATABLE:
            raise invalid_argument(f"Field '{path}' of a cluster cannot be updated, only: {', '.join(_UPDATABLE)}.")
        if path == "labels":
            own = {key: value for key, value in current["labels"].items() if key.startswith(_OWN_LABELS)}
            changed["labels"] = dict(sorted({**wanted.get("labels", {}), **own}.items()))
            continue
        if path.endswith(".numInstances"):
            descriptions.append(_resize(changed, wanted, path.split(".")[1]))
            continue
        _copy_field(changed, wanted, path.split("."))
    return changed, " ".join(filter(None, descriptions))


def _copy_field(changed: dict[str, Any], wanted: dict[str, Any], steps: list[str]) -> None:
    source: Any = wanted
    for step in steps:
        source = source.get(step) if isinstance(source, dict) else None
    target = changed
    for step in steps[:-1]:
        target = target.setdefault(step, {})
    if source in (None, ""):
        target.pop(steps[-1], None)
    else:
        target[steps[-1]] = source


def _resize(changed: dict[str, Any], wanted: dict[str, Any], group: str) -> str:
    count = wanted.get("config", {}).get(group, {}).get("numInstances", 0)
    if group == "workerConfig":
        check_worker_count(count)
    if group == "secondaryWorkerConfig":
        changed["config"].setdefault(group, secondary_group(changed))
    if group not in changed["config"]:
        raise invalid_argument(f"The cluster has no {group}, it cannot be resized.")
    before = changed["config"][group]["numInstances"]
    changed["config"][group]["numInstances"] = count
    kind = "workers" if group == "workerConfig" else "secondary workers"
    if count == before:
        return ""
    return f"Add {count - before} {kind}." if count > before else f"Remove {before - count} {kind}."
