"""Airflow's web server of an environment: on the loopback, for whoever may read the environment's secrets."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from localcloud.composer import airflow_host
from localcloud.composer.configuration import ensure_secrets
from localcloud.composer.processes import AirflowError, AirflowProcesses

USER = "admin"
_READY_SECONDS = 30.0
_START_SECONDS = 90.0
_USER_SECONDS = 60.0


def open_ui(airflow: AirflowProcesses, directory: str) -> dict[str, Any]:
    """Start the web server unless it runs; return {"url", "user", "password"} once it answers. Raises AirflowError."""
    paths = airflow.paths(directory)
    password = ensure_secrets(paths.secrets)["web_password"]
    airflow.wait_until_ready(directory, _READY_SECONDS)
    if not airflow.call(directory, {"action": "status"})["web"]:
        _ensure_user(airflow, directory, password)
    port = airflow.call(directory, {"action": "web", "port": _free_port()})["port"]
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + _START_SECONDS
    # Proxies of the environment are for other addresses.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(f"{url}/health", timeout=5):
                return {"url": url, "user": USER, "password": password}
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                log = paths.logs / "webserver.log"
                raise AirflowError(
                    f"the web server does not answer within {_START_SECONDS:.0f} s; log: {log}"
                ) from None
            time.sleep(0.2)


def _ensure_user(airflow: AirflowProcesses, directory: str, password: str) -> None:
    """Make the one account; Airflow says so and changes nothing when it exists. Raises AirflowError."""
    # The words never stand in a process's arguments: the command is a fork of the host.
    arguments = ["users", "create", "--username", USER, "--password", password, "--role", "Admin"]
    arguments += ["--firstname", "Local", "--lastname", "Cloud", "--email", "admin@example.com"]
    identifier = str(uuid.uuid4())
    output = airflow.paths(directory).commands / identifier
    output.mkdir(mode=0o700, parents=True)
    airflow.call(directory, {"action": "execute", "id": identifier, "arguments": arguments})
    deadline = time.monotonic() + _USER_SECONDS
    exit_file = output / airflow_host.EXIT_FILE
    while not exit_file.exists():
        if time.monotonic() > deadline:
            raise AirflowError(f"the account of the web server was not made within {_USER_SECONDS:.0f} s")
        time.sleep(0.05)
    if json.loads(exit_file.read_text(encoding="utf-8"))["exit_code"]:
        raise AirflowError(f"the account of the web server was not made; see {output / airflow_host.OUTPUT_FILE}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
