# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Dataproc autoscaling policies."""

from __future__ import annotations

from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils._schemas.dataproc import TYPES
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds import dataproc
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Call, Kind, Path, Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import Schema

COLLECTION = "autoscalingPolicies"
_DAY = 86400
_BOUNDS = {
    ("basicAlgorithm", "cooldownPeriod"): (120, _DAY),
    ("basicAlgorithm", "yarnConfig", "gracefulDecommissionTimeout"): (0, _DAY),
}
_FRACTIONS = ("scaleUpFactor", "scaleDownFactor", "scaleUpMinWorkerFraction", "scaleDownMinWorkerFraction")


def _update(scope: Scope, identifier: str, body: dict[str, Any], _live: dict[str, Any], _changed: list[Path]) -> Call:
    name = dataproc.resource_name(scope, COLLECTION, identifier)
    return Call("PUT", dataproc.item_url(scope, COLLECTION, identifier), json={**body, "name": name})


def _get(resource: dict[str, Any], *path: str) -> Any:
    value: Any = resource
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _checks(policy: dict[str, Any]) -> list[str]:
    """Return what the field types cannot say: bounds, and a minimum above its maximum."""
    problems = []
    for path, (low, high) in _BOUNDS.items():
        value = _get(policy, *path)
        seconds = dataproc.duration_seconds(value)
        if seconds is not None and not low <= seconds <= high:
            problems.append(f"{'.'.join(path)} is {value!r}; expected {low}s to {high}s")
    for name in _FRACTIONS:
        value = _get(policy, "basicAlgorithm", "yarnConfig", name)
        if isinstance(value, float) and not 0 <= value <= 1:
            problems.append(f"basicAlgorithm.yarnConfig.{name} is {value:g}; expected 0 to 1")
    for group in ("workerConfig", "secondaryWorkerConfig"):
        low, high = _get(policy, group, "minInstances"), _get(policy, group, "maxInstances")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            problems.append(f"{group}.minInstances is {low}; expected at most maxInstances ({high})")
    return problems


KIND = Kind(
    name="dataproc_autoscaling_policy",
    schema=Schema(TYPES, "AutoscalingPolicy"),
    id_field="id",
    id_pattern=dataproc.ID_PATTERN,
    id_expectation=dataproc.ID_EXPECTATION,
    list_key="policies",
    list_call=lambda scope: dataproc.list_call(scope, COLLECTION),
    get_call=lambda scope, identifier: Call("GET", dataproc.item_url(scope, COLLECTION, identifier)),
    create_call=lambda scope, _identifier, body: Call("POST", dataproc.collection_url(scope, COLLECTION), json=body),
    update_call=_update,
    delete_call=lambda scope, identifier, _live: Call("DELETE", dataproc.item_url(scope, COLLECTION, identifier)),
    updates="put",
    strict=True,
    server_defaults=frozenset(
        {
            "basicAlgorithm.cooldownPeriod",
            "basicAlgorithm.sparkStandaloneConfig",
            "basicAlgorithm.yarnConfig.scaleDownMinWorkerFraction",
            "basicAlgorithm.yarnConfig.scaleUpMinWorkerFraction",
            "clusterType",
            "secondaryWorkerConfig.minInstances",
            "secondaryWorkerConfig.weight",
            "workerConfig.minInstances",
            "workerConfig.weight",
        }
    ),
    checks=_checks,
)
