"""Clusters: their life from CREATING to deletion, by the clock."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from localcloud.dataproc import cluster_operations
from localcloud.dataproc.buckets import Buckets
from localcloud.dataproc.cluster_defaults import completed_config, instance_names
from localcloud.dataproc.cluster_operations import CREATE_SECONDS, DELETE_SECONDS, UPDATE_SECONDS, Replays
from localcloud.dataproc.cluster_updates import apply_update
from localcloud.dataproc.filters import CLUSTER_STATE_GROUPS, parse_filter
from localcloud.dataproc.names import CLUSTER_NAME, Location, parse_duration, require_labels, require_match
from localcloud.dataproc.policies import Policies
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError, already_exists, invalid_argument, not_found

CLUSTER_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.Cluster"
EMPTY_TYPE = "type.googleapis.com/google.protobuf.Empty"
_METHODS = "dataproc.projects.regions.clusters."
_INSTANCE_GROUPS = ("masterConfig", "workerConfig", "secondaryWorkerConfig")


class Clusters:
    """Create, read, update and delete clusters; `jobs` is told when a cluster goes away under its jobs."""

    def __init__(
        self, records: Records, policies: Policies, buckets: Buckets, *, operations: Any, clock: Any, replays: Replays
    ) -> None:
        """Keep clusters in `records`; `buckets` gives staging buckets and checks objects."""
        self._records = records
        self._policies = policies
        self._operations = operations
        self._clock = clock
        self._replays = replays
        self._buckets = buckets
        self.jobs: Any = None
        for verb, finish in (("create", self._created), ("update", self._updated), ("delete", self._deleted)):
            operations.register(
                f"dataproc-cluster-{verb}",
                finish=finish,
                fail=self._failed,
                describe=lambda operation: cluster_operations.describe(operation, clock.now()),
            )

    def create(self, location: Location, body: dict[str, Any], request_id: str | None = None) -> dict[str, Any]:
        """Start the creation of a cluster and return its operation. Raises ApiError 400, 404 (policy) or 409."""
        replayed = self._replays.find(location, request_id)
        if replayed:
            return replayed
        name = body.get("clusterName")
        require_match(CLUSTER_NAME, name, "cluster name", _NAME_RULE)
        if body.get("projectId", location.project) != location.project:
            raise invalid_argument(
                f"Project id '{body['projectId']}' does not match the request's '{location.project}'."
            )
        if "virtualClusterConfig" in body:
            raise invalid_argument("virtualClusterConfig (Dataproc on GKE) is not supported, expected config.")
        require_labels(body.get("labels"), f"cluster '{name}'")
        config = completed_config(name, body.get("config", {}), location, self._buckets.default_names(location))
        if config.get("autoscalingConfig", {}).get("policyUri"):
            policy = self._policies.resolve(config["autoscalingConfig"]["policyUri"], location)
            config["autoscalingConfig"]["policyUri"] = policy
        self._buckets.require_objects(
            action.get("executableFile") for action in config.get("initializationActions", ())
        )
        self._buckets.ensure(location, config["configBucket"], config["tempBucket"])
        record = self._new_record(location, name, body.get("labels", {}), config)
        with self._records.transaction():
            if not self._records.create(record):
                raise already_exists(f"Already exists: Failed to create cluster: Cluster {self.name(record)}")
            workers = config.get("workerConfig", {}).get("numInstances", 0)
            extra = (
                {}
                if body.get("config", {}).get("softwareConfig", {}).get("imageVersion")
                else {"warnings": [_NO_IMAGE]}
            )
            operation = self._start(
                record, "create", f"Create cluster with {workers} workers", CREATE_SECONDS, extra=extra
            )
            self._replays.note(location, request_id, operation)
        return operation

    def _new_record(self, location: Location, name: str, labels: dict[str, str], config: dict[str, Any]) -> Record:
        identity = str(uuid.uuid4())
        own_labels = {
            "goog-dataproc-autozone": "enabled",
            "goog-dataproc-cluster-create-timestamp": str(int(self._clock.now().timestamp())),
            "goog-dataproc-cluster-name": name,
            "goog-dataproc-cluster-uuid": identity,
            "goog-dataproc-drz-resource-uuid": f"cluster-{identity}",
            "goog-dataproc-location": location.region,
        }
        body = {
            "projectId": location.project,
            "clusterName": name,
            "clusterUuid": identity,
            "config": config,
            "labels": dict(sorted({**labels, **own_labels}.items())),
            "status": {"state": "CREATING", "stateStartTime": self._clock.timestamp()},
        }
        return Record(self._records.key(location, name), body, {"created": self._clock.timestamp()})

    def get(self, location: Location, name: str) -> dict[str, Any]:
        """Return a cluster. Raises ApiError 404."""
        return self._render(self.require(location, name))

    def list(self, location: Location, text: str | None) -> Iterator[dict[str, Any]]:
        """Yield the clusters of a region that match a filter. Raises ApiError 400 for a bad filter."""
        self._operations.tick()
        matches = parse_filter(text, CLUSTER_STATE_GROUPS, ("clusterName",))
        return (self._render(record) for record in self._records.list(location) if matches(record.body))

    def update(
        self, location: Location, name: str, body: dict[str, Any], mask: str | None, request_id: str | None = None
    ) -> dict[str, Any]:
        """Start an update of the fields in `mask` and return its operation. Raises ApiError 400 or 404."""
        replayed = self._replays.find(location, request_id)
        if replayed:
            return replayed
        record = self.require(location, name)
        if record.body["status"]["state"] != "RUNNING":
            raise ApiError(
                400,
                f"Cluster {self.name(record)} is in state {record.body['status']['state']}, not RUNNING.",
                "FAILED_PRECONDITION",
            )
        changed, description = apply_update(record.body, body, mask)
        policy = changed["config"].get("autoscalingConfig", {}).get("policyUri")
        if policy:
            changed["config"]["autoscalingConfig"]["policyUri"] = self._policies.resolve(policy, location)
        with self._records.transaction():
            self._set_state(record, "UPDATING")
            payload = {"labels": changed["labels"], "config": changed["config"]}
            operation = self._start(record, "update", description, UPDATE_SECONDS, payload=payload)
            self._replays.note(location, request_id, operation)
        return operation

    def delete(
        self, location: Location, name: str, cluster_uuid: str | None = None, request_id: str | None = None
    ) -> dict[str, Any]:
        """Start the deletion of a cluster and return its operation; its jobs end. Raises ApiError 400 or 404."""
        replayed = self._replays.find(location, request_id)
        if replayed:
            return replayed
        record = self.require(location, name)
        if cluster_uuid and cluster_uuid != record.body["clusterUuid"]:
            raise not_found(f"Not found: Cluster {self.name(record)} with uuid {cluster_uuid}")
        if record.body["status"]["state"] == "DELETING":
            raise ApiError(
                400,
                f"Cannot delete cluster '{name}' while it has other pending delete operations.",
                "FAILED_PRECONDITION",
            )
        with self._records.transaction():
            self._set_state(record, "DELETING")
            operation = self._start(record, "delete", "Delete cluster", DELETE_SECONDS)
            self._replays.note(location, request_id, operation)
            self.jobs.cluster_going(record.body["clusterUuid"])
        return operation

    def require(self, location: Location, name: str) -> Record:
        """Return the stored cluster. Raises ApiError 404."""
        self._operations.tick()
        record = self._records.get(location, name)
        if record is None:
            raise not_found(f"Not found: Cluster {_cluster_name(location, name)}")
        return record

    def select(self, location: Location, labels: dict[str, str]) -> Record | None:
        """Return the first running cluster that carries all of `labels`, or None."""
        for record in self._records.list(location):
            own = record.body["labels"]
            if record.body["status"]["state"] == "RUNNING" and all(
                own.get(key) == value for key, value in labels.items()
            ):
                return record
        return None

    def tick(self) -> None:
        """Delete clusters whose idle or total time is over."""
        now = self._clock.now()
        for record in list(self._records.active()):
            lifecycle = record.body["config"].get("lifecycleConfig", {})
            if record.body["status"]["state"] == "RUNNING" and self._is_over(record, lifecycle, now):
                self.delete(record.location, record.id)

    def _is_over(self, record: Record, lifecycle: dict[str, Any], now: datetime) -> bool:
        deadline = lifecycle.get("autoDeleteTime")
        if deadline and now >= datetime.fromisoformat(deadline):
            return True
        if "autoDeleteTtl" in lifecycle:
            start = lifecycle_start(record)
            if now >= start + parse_duration(lifecycle["autoDeleteTtl"]):
                return True
        if "idleDeleteTtl" in lifecycle:
            since = self._idle_since(record)
            return since is not None and now >= since + parse_duration(lifecycle["idleDeleteTtl"])
        return False

    def _idle_since(self, record: Record) -> datetime | None:
        """Return since when the cluster has had no job, None while it has one."""
        last_end = self.jobs.idle_since(record.body["clusterUuid"])
        if last_end is None:
            return None
        running_since = datetime.fromisoformat(record.body["status"]["stateStartTime"])
        return max(running_since, last_end)

    def _start(
        self,
        record: Record,
        verb: str,
        description: str,
        seconds: float,
        *,
        extra: dict[str, Any] | None = None,
        payload: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        metadata = {
            "clusterName": record.id,
            "clusterUuid": record.body["clusterUuid"],
            "operationType": verb.upper(),
            **(extra or {}),
        }
        if description:
            metadata["description"] = description
        return self._operations.start(
            _METHODS + ("patch" if verb == "update" else verb),
            cluster_operations.new_operation_name(record.location),
            kind=f"dataproc-cluster-{verb}",
            metadata=metadata,
            payload={"key": record.key, "uuid": record.body["clusterUuid"], **(payload or {})},
            seconds=seconds,
        )

    def _subject(self, operation: Any) -> Record | None:
        record = self._records.by_key(operation.payload["key"])
        return record if record and record.body["clusterUuid"] == operation.payload["uuid"] else None

    def _created(self, operation: Any) -> dict[str, Any]:
        record = self._subject(operation)
        if record is None or record.body["status"]["state"] != "CREATING":
            raise ApiError(400, "The cluster was deleted while it was being created.", "CANCELLED")
        self._set_state(record, "RUNNING")
        return _response(record)

    def _updated(self, operation: Any) -> dict[str, Any]:
        record = self._subject(operation)
        if record is None or record.body["status"]["state"] != "UPDATING":
            raise ApiError(400, "The cluster was deleted while it was being updated.", "CANCELLED")
        lifecycle = operation.payload["config"].get("lifecycleConfig", {})
        if lifecycle != record.body["config"].get("lifecycleConfig", {}):
            record.internal["lifecycle_changed"] = self._clock.timestamp()
        record.body["labels"] = operation.payload["labels"]
        record.body["config"] = operation.payload["config"]
        self._set_state(record, "RUNNING")
        return _response(record)

    def _deleted(self, operation: Any) -> dict[str, Any]:
        record = self._subject(operation)
        if record is not None:
            self._records.delete(record)
        return {"@type": EMPTY_TYPE}

    def _failed(self, operation: Any, error: ApiError) -> None:
        record = self._subject(operation)
        failed_states = {
            "dataproc-cluster-create": "ERROR",
            "dataproc-cluster-update": "RUNNING",
            "dataproc-cluster-delete": "ERROR",
        }
        expected = {"dataproc-cluster-create": "CREATING", "dataproc-cluster-update": "UPDATING"}.get(
            operation.kind, "DELETING"
        )
        if record is not None and record.body["status"]["state"] == expected:
            self._set_state(record, failed_states[operation.kind], error.message)

    def _set_state(self, record: Record, state: str, detail: str = "") -> None:
        record.body.setdefault("statusHistory", []).append(record.body["status"])
        record.body["status"] = {"state": state, "stateStartTime": self._clock.timestamp()}
        if detail and state == "ERROR":
            record.body["status"]["detail"] = detail
        self._records.save(record)

    def _render(self, record: Record) -> dict[str, Any]:
        body = {**record.body, "config": dict(record.body["config"])}
        for group in _INSTANCE_GROUPS:
            names = instance_names(record.body, group)
            if names:
                body["config"][group] = {**body["config"][group], "instanceNames": names}
        if "lifecycleConfig" in body["config"] and record.body["status"]["state"] == "RUNNING":
            since = self._idle_since(record)
            if since is not None:
                idle = since.isoformat(timespec="microseconds").replace("+00:00", "Z")
                body["config"]["lifecycleConfig"] = {**body["config"]["lifecycleConfig"], "idleStartTime": idle}
        return body

    @staticmethod
    def name(record: Record) -> str:
        """Return the full resource name of a cluster."""
        return _cluster_name(record.location, record.id)


_NAME_RULE = (
    "It must start with a lowercase letter, contain up to 51 lowercase letters, numbers, and hyphens, and not end with "
    "a hyphen."
)
_NO_IMAGE = (
    "No image specified. Using the default image version. It is recommended to select a specific image version in "
    "production, as the default image version may change at any time."
)


def lifecycle_start(record: Record) -> datetime:
    """Return from when a cluster's lifetime counts: its creation, or the last change of its lifecycle config."""
    return datetime.fromisoformat(record.internal.get("lifecycle_changed", record.internal["created"]))


def _cluster_name(location: Location, name: str) -> str:
    return f"projects/{location.project}/regions/{location.region}/clusters/{name}"


def _response(record: Record) -> dict[str, Any]:
    """Return the cluster as the response of an operation holds it: without its status."""
    body = {key: value for key, value in record.body.items() if key not in ("status", "statusHistory")}
    return {"@type": CLUSTER_TYPE, **body}
