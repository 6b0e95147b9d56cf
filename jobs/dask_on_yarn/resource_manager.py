"""A small client of the YARN ResourceManager's REST interface (``/ws/v1/cluster``); it only reads.

Proxy variables of the environment are ignored: the ResourceManager is inside the cluster. Every request has a timeout,
and one that fails is tried again a bounded number of times, over all ResourceManagers of a high-availability pair.
"""

from __future__ import annotations

import getpass
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from dask_on_yarn.hadoop_configuration import HadoopConfiguration

HTTP_PORT, HTTPS_PORT = 8088, 8090
FINISHED_STATES = frozenset({"FINISHED", "FAILED", "KILLED"})


class ResourceManagerError(Exception):
    """The ResourceManager could not be asked; the message names the URL, the tries and the last answer."""


class NotFoundError(ResourceManagerError):
    """The ResourceManager does not know what was asked for."""


@dataclass(frozen=True)
class Application:
    """One YARN application as the ResourceManager reports it.

    ``allocated_mb`` (MiB), ``allocated_vcores`` and ``running_containers`` are what it holds now (0 when none);
    ``memory_mb_seconds`` and ``vcore_seconds`` are what it used so far; ``started`` and ``finished`` are seconds
    since 1970 (0.0 while unknown). ``state`` is one of NEW, NEW_SAVING, SUBMITTED, ACCEPTED, RUNNING, FINISHED,
    FAILED, KILLED; ``final_status`` one of UNDEFINED, SUCCEEDED, FAILED, KILLED, ENDED.
    """

    id: str
    name: str
    state: str
    final_status: str
    user: str
    queue: str
    diagnostics: str
    allocated_mb: int
    allocated_vcores: int
    running_containers: int
    memory_mb_seconds: int
    vcore_seconds: int
    tracking_url: str
    tags: frozenset[str]
    started: float
    finished: float
    master_host: str

    @property
    def is_finished(self) -> bool:
        """Whether the application has ended, in whichever way."""
        return self.state in FINISHED_STATES

    @classmethod
    def from_json(cls, answer: dict[str, Any]) -> Application:
        """Build it from an ``app`` object; the ResourceManager says -1 for what a pending application holds."""
        return cls(
            id=answer["id"],
            name=answer.get("name", ""),
            state=answer["state"],
            final_status=answer.get("finalStatus", "UNDEFINED"),
            user=answer.get("user", ""),
            queue=answer.get("queue", ""),
            diagnostics=(answer.get("diagnostics") or "").strip(),
            allocated_mb=max(0, answer.get("allocatedMB", 0)),
            allocated_vcores=max(0, answer.get("allocatedVCores", 0)),
            running_containers=max(0, answer.get("runningContainers", 0)),
            memory_mb_seconds=answer.get("memorySeconds", 0),
            vcore_seconds=answer.get("vcoreSeconds", 0),
            tracking_url=answer.get("trackingUrl") or "",
            tags=frozenset(tag for tag in (answer.get("applicationTags") or "").split(",") if tag),
            started=answer.get("startedTime", 0) / 1000,
            finished=answer.get("finishedTime", 0) / 1000,
            master_host=(answer.get("amHostHttpAddress") or "").rpartition(":")[0],
        )


@dataclass(frozen=True)
class Node:
    """One NodeManager: ``state`` is RUNNING, DECOMMISSIONING, DECOMMISSIONED, LOST, UNHEALTHY, ...; memory in MiB."""

    id: str
    host: str
    state: str
    containers: int
    used_mb: int
    available_mb: int
    used_vcores: int
    available_vcores: int

    @classmethod
    def from_json(cls, answer: dict[str, Any]) -> Node:
        """Build it from a ``node`` object."""
        return cls(
            id=answer["id"],
            host=answer.get("nodeHostName") or answer["id"].rpartition(":")[0],
            state=answer["state"],
            containers=answer.get("numContainers", 0),
            used_mb=answer.get("usedMemoryMB", 0),
            available_mb=answer.get("availMemoryMB", 0),
            used_vcores=answer.get("usedVirtualCores", 0),
            available_vcores=answer.get("availableVirtualCores", 0),
        )


