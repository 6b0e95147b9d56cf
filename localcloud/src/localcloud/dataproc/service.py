"""The Dataproc service: from discovery method to the part that serves it, and the life of the parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.dataproc.autoscaler import Autoscaler
from localcloud.dataproc.buckets import Buckets
from localcloud.dataproc.cluster_images import ClusterImages
from localcloud.dataproc.cluster_operations import Replays
from localcloud.dataproc.clusters import Clusters
from localcloud.dataproc.diagnosis import Diagnosis
from localcloud.dataproc.engines import Engines
from localcloud.dataproc.job_operations import JobOperations
from localcloud.dataproc.job_runs import JobRuns
from localcloud.dataproc.job_states import is_terminal
from localcloud.dataproc.jobs import Jobs
from localcloud.dataproc.names import Location
from localcloud.dataproc.node_commands import NodeCommands
from localcloud.dataproc.policies import Policies
from localcloud.dataproc.records import Records
from localcloud.dataproc.templates import Templates
from localcloud.dataproc.workflows import OPERATION_KIND as WORKFLOW_KIND
from localcloud.dataproc.workflows import Workflows
from localcloud.dataproc.yarn_applications import YarnApplications
from localcloud.errors import NotServedError
from localcloud.paging import page
from localcloud.services import require_project

Answer = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request, routed and validated: its path and query parameters and its body."""

    method_id: str
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]

    @property
    def project(self) -> str:
        """The project of every method, from its own parameter or out of a full resource name."""
        path = self.path
        named = path.get("parent") or path.get("name") or path.get("resource") or "projects/"
        return path.get("projectId") or named.split("/")[1]

    @property
    def location(self) -> Location:
        """Project and region of methods that have them as parameters of their own."""
        return Location(self.path["projectId"], self.path["region"])

    @property
    def name(self) -> str:
        """Full resource name."""
        return self.path["name"]

    @property
    def operation(self) -> str:
        """The name under which an operation, or a collection of them, is stored, whichever twin was asked."""
        return self.name.replace("/locations/", "/regions/", 1)

    @property
    def cluster(self) -> tuple[Location, str]:
        """Location and name of the cluster."""
        return self.location, self.path["clusterName"]

    @property
    def job(self) -> tuple[Location, str]:
        """Location and id of the job."""
        return self.location, self.path["jobId"]

    @property
    def request_id(self) -> str | None:
        """What makes a repeated request recognisable."""
        return self.query.get("requestId") or self.body.get("requestId")

    def page(
        self, items: list[Answer], field: str, identify: Callable[[Answer], str], default_size: int = 100
    ) -> Answer:
        """Return the page of `items` that the request asks for."""
        size, token = self.query.get("pageSize"), self.query.get("pageToken")
        return page(items, field, identify, size=size, token=token, default_size=default_size)


