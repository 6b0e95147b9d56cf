# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's checks, each on its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import doctor
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, NotFoundError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

PARAMS = {
    "project": "p",
    "expected_principal": "me@p.iam.gserviceaccount.com",
    "login_hint": "log in",
    "connection_ready": True,
    "inventory_findings": "",
    "tools": {},
    "hosts": ["dataproc.googleapis.com"],
    "services": ["dataproc.googleapis.com", "storage.googleapis.com"],
    "permissions": ["dataproc.jobs.create"],
    "composer_environment": "",
    "composer_location": "",
    "composer_created_here": False,
}


class Google:
    """Answers by the end of the address; an exception is raised instead of returned."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.loaded_credentials = SimpleNamespace(source="key.json")

    def request(self, _method: str, url: str, **_options: Any) -> Any:
        """Return the answer whose name ends the address."""
        answer = next(value for name, value in self.answers.items() if url.endswith(name))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is open."""


def test_a_line_says_ok_or_failed_and_then_what_to_do() -> None:
    assert str(doctor.Check("token", True, "fine", "log in")) == "ok      token: fine"
    assert str(doctor.Check("token", False, "none", "log in")) == "FAILED  token: none -> log in"
    assert str(doctor.Check("tool", False, "none", "get it", required=False)) == "note    tool: none -> get it"


def test_tools_are_looked_for_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "here").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    here, missing = doctor.check_tools({"here": "a", "missing": "logs"})
    assert here.ok
    assert (missing.ok, missing.required) == (False, False)
    assert missing.next_step == "install it for logs"


def test_certificate_files_that_do_not_exist(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    environment = {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"), "SSL_CERT_FILE": "/nowhere/ca.pem", "HOME": "/"}
    first, second = doctor.check_certificate_files(environment)
    assert first.ok
    assert (second.ok, second.detail) == (False, "/nowhere/ca.pem does not exist")


@pytest.mark.parametrize(
    ("answer", "ok", "detail"),
    [
        ({"email": "me@p.iam.gserviceaccount.com"}, True, "me@p.iam.gserviceaccount.com (key.json)"),
        ({"email": "you@p"}, False, "it is you@p's (key.json), expected me@p.iam.gserviceaccount.com"),
        (ComputeError("no credentials"), False, "no credentials"),
    ],
)
def test_whose_token_it_is(answer: Any, ok: bool, detail: str) -> None:
    check = doctor.check_principal(Google(userinfo=answer), PARAMS["expected_principal"], "log in")
    assert (check.ok, check.detail, check.next_step if not ok else "log in") == (ok, detail, "log in")


def test_a_file_of_authorities_that_is_not_there_is_a_failed_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    check = doctor.check_host("localhost")
    assert not check.ok
    assert "none.pem" in check.detail
    assert "REQUESTS_CA_BUNDLE" in check.next_step


def test_no_service_at_all_is_a_failed_check() -> None:
    assert (
        doctor.check_services(Google(batchGet={}), "p", ["a.googleapis.com"]).detail == "not enabled: a.googleapis.com"
    )


def test_disabled_services_are_named_with_the_command() -> None:
    answer = {"services": [{"name": "projects/1/services/dataproc.googleapis.com", "state": "ENABLED"},
                           {"name": "projects/1/services/storage.googleapis.com", "state": "DISABLED"}]}  # fmt: skip
    check = doctor.check_services(Google(batchGet=answer), "p", PARAMS["services"])
    assert not check.ok
    assert check.next_step == "gcloud services enable storage.googleapis.com --project=p"


def test_missing_permissions_are_named() -> None:
    check = doctor.check_permissions(Google(testIamPermissions={}), "p", ["a", "b", "c", "d"])
    assert not check.ok
    assert check.detail == "not granted: a, b, c and 1 more"
    assert check.next_step.endswith("a b c d")


def test_a_question_that_is_refused_is_a_failed_check() -> None:
    check = doctor.check_permissions(Google(testIamPermissions=ComputeError("403")), "p", ["a"])
    assert (check.ok, check.detail) == (False, "403")


@pytest.mark.parametrize(
    ("state", "ok", "required"),
    [("RUNNING", True, True), ("UPDATING", False, False), ("CREATING", False, False), ("ERROR", False, True)],
)
def test_the_airflow_environment_has_to_run_or_is_waited_for(state: str, ok: bool, required: bool) -> None:
    api = ComposerApi(Google(**{"environments/etl": {"state": state}}), "p", "europe-west1")
    check = doctor.check_airflow(api, "etl", created_here=False)
    assert (check.ok, check.required) == (ok, required)
    assert state in check.detail


@pytest.mark.parametrize(("created_here", "step"), [(True, "site.yml creates it"), (False, "Terraform")])
def test_an_airflow_environment_that_is_missing_fails_where_nobody_here_creates_it(
    created_here: bool, step: str
) -> None:
    google = Google(**{"environments/etl": NotFoundError(404, "NOT_FOUND", "no such environment", "url", "GET")})
    google.pages = lambda *_arguments, **_options: [{"name": "projects/p/locations/l/environments/etl2"}]
    check = doctor.check_airflow(ComposerApi(google, "p", "l"), "etl", created_here=created_here)
    assert (check.ok, check.required) == (False, not created_here)
    assert "'etl2'" in check.detail
    assert step in check.next_step


def test_an_airflow_environment_that_must_not_be_looked_at_is_a_failed_check() -> None:
    api = ComposerApi(Google(**{"environments/etl": ComputeError("403")}), "p", "l")
    check = doctor.check_airflow(api, "etl", created_here=True)
    assert (check.ok, check.required, check.detail) == (False, True, "403")


def test_everything_runs_before_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    google = Google(userinfo={"email": PARAMS["expected_principal"]}, batchGet={"services": []}, testIamPermissions={})
    monkeypatch.setattr(doctor, "client_from_params", lambda _params, _retry: google)
    monkeypatch.setattr(doctor, "check_host", lambda host: doctor.Check(f"reach {host}", True, "fine"))
    lines: list[str] = []
    result = doctor.run({**PARAMS, "inventory_findings": "bad"}, None, Reporter(progress=lines.append))
    assert [line.split(":")[0] for line in lines if line.startswith("FAILED")] == [
        "FAILED  inventory",
        "FAILED  APIs",
        "FAILED  permissions",
    ]
    assert result["failed"] is True
    assert result["msg"].count("FAILED") == 3


def test_no_token_is_asked_for_when_a_host_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "check_host", lambda host: doctor.Check(f"reach {host}", False, "refused", "firewall"))
    checks = list(doctor.all_checks(PARAMS))
    assert checks[-1].name == "token"
    assert checks[-1].next_step == "log in"


def test_nobody_is_asked_anything_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_arguments: Any) -> None:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(doctor, "check_host", asked)
    monkeypatch.setattr(doctor, "client_from_params", asked)
    lines: list[str] = []
    result = doctor.run({**PARAMS, "connection_ready": False}, None, Reporter(progress=lines.append))
    assert [line.split(":")[0] for line in lines if "variable" not in line] == [
        "ok      inventory",
        "ok      libraries",
        "FAILED  connection",
    ]
    assert result["failed"] is True
    assert result["msg"].endswith(" -> log in")