class ResourceManager:
    """Asks the first ResourceManager of a list that answers as the active one; safe to use from several threads."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout: float = 5.0,
        attempts: int = 3,
        pause: float = 0.5,
        user: str | None = None,
    ) -> None:
        """Take base URLs (``http://host:8088``).

        ``timeout`` is seconds per request, ``attempts`` rounds over all URLs, ``pause`` seconds before the second
        round (doubled for every further one). ``user`` is the name simple authentication sees, by default
        HADOOP_USER_NAME or this process's account, as for Hadoop's own clients: to a caller who is neither the
        application's owner nor an administrator YARN answers with zeros and empty texts.
        """
        if not urls:
            raise ValueError("urls is empty, expected at least one ResourceManager URL")
        self.urls = [url.rstrip("/") for url in urls]
        self._timeout, self._attempts, self._pause = timeout, attempts, pause
        self._user = user or os.environ.get("HADOOP_USER_NAME") or getpass.getuser()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def url(self) -> str:
        """The base URL of the ResourceManager that answered last, before the first answer the first of the list."""
        return self.urls[0]

    @classmethod
    def from_configuration(cls, hadoop_conf_dir: str | Path, **options: Any) -> ResourceManager:
        """Find the addresses in ``yarn-site.xml`` of a configuration directory; ``options`` as for the constructor."""
        return cls(urls_from(HadoopConfiguration.read(hadoop_conf_dir)), **options)

    def application(self, application_id: str) -> Application:
        """Return one application; NotFoundError when the ResourceManager does not know it."""
        return Application.from_json(self._get(f"apps/{application_id}")["app"])

    def applications(
        self, user: str | None = None, states: Iterable[str] = (), tag: str | None = None
    ) -> list[Application]:
        """Return the applications that match all given filters, oldest first."""
        query = {"user": user, "states": ",".join(states), "applicationTags": tag}
        answer = self._get("apps", query)
        found = [Application.from_json(app) for app in (answer.get("apps") or {}).get("app", [])]
        return sorted(found, key=lambda application: application.id)

    def nodes(self, states: Iterable[str] = ()) -> list[Node]:
        """Return the nodes in these states, by default those that are not gone."""
        answer = self._get("nodes", {"states": ",".join(states)})
        return [Node.from_json(node) for node in (answer.get("nodes") or {}).get("node", [])]

    def metrics(self) -> dict[str, Any]:
        """Return the cluster metrics as the ResourceManager names them (``allocatedMB``, ``pendingMB``, ...)."""
        return self._get("metrics")["clusterMetrics"]

    def info(self) -> dict[str, Any]:
        """Return what the ResourceManager says of itself (``hadoopVersion``, ``state``, ...)."""
        return self._get("info")["clusterInfo"]

    def scheduler_type(self) -> str:
        """Return which scheduler hands out the cluster, such as ``fairScheduler``."""
        return self._get("scheduler")["scheduler"]["schedulerInfo"]["type"]

    def _get(self, path: str, query: dict[str, str | None] | None = None) -> dict[str, Any]:
        parameters = {name: value for name, value in (query or {}).items() if value}
        parameters["user.name"] = self._user
        suffix = f"/ws/v1/cluster/{path}?{urllib.parse.urlencode(parameters)}"
        failure = ""
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            for url in list(self.urls):
                try:
                    answer = self._get_once(url + suffix)
                except (OSError, ValueError, HTTPException) as error:
                    failure = f"{url}: {error}"
                    continue
                if self.urls[0] != url:
                    self.urls = [url, *(other for other in self.urls if other != url)]
                return answer
        raise ResourceManagerError(f"GET {suffix}: no answer in {self._attempts} tries; last: {failure}")

    def _get_once(self, url: str) -> dict[str, Any]:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - http(s) by config
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            with error:
                text = _remote_message(error.read())
            if error.code == 404:
                raise NotFoundError(f"GET {url}: {text or 'not found'}") from None
            raise OSError(f"HTTP {error.code} {text}".strip()) from None
        try:
            return json.loads(body)
        except ValueError:
            # A standby ResourceManager answers 200 with a line of text where it cannot redirect.
            raise ValueError(f"answer is not JSON: {body[:100].decode(errors='replace')!r}") from None


def urls_from(configuration: HadoopConfiguration) -> list[str]:
    """Return the web addresses of every ResourceManager that ``yarn-site.xml`` names."""
    secure = configuration.get("yarn.http.policy") == "HTTPS_ONLY"
    scheme, port = ("https", HTTPS_PORT) if secure else ("http", HTTP_PORT)
    key = "yarn.resourcemanager.webapp.https.address" if secure else "yarn.resourcemanager.webapp.address"
    identifiers = [part.strip() for part in configuration.get("yarn.resourcemanager.ha.rm-ids").split(",")]
    suffixes = [f".{identifier}" for identifier in identifiers if identifier]
    if not suffixes or not configuration.get_bool("yarn.resourcemanager.ha.enabled", False):
        suffixes = [""]
    urls = []
    for suffix in suffixes:
        address = configuration.get(key + suffix)
        if not address:
            host = configuration.get(f"yarn.resourcemanager.hostname{suffix}", "0.0.0.0")  # noqa: S104 - Hadoop's default
            address = f"{host}:{port}"
        host, separator, explicit_port = address.rpartition(":")
        if not separator:
            host, explicit_port = address, str(port)
        # Hadoop's default host is the wildcard, which clients understand as this machine.
        urls.append(f"{scheme}://{'127.0.0.1' if host == '0.0.0.0' else host}:{explicit_port}")  # noqa: S104
    return urls


def _remote_message(body: bytes) -> str:
    try:
        return json.loads(body)["RemoteException"]["message"]
    except (ValueError, KeyError, TypeError):
        return body[:100].decode(errors="replace")
