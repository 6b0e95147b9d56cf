"""Google's REST APIs of a local cloud, for tests that prepare and inspect it without the code under test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import google.auth.transport.requests
import requests
from google.oauth2 import service_account

PROJECT = "local-project"
REGION = "europe-west1"
DATAPROC = f"https://dataproc.googleapis.com/v1/projects/{PROJECT}/regions/{REGION}"
STORAGE = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Google:
    """One authorised session; ``environment`` is what makes a process a client of the cloud."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._plain = requests.Session()
        self._plain.trust_env = False
        self._plain.proxies = {"https": environment["https_proxy"]}
        self._plain.verify = environment["REQUESTS_CA_BUNDLE"]
        self._credentials = service_account.Credentials.from_service_account_file(
            environment["GOOGLE_APPLICATION_CREDENTIALS"], scopes=[_SCOPE]
        )

    def call(self, method: str, url: str, *, allow: tuple[int, ...] = (), **options: Any) -> requests.Response:
        """Make one call; any status but 2xx and the allowed ones is an error."""
        if not self._credentials.valid:
            self._credentials.refresh(google.auth.transport.requests.Request(self._plain))
        headers = {"Authorization": f"Bearer {self._credentials.token}", **options.pop("headers", {})}
        response = self._plain.request(method, url, headers=headers, timeout=60, **options)
        if not response.ok and response.status_code not in allow:
            raise AssertionError(f"{method} {url} answered {response.status_code}: {response.text}")
        return response

    def get(self, path: str) -> dict[str, Any]:
        """One Dataproc resource of the region, such as ``jobs/x``; empty when it does not exist."""
        response = self.call("GET", f"{DATAPROC}/{path}", allow=(404,))
        return response.json() if response.ok else {}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One Dataproc call of the region."""
        return self.call("POST", f"{DATAPROC}/{path}", json=body).json()

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket unless it exists."""
        url = f"{STORAGE}/storage/v1/b?project={PROJECT}"
        self.call("POST", url, json={"name": name, "location": REGION}, allow=(409,))

    def upload(self, bucket: str, name: str, text: str) -> str:
        """Store an object; its gs:// address."""
        url = f"{STORAGE}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        self.call("POST", url, data=text.encode(), headers={"Content-Type": "text/x-python"})
        return f"gs://{bucket}/{name}"

    def delete_objects(self, address: str) -> int:
        """Delete every object whose address starts so; how many there were."""
        bucket, _, prefix = address.removeprefix("gs://").partition("/")
        found = self.call("GET", f"{STORAGE}/storage/v1/b/{bucket}/o", params={"prefix": prefix}).json()
        items = found.get("items", [])
        for item in items:
            self.call("DELETE", f"{STORAGE}/storage/v1/b/{bucket}/o/{quote(item['name'], safe='')}")
        return len(items)

    def driver_output(self, job_id: str) -> str:
        """What a job's driver has printed, as far as its bucket has it; empty where there is nothing yet."""
        address = self.get(f"jobs/{job_id}").get("driverOutputResourceUri", "")
        bucket, _, prefix = address.removeprefix("gs://").partition("/")
        if not prefix:
            return ""
        objects = f"{STORAGE}/storage/v1/b/{bucket}/o"
        names = [item["name"] for item in self.call("GET", objects, params={"prefix": prefix}).json().get("items", [])]
        return "".join(self.call("GET", f"{objects}/{quote(name, safe='')}?alt=media").text for name in names)

    def clusters(self) -> list[str]:
        """The names of all clusters of the region."""
        return [cluster["clusterName"] for cluster in self.get("clusters").get("clusters", [])]

    def workflows(self) -> list[dict[str, Any]]:
        """All operations of workflows of the region."""
        operations = self.get("operations").get("operations", [])
        return [operation for operation in operations if "graph" in operation.get("metadata", {})]


def wait_for[Answer](condition: Callable[[], Answer], what: str, seconds: float = 180) -> Answer:
    """What the condition answers once that is true; fails naming what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds:g} s")
