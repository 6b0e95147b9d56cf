"""Autoscaling policies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from localcloud.dataproc.names import Location, parse_resource_name, require_duration, require_identifier
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError, already_exists, invalid_argument, not_found


class Policies:
    """Create, read, replace and delete autoscaling policies."""

    def __init__(self, records: Records, clusters: Records) -> None:
        """Keep policies in `records`; `clusters` tells which of them are in use."""
        self._records = records
        self._clusters = clusters

    def create(self, parent: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a policy with the server's defaults filled in. Raises ApiError 400 or 409."""
        location, _ = parse_resource_name(parent)
        identifier = require_identifier(body.get("id"), "policy id")
        record = Record(self._records.key(location, identifier), _completed(body))
        if not self._records.create(record):
            raise already_exists(f'autoscalingPolicy "{_name(location, identifier)}" already exists')
        return self._render(record, location)

    def get(self, name: str) -> dict[str, Any]:
        """Return a policy. Raises ApiError 404."""
        location, identifier = parse_resource_name(name)
        return self._render(self._require(location, identifier), location)

    def list(self, parent: str) -> list[dict[str, Any]]:
        """Return the policies of a location in order of their ids."""
        location, _ = parse_resource_name(parent)
        return [self._render(record, location) for record in self._records.list(location)]

    def update(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace a policy. Raises ApiError 400 or 404."""
        location, identifier = parse_resource_name(name)
        record = self._require(location, identifier)
        if body.get("id", identifier) != identifier:
            raise invalid_argument(f"Policy id '{body['id']}' does not match the resource name '{name}'.")
        record.body = _completed({**body, "id": identifier})
        return self._render(self._records.save(record), location)

    def delete(self, name: str) -> dict[str, Any]:
        """Delete a policy that no cluster uses. Raises ApiError 400 (in use) or 404."""
        location, identifier = parse_resource_name(name)
        record = self._require(location, identifier)
        users = [cluster.id for cluster in self._clusters.list(location) if policy_of(cluster.body) == identifier]
        if users:
            raise ApiError(
                400,
                f'autoscalingPolicy "{_name(location, identifier)}" is in use by clusters: {", ".join(users)}',
                "FAILED_PRECONDITION",
            )
        self._records.delete(record)
        return {}

    def resolve(self, policy_uri: str, location: Location) -> str:
        """Return the full name of the policy that a cluster names by URL, name or id. Raises ApiError 400 or 404."""
        identifier = policy_uri.rpartition("/")[2]
        target = location
        path = policy_uri.removeprefix("https://www.googleapis.com/compute/v1/")
        path = path.removeprefix("https://dataproc.googleapis.com/v1/")
        if "/" in path:
            target, identifier = parse_resource_name(path)
            if (target.project, target.region) != (location.project, location.region):
                raise invalid_argument(
                    f"Invalid autoscaling policy '{policy_uri}': cluster and policy must be in the same project and "
                    f"region ({location.project}, {location.region})."
                )
        self._require(target, identifier)
        return f"{target.path}/autoscalingPolicies/{identifier}"

    def _require(self, location: Location, identifier: str) -> Record:
        record = self._records.get(location, identifier)
        if record is None:
            raise not_found(f'autoscalingPolicy "{_name(location, identifier)}" not found')
        return record

    @staticmethod
    def _render(record: Record, location: Location) -> dict[str, Any]:
        return {**record.body, "name": _name(location, record.id)}


def policy_of(cluster: dict[str, Any]) -> str | None:
    """Return the id of the policy that a cluster uses, or None."""
    uri = cluster["config"].get("autoscalingConfig", {}).get("policyUri")
    return uri.rpartition("/")[2] if uri else None


def _name(location: Location, identifier: str) -> str:
    return f"{location.path}/autoscalingPolicies/{identifier}"


def _completed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a policy with the server's defaults, after checking the documented bounds."""
    algorithm = {"cooldownPeriod": "120s", **body.get("basicAlgorithm", {})}
    require_duration(
        algorithm["cooldownPeriod"], "basicAlgorithm.cooldownPeriod", timedelta(minutes=2), timedelta(days=1)
    )
    if "yarnConfig" in algorithm:
        # Two families of defaults are on record for the same request: fractions, or weights with a minimum size. Both
        # are given, so that a client which takes any of them for drift is found out.
        yarn = {"scaleUpMinWorkerFraction": 0.5, "scaleDownMinWorkerFraction": 1, **algorithm["yarnConfig"]}
        for field in ("scaleUpFactor", "scaleDownFactor", "scaleUpMinWorkerFraction", "scaleDownMinWorkerFraction"):
            if field in yarn and not 0 <= yarn[field] <= 1:
                raise invalid_argument(
                    f"Invalid value for basicAlgorithm.yarnConfig.{field}: {yarn[field]} is not in [0, 1]."
                )
        field = "basicAlgorithm.yarnConfig.gracefulDecommissionTimeout"
        require_duration(yarn.get("gracefulDecommissionTimeout"), field, timedelta(0), timedelta(days=1))
        algorithm["yarnConfig"] = yarn
    completed = {**body, "basicAlgorithm": algorithm}
    for group, minimum in (("workerConfig", 2), ("secondaryWorkerConfig", 0)):
        if group in body:
            completed[group] = _completed_group(group, body[group], minimum)
    return completed


def _completed_group(name: str, config: dict[str, Any], minimum: int) -> dict[str, Any]:
    completed = {"weight": 1, **config}
    if minimum:
        completed.setdefault("minInstances", minimum)
    least, most = completed.get("minInstances", 0), completed.get("maxInstances", 0)
    if least < minimum:
        raise invalid_argument(f"Invalid value for {name}.minInstances: {least}, expected at least {minimum}.")
    if most < least:
        raise invalid_argument(
            f"Invalid value for {name}.maxInstances: {most}, expected at least minInstances ({least})."
        )
    return completed
