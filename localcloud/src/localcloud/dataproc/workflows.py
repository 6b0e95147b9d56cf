"""Workflows: instantiation of templates, and the way from the cluster's creation over the jobs to its deletion.

Every step is recorded in one transaction with what it started, so a workflow goes on where a dead server left it.
Whatever ends a workflow (success, a failed job, cancellation, dagTimeout), a managed cluster is deleted before the
workflow counts as done.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from localcloud.dataproc.cluster_operations import new_operation_name
from localcloud.dataproc.clusters import EMPTY_TYPE, Clusters
from localcloud.dataproc.jobs import Jobs
from localcloud.dataproc.names import Location, parse_duration, parse_resource_name, require_request_id
from localcloud.dataproc.parameters import apply_parameters
from localcloud.dataproc.records import Record, Records
from localcloud.dataproc.templates import Templates, completed_template
from localcloud.dataproc.workflow_requests import initial_metadata, plan_workflow
from localcloud.errors import ApiError

logger = logging.getLogger(__name__)
OPERATION_KIND = "dataproc-workflow"


class Workflows:
    """Instances of workflow templates."""

    def __init__(
        self, records: Records, templates: Templates, clusters: Clusters, jobs: Jobs, *, operations: Any, clock: Any
    ) -> None:
        """Keep workflows in `records`; they use `clusters` and `jobs` as any client does."""
        self._records = records
        self._templates = templates
        self._clusters = clusters
        self._jobs = jobs
        self._operations = operations
        self._clock = clock
        self._troubles: dict[str, str] = {}
        operations.register(OPERATION_KIND, describe=self._describe, fail=self._operation_failed)

    def instantiate(self, name: str, request: dict[str, Any], method_id: str) -> dict[str, Any]:
        """Start a workflow from a stored template and return its operation. Raises ApiError 400, 404 or 409."""
        template = self._templates.get(name, request.get("version") or None)
        location, template_id = parse_resource_name(name)
        parameters = request.get("parameters", {})
        filled = completed_template(apply_parameters(template, parameters)) | {"version": template["version"]}
        return self._begin(
            location,
            filled,
            name=name,
            template_id=template_id,
            parameters=parameters,
            request_id=request.get("requestId"),
            method_id=method_id,
        )

    def instantiate_inline(
        self, parent: str, template: dict[str, Any], request_id: str | None, method_id: str
    ) -> dict[str, Any]:
        """Start a workflow from a template that is not stored, and return its operation. Raises ApiError 400."""
        location, _ = parse_resource_name(parent)
        filled = apply_parameters(completed_template(template), {})
        return self._begin(
            location,
            filled,
            name="",
            template_id=filled.get("id", ""),
            parameters={},
            request_id=request_id,
            method_id=method_id,
        )

    def _begin(
        self,
        location: Location,
        template: dict[str, Any],
        *,
        name: str,
        template_id: str,
        parameters: dict[str, str],
        request_id: str | None,
        method_id: str,
    ) -> dict[str, Any]:
        require_request_id(request_id)
        for other in self._records.active():
            if request_id and other.internal["request_id"] == request_id and other.location.key == location.key:
                return self._operations.get(other.internal["operation"])
        operation_name = new_operation_name(location)
        instance_id = operation_name.rpartition("/")[2]
        internal = {
            "operation": operation_name,
            "request_id": request_id,
            "phase": "cluster",
            "plan": plan_workflow(template, template_id, instance_id),
        }
        record = Record(self._records.key(location, instance_id), {}, internal)
        record.body = initial_metadata(template, name, parameters, self._clock.timestamp())
        with self._records.transaction():
            self._records.create(record)
            return self._operations.start(
                method_id, operation_name, kind=OPERATION_KIND, metadata={}, payload={"key": record.key}
            )

    def cancel(self, operation: Any) -> None:
        """Ask for the cancellation of the workflow behind an operation."""
        record = self._records.by_key(operation.payload["key"])
        if record is not None and record.internal["phase"] != "done":
            record.internal["cancelled"] = True
            self._records.save(record)

    def tick(self) -> None:
        """Move every workflow that is under way on by what can be done now."""
        for record in list(self._records.active()):
            try:
                self._advance(record)
            except Exception as problem:
                # One workflow that cannot be moved on must not keep the others from it; the next look tries again. It
                # is logged once.
                if self._troubles.get(record.key) != repr(problem):
                    logger.exception("workflow %s", record.key)
                self._troubles[record.key] = repr(problem)
            else:
                self._troubles.pop(record.key, None)

    def _describe(self, operation: Any) -> dict[str, Any]:
        record = self._records.by_key(operation.payload["key"])
        return record.body if record else operation.metadata

    def _operation_failed(self, operation: Any, _error: ApiError) -> None:
        """Clean up after an operation that an injected fault has ended."""
        self.cancel(operation)

    def _advance(self, record: Record) -> None:
        before = None
        # A phase that ends makes room for the next one at once; what must wait leaves everything as it is.
        while record.internal["phase"] not in (before, "done"):
            before = record.internal["phase"]
            with self._records.transaction():
                changed = getattr(self, f"_in_{before}_phase")(record)
                if changed or record.internal["phase"] != before:
                    self._records.save(record)

    def _in_cluster_phase(self, record: Record) -> bool:
        """Find or create the cluster."""
        body, internal = record.body, record.internal
        started = body["state"] == "PENDING"
        body["state"] = "RUNNING"
        if internal.get("cancelled"):
            self._fail(record, "CANCELLED", "Workflow was cancelled.", "delete")
        elif "selector" in internal["plan"]:
            self._select_cluster(record)
        elif "create" not in internal:
            return self._create_cluster(record)
        else:
            self._await_cluster(record)
        return started

    def _select_cluster(self, record: Record) -> None:
        labels = record.internal["plan"]["selector"]
        cluster = self._clusters.select(record.location, labels)
        if cluster is None:
            wanted = ", ".join(f"{key}={value}" for key, value in labels.items())
            self._fail(record, "FAILED_PRECONDITION", f"No running cluster has the labels {wanted}.", "finish")
            return
        self._use_cluster(record, cluster)

    def _create_cluster(self, record: Record) -> bool:
        wanted = record.internal["plan"]["cluster"]
        record.body["clusterName"] = wanted["clusterName"]
        try:
            operation = self._clusters.create(record.location, wanted)
        except ApiError as problem:
            message = f"Failed to create cluster {wanted['clusterName']}: {problem.message}"
            record.body["createCluster"] = {"done": True, "error": message}
            self._fail(record, problem.status, message, "finish")
            return True
        record.internal["create"] = operation["name"]
        record.body["createCluster"] = {"operationId": operation["name"]}
        return True

    def _await_cluster(self, record: Record) -> None:
        operation = self._operations.find(record.internal["create"])
        if operation is not None and not operation.done:
            return
        record.body["createCluster"]["done"] = True
        name = record.body["clusterName"]
        if operation is None or operation.error:
            message = operation.error["message"] if operation else "its operation is gone"
            record.body["createCluster"]["error"] = message
            self._fail(record, "FAILED_PRECONDITION", f"Failed to create cluster {name}: {message}", "delete")
            return
        try:
            self._use_cluster(record, self._clusters.require(record.location, name))
        except ApiError as problem:
            self._fail(record, problem.status, problem.message, "delete")

    def _use_cluster(self, record: Record, cluster: Record) -> None:
        record.body["clusterName"] = cluster.id
        record.body["clusterUuid"] = cluster.body["clusterUuid"]
        record.internal["phase"] = "jobs"

    def _in_jobs_phase(self, record: Record) -> bool:
        """Submit jobs whose prerequisites are done, follow those that run, end on the first failure."""
        nodes = {node["stepId"]: node for node in record.body["graph"]["nodes"]}
        before = [dict(node) for node in nodes.values()]
        for step in record.internal["plan"]["steps"]:
            node = nodes[step]
            if node["state"] == "RUNNING":
                self._follow(record, node)
            if node["state"] == "BLOCKED" and all(
                nodes[other]["state"] == "COMPLETED" for other in node["prerequisiteStepIds"]
            ):
                node["state"] = "RUNNABLE"
            if node["state"] == "RUNNABLE" and not record.internal.get("cancelled"):
                self._submit(record, node)
        failed = next((node for node in nodes.values() if node["state"] == "FAILED"), None)
        if record.internal.get("cancelled"):
            self._fail(record, "CANCELLED", "Workflow was cancelled.", "drain")
        elif failed:
            self._fail(record, "FAILED_PRECONDITION", f"Job '{failed['jobId']}' failed: {failed['error']}", "drain")
        elif all(node["state"] == "COMPLETED" for node in nodes.values()):
            self._end_dag(record, "delete")
        elif self._is_late(record):
            message = f"Workflow timed out: its jobs took longer than dagTimeout ({record.body['dagTimeout']})."
            self._fail(record, "DEADLINE_EXCEEDED", message, "drain")
        return before != list(nodes.values())

    def _submit(self, record: Record, node: dict[str, Any]) -> None:
        job = record.internal["plan"]["jobs"][node["stepId"]]
        node["jobId"] = job["reference"]["jobId"]
        if "dagTimeout" in record.body:
            record.body.setdefault("dagStartTime", self._clock.timestamp())
        try:
            self._jobs.submit(record.location, {**job, "placement": {"clusterName": record.body["clusterName"]}})
            node["state"] = "RUNNING"
        except ApiError as problem:
            node |= {"state": "FAILED", "error": problem.message}

    def _follow(self, record: Record, node: dict[str, Any]) -> None:
        try:
            status = self._jobs.get(record.location, node["jobId"])["status"]
        except ApiError as problem:
            status = {"state": "ERROR", "details": problem.message}
        if status["state"] == "DONE":
            node["state"] = "COMPLETED"
        elif status["state"] in ("ERROR", "CANCELLED"):
            node |= {"state": "FAILED", "error": status.get("details") or f"The job was {status['state'].lower()}."}

    def _is_late(self, record: Record) -> bool:
        started = record.body.get("dagStartTime")
        if not started:
            return False
        return self._clock.now() >= datetime.fromisoformat(started) + parse_duration(record.body["dagTimeout"])

    def _in_drain_phase(self, record: Record) -> bool:
        """Cancel what still runs and wait until it has ended."""
        waiting = False
        changed = False
        for node in record.body["graph"]["nodes"]:
            if node["state"] != "RUNNING":
                continue
            self._follow(record, node)
            if node["state"] == "RUNNING":
                self._jobs.cancel(record.location, node["jobId"])
                waiting = True
            else:
                changed = True
        if not waiting:
            self._end_dag(record, "delete")
        return changed

    def _end_dag(self, record: Record, phase: str) -> None:
        if "dagStartTime" in record.body:
            record.body["dagEndTime"] = self._clock.timestamp()
        record.internal["phase"] = phase

    def _in_delete_phase(self, record: Record) -> bool:
        """Delete the managed cluster, whatever state it is in, and wait until it is gone."""
        if "create" not in record.internal:
            record.internal["phase"] = "finish"
            return True
        if "delete" not in record.internal:
            return self._delete_cluster(record)
        operation = self._operations.find(record.internal["delete"])
        if operation is not None and not operation.done:
            return False
        record.body["deleteCluster"]["done"] = True
        if operation is not None and operation.error:
            message = operation.error["message"]
            record.body["deleteCluster"]["error"] = message
            self._fail(
                record, "INTERNAL", f"Failed to delete cluster {record.body['clusterName']}: {message}", "finish"
            )
        record.internal["phase"] = "finish"
        return True

    def _delete_cluster(self, record: Record) -> bool:
        try:
            operation = self._clusters.delete(record.location, record.body["clusterName"])
        except ApiError as problem:
            if problem.code == 404:
                record.internal["phase"] = "finish"
                return True
            # Somebody else is deleting it: wait for that.
            return False
        record.internal["delete"] = operation["name"]
        record.body["deleteCluster"] = {"operationId": operation["name"]}
        return True

    def _in_finish_phase(self, record: Record) -> bool:
        """End the operation."""
        record.body["state"] = "DONE"
        record.body["endTime"] = self._clock.timestamp()
        record.internal["phase"] = "done"
        error = record.internal.get("error")
        if error:
            self._operations.fail(record.internal["operation"], ApiError(400, error["message"], error["status"]))
        else:
            self._operations.complete(record.internal["operation"], {"@type": EMPTY_TYPE})
        return True

    @staticmethod
    def _fail(record: Record, status: str, message: str, phase: str) -> None:
        """Note the first error of a workflow and go to `phase`."""
        record.internal.setdefault("error", {"status": status, "message": message})
        record.internal["phase"] = phase
