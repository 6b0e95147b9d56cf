"""Google, as a node reaches it: the metadata server for who it is and its token, Cloud Monitoring for the points."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

MONITORING = "https://monitoring.googleapis.com/v3"
_SECONDS = 20.0
#: A token is renewed so long before it ends.
_TOKEN_MARGIN_SECONDS = 300.0


class MetadataError(Exception):
    """The metadata server did not say what this node is, or gave no token."""


@dataclass(frozen=True)
class Machine:
    """What this node is."""

    project: str
    instance_id: str
    zone: str
    name: str
    cluster: str
    role: str


@dataclass(frozen=True)
class Outcome:
    """How a write ended: `status` is HTTP's, 0 when there was no answer; `message` is for people."""

    status: int
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether all was written."""
        return self.status == 200


class Metadata:
    """The metadata server; never through a proxy."""

    def __init__(self, host: str = "") -> None:
        """Ask `host`, by default what GCE_METADATA_HOST names."""
        host = host or os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
        self._url = f"http://{host}/computeMetadata/v1"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = ""
        self._token_ends = 0.0

    def machine(self) -> Machine:
        """Return what this node is. Raises MetadataError."""
        return Machine(
            project=self._get("project/project-id"),
            instance_id=self._get("instance/id"),
            zone=self._get("instance/zone").rpartition("/")[2],
            name=self._get("instance/name"),
            cluster=self._get("instance/attributes/dataproc-cluster-name"),
            role=self._get("instance/attributes/dataproc-role"),
        )

    def token(self) -> str:
        """Return a token of the node's service account; the last one as long as it holds. Raises MetadataError."""
        if time.monotonic() >= self._token_ends:
            try:
                answer = json.loads(self._get("instance/service-accounts/default/token"))
                self._token, seconds = answer["access_token"], float(answer["expires_in"])
            except (ValueError, LookupError, TypeError) as problem:
                raise MetadataError("the metadata server has no token: has this node a service account?") from problem
            self._token_ends = time.monotonic() + seconds - _TOKEN_MARGIN_SECONDS
        return self._token

    def forget_token(self) -> None:
        """Ask for another one next time: this one was not accepted."""
        self._token_ends = 0.0

    def _get(self, path: str) -> str:
        headers = {"Metadata-Flavor": "Google"}
        request = urllib.request.Request(f"{self._url}/{path}", headers=headers)  # noqa: S310  begins with http:
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return answer.read().decode().strip()
        except (OSError, http.client.HTTPException) as problem:
            raise MetadataError(f"{self._url}/{path}: {problem}") from problem


class Monitoring:
    """`projects.timeSeries.create`; proxies and certificate authorities come from the environment."""

    def __init__(self, metadata: Metadata) -> None:
        """Take tokens from `metadata`."""
        self._metadata = metadata
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=ssl.create_default_context()))

    def write(self, project: str, series: list[dict[str, Any]]) -> Outcome:
        """Write one point of each series, once: who comes a minute later has newer ones. Raises MetadataError."""
        request = urllib.request.Request(  # noqa: S310  a constant
            f"{MONITORING}/projects/{project}/timeSeries",
            data=json.dumps({"timeSeries": series}).encode(),
            headers={"Authorization": f"Bearer {self._metadata.token()}", "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_SECONDS):
                return Outcome(200)
        except urllib.error.HTTPError as error:
            if error.code == 401:
                self._metadata.forget_token()
            return Outcome(error.code, _message(error))
        except (OSError, http.client.HTTPException) as problem:
            return Outcome(0, str(getattr(problem, "reason", problem)))


def _message(error: urllib.error.HTTPError) -> str:
    """Return the message in Google's form, or the start of whatever was answered."""
    try:
        text = error.read(65536).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return text[:200]