class DataprocService:
    """Serves `dataproc` v1, the `locations` twins of policies, templates and operations included."""

    def __init__(
        self,
        settings: Any,
        store: Any,
        clock: Any,
        operations: Any,
        storage: Any,
        *,
        engines: Engines,
        images: ClusterImages,
    ) -> None:
        """Build the parts on the stored state; `engines` run the drivers and the nodes, which are made of `images`."""
        self._settings = settings
        self._operations = operations
        self._engines = engines
        cluster_records = Records(
            store,
            "clusters",
            is_active=lambda record: engines.clusters.has_nodes or "lifecycleConfig" in record.body["config"],
        )
        job_records = Records(store, "jobs", is_active=lambda record: not is_terminal(record.body))
        workflow_records = Records(store, "workflows", is_active=lambda record: record.internal["phase"] != "done")
        self._policies = Policies(Records(store, "autoscalingPolicies"), cluster_records)
        self._templates = Templates(Records(store, "workflowTemplates"), clock)
        self._clusters = Clusters(
            cluster_records,
            self._policies,
            Buckets(storage, settings.project_number),
            images,
            operations=operations,
            clock=clock,
            replays=Replays(store, operations),
            engine=engines.clusters,
        )
        self._jobs = Jobs(job_records, self._clusters, clock, store, settings.jobs_directory)
        self._clusters.jobs = self._jobs
        self._job_runs = JobRuns(
            job_records,
            cluster_records,
            self._jobs,
            engine=engines.drivers,
            cluster_engine=engines.clusters,
            in_front=images.in_front,
            storage=storage,
            clock=clock,
        )
        self._applications = YarnApplications(job_records, cluster_records, engines.clusters)
        self._autoscaler = Autoscaler(cluster_records, self._policies, self._clusters, engines.clusters, clock)
        self.nodes = NodeCommands(cluster_records, job_records, engines.clusters, clock)
        self._job_operations = JobOperations(self._jobs, job_records, operations)
        directory = settings.clusters_directory
        self._diagnosis = Diagnosis(
            self._clusters, self._jobs, storage, operations=operations, clock=clock, directory=directory
        )
        self._workflows = Workflows(
            workflow_records, self._templates, self._clusters, self._jobs, operations=operations, clock=clock
        )
        self._routes = self._policy_and_template_routes() | self._cluster_and_job_routes() | self._operation_routes()

    def _policy_and_template_routes(self) -> dict[str, Callable[[Call], Answer]]:
        policies, templates, workflows = self._policies, self._templates, self._workflows
        return {
            "autoscalingPolicies.create": lambda call: policies.create(call.path["parent"], call.body),
            "autoscalingPolicies.get": lambda call: policies.get(call.name),
            "autoscalingPolicies.list": lambda call: call.page(
                policies.list(call.path["parent"]), "policies", identify=lambda policy: policy["id"]
            ),
            "autoscalingPolicies.update": lambda call: policies.update(call.name, call.body),
            "autoscalingPolicies.delete": lambda call: policies.delete(call.name),
            "workflowTemplates.create": lambda call: templates.create(call.path["parent"], call.body),
            "workflowTemplates.get": lambda call: templates.get(call.name, call.query.get("version")),
            "workflowTemplates.list": lambda call: call.page(
                templates.list(call.path["parent"]), "templates", identify=lambda template: template["id"]
            ),
            "workflowTemplates.update": lambda call: templates.update(call.name, call.body),
            "workflowTemplates.delete": lambda call: templates.delete(call.name, call.query.get("version")),
            "workflowTemplates.instantiate": lambda call: workflows.instantiate(call.name, call.body, call.method_id),
            "workflowTemplates.instantiateInline": lambda call: workflows.instantiate_inline(
                call.path["parent"], call.body, call.request_id, call.method_id
            ),
        }

    def _cluster_and_job_routes(self) -> dict[str, Callable[[Call], Answer]]:
        clusters, jobs = self._clusters, self._jobs
        return {
            "clusters.create": lambda call: clusters.create(call.location, call.body, call.request_id),
            "clusters.get": lambda call: clusters.get(*call.cluster),
            "clusters.list": lambda call: call.page(
                list(clusters.list(call.location, call.query.get("filter"))),
                "clusters",
                identify=lambda cluster: cluster["clusterName"],
                default_size=200,
            ),
            "clusters.patch": lambda call: clusters.update(
                *call.cluster,
                call.body,
                call.query.get("updateMask"),
                graceful_timeout=call.query.get("gracefulDecommissionTimeout"),
                request_id=call.request_id,
            ),
            "clusters.delete": lambda call: clusters.delete(
                *call.cluster, call.query.get("clusterUuid"), call.request_id
            ),
            "clusters.diagnose": lambda call: self._diagnosis.start(*call.cluster, call.body, call.method_id),
            "jobs.submit": lambda call: jobs.submit(call.location, call.body.get("job", {}), call.request_id),
            "jobs.submitAsOperation": lambda call: self._job_operations.submit(
                call.location, call.body.get("job", {}), call.request_id, call.method_id
            ),
            "jobs.get": lambda call: jobs.get(*call.job),
            "jobs.list": lambda call: call.page(
                jobs.list(
                    call.location,
                    call.query.get("filter"),
                    call.query.get("clusterName"),
                    call.query.get("jobStateMatcher"),
                ),
                "jobs",
                identify=lambda job: job["reference"]["jobId"],
            ),
            "jobs.patch": lambda call: jobs.patch(*call.job, call.body, call.query.get("updateMask")),
            "jobs.cancel": lambda call: jobs.cancel(*call.job),
            "jobs.delete": lambda call: self._job_runs.remove(jobs.require_deletable(*call.job)),
        }

    def _operation_routes(self) -> dict[str, Callable[[Call], Answer]]:
        operations = self._operations
        return {
            "operations.get": lambda call: operations.get(call.operation),
            "operations.list": lambda call: operations.list(
                call.operation, call.query.get("pageSize") or 0, call.query.get("pageToken") or ""
            ),
            "operations.cancel": lambda call: self._cancel_operation(call.operation),
            "operations.delete": lambda call: operations.delete(call.operation) or {},
        }

    def _cancel_operation(self, name: str) -> Answer:
        operation = self._operations.find(name)
        if operation is not None and not operation.done and operation.kind == WORKFLOW_KIND:
            # The operation of a cancelled workflow ends when its cluster is gone.
            self._workflows.cancel(operation)
        elif operation is not None and not operation.done and operation.kind == JobOperations.kind:
            self._job_operations.cancel(operation)
        else:
            self._operations.cancel(name)
        return {}

    async def handle(
        self, request: Any, _principal: str, method: Any, parameters: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        """Answer one request, already routed and validated. Raises ApiError."""
        route = self._routes.get(".".join(method.id.split(".")[-2:]))
        if route is None:
            raise NotServedError(method.id)
        call = Call(method.id, parameters, request.state.query, body)
        require_project(self._settings, call.project)
        return route(call)

    def start(self) -> None:
        """Pick up what was under way when the last server died."""
        self._clusters.resume()
        self.tick()

    async def stop(self) -> None:
        """End the job drivers, then the nodes: the local cloud is being stopped."""
        await self._job_runs.stop()
        await asyncio.to_thread(self._engines.clusters.stop_all)

    def tick(self) -> None:
        """Move clusters, jobs and workflows on; quick when there is nothing to do."""
        self._operations.tick()
        self._workflows.tick()
        self._applications.tick()
        self._job_runs.tick()
        self._job_operations.tick()
        self._autoscaler.tick()
        self._clusters.tick()
