"""Asking a ResourceManager over its web services, and telling it over its admin protocol."""

from __future__ import annotations

import functools
import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from localcloud.hadoop.errors import HadoopError
from localcloud.hadoop.network import MASTER_PORTS
from localcloud.hadoop.runtime import HadoopRuntime

# Asked for by name: without, the web service leaves out the nodes that are gone.
NODE_STATES = ("NEW", "RUNNING", "UNHEALTHY", "DECOMMISSIONING", "DECOMMISSIONED", "LOST", "REBOOTED", "SHUTDOWN")
ACTIVE_STATES = frozenset({"NEW", "RUNNING", "UNHEALTHY", "DECOMMISSIONING"})
_ANSWER_SECONDS = 10.0
_ATTEMPTS = 3
_COMMAND_SECONDS = 60.0


class ResourceManager:
    """The ResourceManager at one address."""

    def __init__(self, address: str) -> None:
        """Talk to the ResourceManager at `address`, on Hadoop's usual ports."""
        self.url = f"http://{address}:{MASTER_PORTS['web']}"

    def get(self, path: str, attempts: int = _ATTEMPTS) -> dict[str, Any]:
        """Return the JSON at `path` below /ws/v1/cluster. Raises HadoopError when it does not answer."""
        request = urllib.request.Request(f"{self.url}/ws/v1/cluster/{path}", headers={"Accept": "application/json"})  # noqa: S310
        for attempt in range(attempts):
            try:
                with _opener().open(request, timeout=_ANSWER_SECONDS) as response:
                    return json.loads(response.read())
            except (OSError, ValueError) as error:
                if attempt + 1 == attempts:
                    raise HadoopError(f"the ResourceManager at {self.url} does not answer: {error}") from error
                time.sleep(0.2 * (attempt + 1))
        raise AssertionError("unreachable")

    def active(self) -> bool:
        """Return whether it has taken up its work: it answers, and registers nodes, a moment before it takes orders."""
        information = self.get("info", attempts=1)["clusterInfo"]
        return information["state"] == "STARTED" and information["haState"] == "ACTIVE"

    def nodes(self, attempts: int = _ATTEMPTS) -> dict[str, dict[str, Any]]:
        """Return what it knows of nodes, by address; of an address that was used twice, the node that counts."""
        listed = (self.get(f"nodes?states={','.join(NODE_STATES)}", attempts).get("nodes") or {}).get("node") or []
        listed.sort(key=lambda node: (node["state"] in ACTIVE_STATES, node["lastHealthUpdate"]))
        return {node["nodeHostName"]: node for node in listed}

    def metrics(self) -> dict[str, Any]:
        """Return the cluster's metrics."""
        return self.get("metrics")["clusterMetrics"]


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    """Return what opens URLs without the environment's proxy, which leads to the local cloud.

    Making one reads all certificates that the machine trusts: too much for every look at a cluster.
    """
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def refresh_nodes(runtime: HadoopRuntime, conf: Path, options: tuple[str, ...], environment: dict[str, str]) -> None:
    """Make the ResourceManager read the list of leaving nodes. Raises HadoopError with its answer.

    `-g SECONDS -server`: nodes leave when nothing that counts runs on them, or when their time is up; the
    ResourceManager itself watches over that.
    """
    command = runtime.command(
        "org.apache.hadoop.yarn.client.cli.RMAdminCLI", conf, "-Xmx64m", arguments=("-refreshNodes", *options)
    )
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise HadoopError(f"the ResourceManager did not refresh its nodes within {_COMMAND_SECONDS:.0f} s") from None
    if answer.returncode:
        last = "\n".join((answer.stdout + answer.stderr).splitlines()[-5:])
        raise HadoopError(f"the ResourceManager did not refresh its nodes: {last}")
