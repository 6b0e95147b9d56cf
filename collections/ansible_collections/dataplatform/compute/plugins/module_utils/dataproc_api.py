# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls to Google that running jobs and workflows takes: one method per call, addresses in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import OutputPart
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import GoogleApiError, NotFoundError
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy

_DATAPROC = "https://dataproc.googleapis.com/v1"
_STORAGE = "https://storage.googleapis.com/storage/v1"

JobBody = dict[str, Any]


class DataprocApi:
    """Dataproc's jobs, workflow templates, operations and clusters of one project and region."""

    def __init__(self, client: GoogleClient, project: str, region: str, retry: RetryPolicy | None = None) -> None:
        self._client = client
        self._retry = retry
        self.project = project
        self.region = region
        self.parent = f"projects/{project}/regions/{region}"

    def get_job(self, job_id: str) -> JobBody:
        """One job. Raises NotFoundError."""
        return self._call("GET", f"{self.parent}/jobs/{_segment(job_id)}")

    def find_job(self, job_id: str) -> JobBody | None:
        """One job, None when there is none of that id."""
        try:
            return self.get_job(job_id)
        except NotFoundError:
            return None

    def list_jobs(self, labels: Mapping[str, str]) -> list[JobBody]:
        """All jobs of the region that carry these labels, whose values are ones that labels can hold."""
        url = f"{_DATAPROC}/{self.parent}/jobs"
        return list(self._client.pages(url, "jobs", params={"filter": _labelled(labels)}, retry=self._retry))

    def submit_job(self, job: Mapping[str, Any], request_id: str) -> JobBody:
        """Submit a job; a second submission with the same request id answers the first job."""
        body = {"job": dict(job), "requestId": request_id}
        return self._call("POST", f"{self.parent}/jobs:submit", body)

    def cancel_job(self, job_id: str) -> JobBody:
        """Ask for a job to be cancelled; it is not yet when this returns."""
        return self._call("POST", f"{self.parent}/jobs/{_segment(job_id)}:cancel", {})

    def get_template(self, template: str) -> dict[str, Any]:
        """One workflow template. Raises NotFoundError."""
        return self._call("GET", f"{self.parent}/workflowTemplates/{_segment(template)}")

    def list_template_ids(self) -> list[str]:
        """The ids of all workflow templates of the region, sorted."""
        url = f"{_DATAPROC}/{self.parent}/workflowTemplates"
        return sorted(template["id"] for template in self._client.pages(url, "templates", retry=self._retry))

    def instantiate(
        self, template: str, parameters: Mapping[str, str], request_id: str, version: int | None = None
    ) -> dict[str, Any]:
        """Start a workflow; the operation it runs as. While one with this request id runs, no second is started."""
        body: dict[str, Any] = {"requestId": request_id}
        if parameters:
            body["parameters"] = dict(parameters)
        if version is not None:
            body["version"] = version
        return self._call("POST", f"{self.parent}/workflowTemplates/{_segment(template)}:instantiate", body)

    def get_operation(self, name: str) -> dict[str, Any]:
        """One operation, by its full name. Raises NotFoundError."""
        return self._call("GET", quote(name))

    def cancel_operation(self, name: str) -> None:
        """Ask for an operation to be cancelled; it is not yet when this returns."""
        self._call("POST", f"{quote(name)}:cancel", {})

    def operation_name(self, operation: str) -> str:
        """The full name of an operation of this region, given that or its id alone."""
        return operation if "/" in operation else f"{self.parent}/operations/{operation}"

    def find_cluster(self, cluster: str) -> dict[str, Any] | None:
        """One cluster, None when there is none of that name."""
        try:
            return self._call("GET", f"{self.parent}/clusters/{_segment(cluster)}")
        except NotFoundError:
            return None

    def list_clusters(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """All clusters of the region that carry these labels, whose values are ones that labels can hold."""
        url = f"{_DATAPROC}/{self.parent}/clusters"
        return list(self._client.pages(url, "clusters", params={"filter": _labelled(labels)}, retry=self._retry))

    def create_cluster(self, cluster: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """Start to create a cluster; its operation. The same request id again answers the first operation."""
        body = {**cluster, "projectId": self.project}
        return self._call("POST", f"{self.parent}/clusters", body, {"requestId": request_id})

    def resize_cluster(self, cluster: str, workers: int, graceful_seconds: int, request_id: str) -> dict[str, Any]:
        """Start to change the number of primary workers; its operation. Nodes that leave may end their work first."""
        params = {
            "updateMask": "config.worker_config.num_instances",
            "gracefulDecommissionTimeout": f"{graceful_seconds}s",
            "requestId": request_id,
        }
        body = {"config": {"workerConfig": {"numInstances": workers}}}
        return self._call("PATCH", f"{self.parent}/clusters/{_segment(cluster)}", body, params)

    def delete_cluster(self, cluster: str, cluster_uuid: str, request_id: str) -> dict[str, Any]:
        """Start to delete exactly this cluster; its operation. Raises NotFoundError, also when it is another by now."""
        params = {"clusterUuid": cluster_uuid, "requestId": request_id}
        return self._call("DELETE", f"{self.parent}/clusters/{_segment(cluster)}", params=params)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        query = dict(params) if params else None
        return self._client.request(method, f"{_DATAPROC}/{path}", params=query, json=body, retry=self._retry)


class StorageObjects:
    """Objects of Cloud Storage, as far as a driver's output and what a job leaves behind need them."""

    def __init__(self, client: GoogleClient, retry: RetryPolicy | None = None) -> None:
        self._client = client
        self._retry = retry

    def list_objects(self, bucket: str, prefix: str) -> Iterator[OutputPart]:
        """All objects whose name starts with the prefix; nothing when the bucket does not exist."""
        url = f"{_STORAGE}/b/{_segment(bucket)}/o"
        params = {"prefix": prefix, "fields": "items(name,size),nextPageToken"}
        try:
            for item in self._client.pages(url, "items", params=params, retry=self._retry):
                yield OutputPart(name=item["name"], size=int(item.get("size") or 0))
        except NotFoundError:
            return

    def generation(self, bucket: str, name: str) -> str:
        """The number that changes with each content of an object; empty while there is no object."""
        url = f"{_STORAGE}/b/{_segment(bucket)}/o/{_segment(name)}"
        try:
            return str(
                self._client.request("GET", url, params={"fields": "generation"}, retry=self._retry)["generation"]
            )
        except NotFoundError:
            return ""

    def read_range(self, bucket: str, name: str, start: int, end: int) -> bytes:
        """The bytes from start up to, not including, end; nothing when the object has gone or has shrunk."""
        url = f"{_STORAGE}/b/{_segment(bucket)}/o/{_segment(name)}"
        headers = {"Range": f"bytes={start}-{end - 1}"}
        try:
            response = self._client.request(
                "GET", url, params={"alt": "media"}, headers=headers, raw=True, retry=self._retry
            )
        except GoogleApiError as error:
            if error.status_code in (404, 416):
                return b""
            raise
        # A server that ignores the range sends the object from its first byte, with 200 instead of 206.
        return response.content if response.status_code == 206 else response.content[start:end]


def _labelled(labels: Mapping[str, str]) -> str:
    return " AND ".join(f"labels.{name} = {value}" for name, value in sorted(labels.items()))


def _segment(text: str) -> str:
    return quote(text, safe="")
