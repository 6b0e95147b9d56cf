# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core of gcp_doctor: everything a run needs, one check each, every failure with its next step. Changes nothing."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.client import (
    GoogleClient,
    add_common_arguments,
    client_from_params,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import (
    PASSING_STATES,
    RUNNING,
    ComposerApi,
    EnvironmentNotFoundError,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, innermost_message
from ansible_collections.dataplatform.compute.plugins.module_utils.libraries import MISSING, requests
from ansible_collections.dataplatform.compute.plugins.module_utils.principal import USERINFO_URL
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

TIMEOUT_SECONDS = 10
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE")
_MANY = 3


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the report; ``next_step`` is empty when it is ok. What is not required is noted and fails nothing."""

    name: str
    ok: bool
    detail: str
    next_step: str = ""
    required: bool = True

    def __str__(self) -> str:
        """``ok      name: detail`` or ``FAILED  name: detail -> next step``, ``note`` when it is not required."""
        step = f" -> {self.next_step}" if self.next_step and not self.ok else ""
        verdict = "ok" if self.ok else "FAILED" if self.required else "note"
        return f"{verdict:6}  {self.name}: {self.detail}{step}"


def run(params: dict[str, Any], _client: None, reporter: Reporter) -> dict[str, Any]:
    """Run every check, show each line as it is known, and fail at the end when any failed."""
    checks = []
    for check in all_checks(params):
        reporter.progress(str(check))
        checks.append(check)
    failed = [check for check in checks if check.required and not check.ok]
    if failed:
        lines = "\n".join(str(check) for check in failed)
        return {"changed": False, "failed": True, "msg": f"{len(failed)} of {len(checks)} checks failed:\n{lines}"}
    return {"changed": False, "checks": [dataclasses.asdict(check) for check in checks]}


def all_checks(params: dict[str, Any]) -> Iterator[Check]:
    """Yield every check; what cannot be looked at because of an earlier failure says so."""
    yield check_findings(params["inventory_findings"])
    yield from check_tools(params["tools"])
    yield from check_certificate_files(os.environ)
    if MISSING:
        step = f"pip install {' '.join(MISSING)}"
        yield Check("libraries", False, f"missing in Ansible's Python: {', '.join(MISSING)}", step)
        return
    yield Check("libraries", True, "google-auth, requests and tenacity are there")
    hint = params["login_hint"]
    if not params["connection_ready"]:
        # Google's own hosts would answer, with whatever login there is here.
        yield Check("connection", False, "none is prepared, so neither hosts nor a token were asked for", hint)
        return
    reachable = [check_host(host) for host in params["hosts"]]
    yield from reachable
    if not all(check.ok for check in reachable):
        yield Check("token", False, "not asked for, because not every host is reachable", hint)
        return
    client = client_from_params(params, RetryPolicy(attempts=2))
    try:
        token = check_principal(client, params["expected_principal"], hint)
        yield token
        if token.ok:
            yield check_services(client, params["project"], params["services"])
            yield check_permissions(client, params["project"], params["permissions"])
            if params["composer_environment"]:
                api = ComposerApi(client, params["project"], params["composer_location"])
                yield check_airflow(api, params["composer_environment"], created_here=params["composer_created_here"])
    finally:
        client.close()


def check_findings(findings: str) -> Check:
    """The inventory, from what inventory_check said about it."""
    if findings:
        return Check("inventory", False, findings, "correct the values above; no environment is changed before")
    return Check("inventory", True, "every fact is there and fits the others")


def check_tools(tools: dict[str, str]) -> Iterator[Check]:
    """Programs on PATH, each with what it is good for; no play needs them."""
    for tool, purpose in tools.items():
        path = shutil.which(tool)
        yield Check(f"tool {tool}", bool(path), path or "not on PATH", f"install it for {purpose}", required=False)


def check_certificate_files(environment: dict[str, str] | os._Environ[str]) -> Iterator[Check]:
    """Files with certificate authorities that the environment names; without them every TLS connection fails."""
    for variable in CA_VARIABLES:
        path = environment.get(variable)
        if path:
            there = Path(path).exists()
            yield Check(
                f"variable {variable}",
                there,
                path if there else f"{path} does not exist",
                f"unset {variable} or correct it",
            )


def check_host(host: str) -> Check:
    """Reach a host and verify its certificate; any HTTP answer will do."""
    name = f"reach {host}"
    try:
        answer = requests.get(f"https://{host}/", timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except requests.exceptions.SSLError as error:
        step = "name the authority that signed it in REQUESTS_CA_BUNDLE (a corporate proxy often has its own)"
        return Check(name, False, f"TLS: {innermost_message(error)}", step)
    except requests.exceptions.ProxyError as error:
        proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or "none"
        return Check(name, False, f"proxy: {innermost_message(error)}", f"check HTTPS_PROXY (now: {proxy})")
    except requests.exceptions.RequestException as error:
        return Check(name, False, innermost_message(error), "check DNS, firewall, and whether HTTPS_PROXY is needed")
    except OSError as error:
        # requests raises this itself when the file of authorities that a variable names is not there.
        return Check(name, False, str(error), f"unset or correct {' and '.join(CA_VARIABLES[:2])}")
    return Check(name, True, f"TLS verified, answered {answer.status_code}")


def check_principal(client: GoogleClient, expected: str, hint: str) -> Check:
    """A token is given, and it is the expected account's."""
    try:
        principal = client.request("GET", USERINFO_URL).get("email", "")
        source = client.loaded_credentials.source
    except ComputeError as error:
        return Check("token", False, str(error), hint)
    if expected and principal != expected:
        return Check("token", False, f"it is {principal}'s ({source}), expected {expected}", hint)
    return Check("token", True, f"{principal} ({source})")


def check_services(client: GoogleClient, project: str, services: list[str]) -> Check:
    """Every Google API the platform uses is enabled in the project."""

    def disabled() -> list[str]:
        root = f"https://serviceusage.googleapis.com/v1/projects/{project}/services"
        names = [f"projects/{project}/services/{service}" for service in services]
        answer = client.request("GET", f"{root}:batchGet", params={"names": names})
        entries = answer.get("services", [])
        enabled = {entry["name"].rpartition("/")[2] for entry in entries if entry.get("state") == "ENABLED"}
        return [service for service in services if service not in enabled]

    step = "gcloud services enable {} --project=" + project
    return _check_missing("APIs", disabled, f"{len(services)} enabled in {project}", "not enabled", step)


def check_permissions(client: GoogleClient, project: str, permissions: list[str]) -> Check:
    """The account has every permission the playbooks need on the project."""

    def missing() -> list[str]:
        url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{project}:testIamPermissions"
        granted = client.request("POST", url, json={"permissions": permissions}).get("permissions", [])
        return [permission for permission in permissions if permission not in granted]

    step = f"ask an owner of {project} to grant a role with: {{}}"
    return _check_missing("permissions", missing, f"{len(permissions)} granted on {project}", "not granted", step)


def check_airflow(api: ComposerApi, environment: str, *, created_here: bool) -> Check:
    """The Airflow environment runs; a state that passes, and one that a run creates, is only noted."""
    name = f"Airflow {environment}"
    try:
        state = str(api.get_environment(environment).get("state", "unknown"))
    except EnvironmentNotFoundError as error:
        step = "site.yml creates it" if created_here else "apply its Terraform stack, or correct platform_composer"
        return Check(name, False, str(error), step, required=not created_here)
    except ComputeError as error:
        return Check(name, False, str(error), "the account needs composer.environments.get")
    passing = state in PASSING_STATES
    step = "nothing: plays wait for it" if passing else "look at it: gcloud composer environments describe"
    return Check(name, state == RUNNING, f"its state is {state}", step, required=not passing)


def _check_missing(name: str, find: Callable[[], list[str]], fine: str, bad: str, step: str) -> Check:
    try:
        missing = find()
    except ComputeError as error:
        return Check(name, False, str(error), "the account needs to be allowed to ask, too")
    if missing:
        shown = ", ".join(missing[:_MANY]) + (f" and {len(missing) - _MANY} more" if len(missing) > _MANY else "")
        return Check(name, False, f"{bad}: {shown}", step.format(" ".join(missing)))
    return Check(name, True, fine)


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "expected_principal": {"type": "str", "default": ""},
            "login_hint": {"type": "str", "default": ""},
            "connection_ready": {"type": "bool", "default": True},
            "inventory_findings": {"type": "str", "default": ""},
            "tools": {"type": "dict", "default": {}},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "permissions": {"type": "list", "elements": "str", "required": True},
            "composer_environment": {"type": "str", "default": ""},
            "composer_location": {"type": "str", "default": ""},
            "composer_created_here": {"type": "bool", "default": False},
        }
    ),
    run=run,
    needs_client=False,
)
