"""Workflow templates: what they must satisfy, and their storage with an optimistic lock on `version`."""

from __future__ import annotations

from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any

from localcloud.dataproc.names import (
    CLUSTER_NAME_PREFIX,
    JOB_TYPES,
    parse_resource_name,
    require_duration,
    require_identifier,
    require_labels,
    require_match,
)
from localcloud.dataproc.parameters import validate_parameters
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError, already_exists, invalid_argument, not_found


class Templates:
    """Create, read, replace and delete workflow templates."""

    def __init__(self, records: Records, clock: Any) -> None:
        """Keep templates in `records`, stamped by `clock`."""
        self._records = records
        self._clock = clock

    def create(self, parent: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a template at version 1. Raises ApiError 400 or 409."""
        location, _ = parse_resource_name(parent)
        identifier = require_identifier(body.get("id"), "workflow template id")
        now = self._clock.timestamp()
        completed = {**completed_template(body), "version": 1, "createTime": now, "updateTime": now}
        record = Record(self._records.key(location, identifier), completed)
        name = f"{location.path}/workflowTemplates/{identifier}"
        if not self._records.create(record):
            raise already_exists(f'WorkflowTemplate "{name}" already exists.')
        return {**record.body, "name": name}

    def get(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Return a template; `version`, where given, must be the current one. Raises ApiError 404 or 409."""
        record = self.require(name)
        _require_version(record, name, version)
        return {**record.body, "name": name}

    def list(self, parent: str) -> list[dict[str, Any]]:
        """Return the templates of a location in order of their ids."""
        location, _ = parse_resource_name(parent)
        names = f"{location.path}/workflowTemplates/"
        return [{**record.body, "name": names + record.id} for record in self._records.list(location)]

    def update(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace a template whose current version the body carries. Raises ApiError 400, 404 or 409."""
        record = self.require(name)
        if body.get("id", record.id) != record.id:
            raise invalid_argument(f"Workflow template id '{body['id']}' does not match the resource name '{name}'.")
        completed = completed_template({**body, "id": record.id})
        _require_version(record, name, body.get("version", 0))
        record.body = {
            **completed,
            "version": record.body["version"] + 1,
            "createTime": record.body["createTime"],
            "updateTime": self._clock.timestamp(),
        }
        self._records.save(record)
        return {**record.body, "name": name}

    def delete(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Delete a template; workflows that run already are not affected. Raises ApiError 404 or 409."""
        record = self.require(name)
        _require_version(record, name, version)
        self._records.delete(record)
        return {}

    def require(self, name: str) -> Record:
        """Return the stored template of a full name. Raises ApiError 404."""
        location, identifier = parse_resource_name(name)
        record = self._records.get(location, identifier)
        if record is None:
            raise not_found(f'WorkflowTemplate "{name}" not found.')
        return record


def completed_template(body: dict[str, Any]) -> dict[str, Any]:
    """Check a template and return it with the server's defaults. Raises ApiError 400 naming what is wrong."""
    require_labels(body.get("labels"), "workflow template")
    require_duration(body.get("dagTimeout"), "dagTimeout", timedelta(minutes=10), timedelta(days=1))
    job_order(body.get("jobs", []))
    completed = dict(body)
    placement = body.get("placement") or {}
    if "managedCluster" in placement and "clusterSelector" in placement:
        raise invalid_argument("placement has both managedCluster and clusterSelector, expected one of them.")
    if "managedCluster" not in placement and "clusterSelector" not in placement:
        completed["placement"] = {"managedCluster": {}}
    managed = placement.get("managedCluster") or {}
    if "clusterName" in managed:
        rule = (
            "The name prefix of a managed cluster must contain only lower-case letters, numbers and hyphens, begin "
            "with a letter, not end with a hyphen, and consist of between 2 and 35 characters."
        )
        require_match(CLUSTER_NAME_PREFIX, managed["clusterName"], "cluster name prefix", rule)
    require_labels(managed.get("labels"), "managed cluster")
    validate_parameters(completed)
    return completed


def job_order(jobs: list[dict[str, Any]]) -> list[str]:
    """Return the step ids of a template's jobs, prerequisites first.

    Raises ApiError 400 for a bad or duplicate step id, an unknown prerequisite, a cycle, or a job without one type.
    """
    steps: dict[str, list[str]] = {}
    for job in jobs:
        step = require_identifier(job.get("stepId"), "step id")
        if step in steps:
            raise invalid_argument(f"Duplicate step id '{step}': step ids must be unique among the jobs of a template.")
        require_labels(job.get("labels"), f"job '{step}'")
        types = [name for name in JOB_TYPES if name in job]
        if len(types) != 1:
            found = ", ".join(types) or "none"
            raise invalid_argument(f"Job '{step}' must have exactly one type of job, found: {found}.")
        if any(job.get("scheduling", {}).values()):
            raise invalid_argument(
                f"Job '{step}': restartable jobs (scheduling) are not supported in workflow templates."
            )
        steps[step] = job.get("prerequisiteStepIds", [])
    for step, prerequisites in steps.items():
        for prerequisite in prerequisites:
            if prerequisite not in steps:
                raise invalid_argument(f"Job '{step}' has unknown prerequisite step id '{prerequisite}'.")
    try:
        return list(TopologicalSorter(steps).static_order())
    except CycleError as problem:
        raise invalid_argument(f"The jobs form a cycle: {' -> '.join(problem.args[1])}.") from None


def _require_version(record: Record, name: str, version: int | None) -> None:
    current = record.body["version"]
    if version is not None and version != current:
        raise ApiError(
            409,
            f'WorkflowTemplate "{name}" version mismatch: expected version {current}, got version {version}.',
            "ABORTED",
        )
