"""Clusters: their life from CREATING to deletion, by the clock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from localcloud.dataproc import cluster_operations
from localcloud.dataproc.buckets import Buckets
from localcloud.dataproc.cluster_defaults import completed_config
from localcloud.dataproc.cluster_engine import ClusterEngine, ClusterEngineError
from localcloud.dataproc.cluster_idle import ClusterIdle
from localcloud.dataproc.cluster_images import ClusterImages, names_image
from localcloud.dataproc.cluster_lifecycle import is_over, new_cluster
from localcloud.dataproc.cluster_operations import CREATE_SECONDS, DELETE_SECONDS, UPDATE_SECONDS, Replays
from localcloud.dataproc.cluster_updates import apply_update
from localcloud.dataproc.cluster_view import rendered
from localcloud.dataproc.filters import CLUSTER_STATE_GROUPS, parse_filter
from localcloud.dataproc.names import (
    CLUSTER_NAME,
    Location,
    parse_duration,
    require_duration,
    require_labels,
    require_match,
)
from localcloud.dataproc.policies import Policies
from localcloud.dataproc.records import Record, Records
from localcloud.errors import ApiError, already_exists, invalid_argument, not_found

CLUSTER_TYPE = "type.googleapis.com/google.cloud.dataproc.v1.Cluster"
EMPTY_TYPE = "type.googleapis.com/google.protobuf.Empty"
_VERBS = ("create", "update", "delete")
_METHODS = "dataproc.projects.regions.clusters."


class Clusters:
    """Create, read, update and delete clusters; `jobs` is told when a cluster goes away under its jobs."""

    def __init__(
        self,
        records: Records,
        policies: Policies,
        buckets: Buckets,
        images: ClusterImages,
        *,
        operations: Any,
        clock: Any,
        replays: Replays,
        engine: ClusterEngine,
    ) -> None:
        """Keep clusters in `records`.

        `buckets` gives staging buckets and checks objects, `images` chooses images, `engine` makes nodes.
        """
        self._records = records
        self._policies = policies
        self._operations = operations
        self._clock = clock
        self._replays = replays
        self._buckets = buckets
        self._images = images
        self._engine = engine
        self._idle = ClusterIdle(engine, clock)
        self.jobs: Any = None
        for verb, finish in zip(_VERBS, (self._created, self._updated, self._deleted), strict=True):
            operations.register(
                f"dataproc-cluster-{verb}",
                finish=finish,
                fail=self._failed,
                describe=lambda operation: cluster_operations.describe(operation, clock.now()),
                ready=self._is_ready,
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
        asked = body.get("config", {})
        image = self._images.choose(asked, location)
        config = completed_config(name, asked, location, buckets=self._buckets.default_names(location), image=image)
        if config.get("autoscalingConfig", {}).get("policyUri"):
            policy = self._policies.resolve(config["autoscalingConfig"]["policyUri"], location)
            config["autoscalingConfig"]["policyUri"] = policy
        self._buckets.require_objects(
            action.get("executableFile") for action in config.get("initializationActions", ())
        )
        self._buckets.ensure(location, config["configBucket"], config["tempBucket"])
        cluster = new_cluster(location, name, labels=body.get("labels", {}), config=config, now=self._clock.now())
        record = Record(self._records.key(location, name), cluster, {"created": cluster["status"]["stateStartTime"]})
        with self._records.transaction():
            if not self._records.create(record):
                raise already_exists(f"Already exists: Failed to create cluster: Cluster {self.name(record)}")
            workers = config.get("workerConfig", {}).get("numInstances", 0)
            warnings = [*([] if names_image(asked) else [_NO_IMAGE]), *image.warnings]
            extra = {"warnings": warnings} if warnings else {}
            operation = self._start(
                record, "create", f"Create cluster with {workers} workers", CREATE_SECONDS, extra=extra
            )
            self._replays.note(location, request_id, operation)
        return operation

    def get(self, location: Location, name: str) -> dict[str, Any]:
        """Return a cluster. Raises ApiError 404."""
        return self._render(self.require(location, name))

    def list(self, location: Location, text: str | None) -> Iterator[dict[str, Any]]:
        """Yield the clusters of a region that match a filter. Raises ApiError 400 for a bad filter."""
        self._operations.tick()
        matches = parse_filter(text, CLUSTER_STATE_GROUPS, ("clusterName",))
        return (self._render(record) for record in self._records.list(location) if matches(record.body))

    def update(
        self,
        location: Location,
        name: str,
        body: dict[str, Any],
        mask: str | None,
        *,
        graceful_timeout: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Start an update of the fields in `mask` and return its operation. Raises ApiError 400 or 404.

        Nodes that leave have `graceful_timeout` (such as `600s`) to finish their work.
        """
        require_duration(graceful_timeout, "gracefulDecommissionTimeout", timedelta(0), timedelta(days=1))
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
            payload = {
                "labels": changed["labels"],
                "config": changed["config"],
                "resizes": "instances" in (mask or "").lower(),
                "graceful_timeout": graceful_timeout,
            }
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

    def resume(self) -> None:
        """Take up the clusters that an earlier server made."""
        for record in self._records.everywhere():
            if record.body["status"]["state"] in ("RUNNING", "UPDATING"):
                self._engine.resume(record.body)

    def tick(self) -> None:
        """See that work on clusters is under way; delete clusters whose idle or total time is over."""
        for verb in _VERBS if self._engine.has_nodes else ():
            for operation in self._operations.pending(f"dataproc-cluster-{verb}"):
                # What goes wrong is told again when the operation's time has come.
                with contextlib.suppress(ApiError):
                    self._is_ready(operation)
        now = self._clock.now()
        for record in list(self._records.active()):
            if record.body["status"]["state"] == "RUNNING" and is_over(record, now, self._idle_since(record)):
                self.delete(record.location, record.id)

    def _idle_since(self, record: Record) -> datetime | None:
        """Return since when the cluster has had nothing to do, None while it has or is not running."""
        return self._idle.since(record.body, self.jobs.idle_since(record.body["clusterUuid"]))

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

    def _is_ready(self, operation: Any) -> bool:
        """Return whether the nodes are what the operation makes of them. Raises ApiError with the reason why not."""
        record = self._subject(operation)
        if record is None or operation.fault:
            return True
        try:
            match operation.kind:
                case "dataproc-cluster-create":
                    return self._engine.create(record.body, operation.name)
                case "dataproc-cluster-update":
                    return self._is_resized(record, operation)
                case _:
                    # Drivers go first: they see the end of their job, not that of their cluster.
                    is_idle = self.jobs.idle_since(record.body["clusterUuid"]) is not None
                    return is_idle and self._engine.delete(record.body, operation.name)
        except ClusterEngineError as problem:
            raise ApiError(400, str(problem), "FAILED_PRECONDITION") from problem

    def _is_resized(self, record: Record, operation: Any) -> bool:
        timeout = operation.payload.get("graceful_timeout")
        wanted = {**record.body, "config": operation.payload["config"]}
        if not operation.payload.get("resizes"):
            return True
        return self._engine.resize(wanted, operation.name, parse_duration(timeout or "0s").total_seconds())

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
        identity = record.body["clusterUuid"]
        snapshot = self._engine.snapshot(identity)
        return rendered(
            record.body,
            idle_since=self._idle_since(record),
            metrics=snapshot.metrics if snapshot else None,
            manager_url=self._engine.resource_manager_url(identity),
        )

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


def _cluster_name(location: Location, name: str) -> str:
    return f"projects/{location.project}/regions/{location.region}/clusters/{name}"


def _response(record: Record) -> dict[str, Any]:
    """Return the cluster as the response of an operation holds it: without its status."""
    body = {key: value for key, value in record.body.items() if key not in ("status", "statusHistory")}
    return {"@type": CLUSTER_TYPE, **body}
