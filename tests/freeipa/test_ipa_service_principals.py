"""``ipa_service_principals`` against the stand-in for FreeIPA."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_service_principals import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

from tests.freeipa.conftest import execute, options
from tests.freeipa.stand_in import PASSWORD, StandIn

READERS = {"users": ["admin"], "groups": ["admins"]}


def services(ipa: StandIn, *principals: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
    return execute(DEFINITION, options(ipa, principals=list(principals), **more), check=check)


def actions(result: dict[str, Any]) -> list[str]:
    assert not result.get("failed"), result.get("msg")
    return [one["action"] for one in result["results"]]


def test_services_are_made_once_and_named_by_either_form(ipa: StandIn) -> None:
    wanted = [{"name": f"once/{name}.corp.internal", "allow_retrieve_keytab": READERS} for name in ("a", "b")]
    looked = services(ipa, *wanted, check=True)
    assert (looked["changed"], actions(looked)) == (True, ["create", "create"])
    assert [step for step in ipa.switch() if not step.startswith(("login", "service_show"))] == []
    made = services(ipa, *wanted)
    assert made["diff"] == looked["diff"]
    assert (made["changed"], actions(made)) == (True, ["create", "create"])
    wanted[0]["name"] += "@CORP.INTERNAL"
    ipa.switch(forget_calls=True)
    again = services(ipa, *wanted)
    assert (again["changed"], actions(again), again["diff"]) == (False, ["none", "none"], [])
    assert ipa.switch() == ["login_password", "service_show/1", "service_show/1"]


def test_lists_are_the_whole_truth_and_what_is_not_given_is_left_alone(ipa: StandIn) -> None:
    name = "members/a.corp.internal"
    everything = {"allow_retrieve_keytab": READERS, "allow_create_keytab": {"users": ["controller"]}}
    services(ipa, {"name": name, **everything})
    change = {"name": name, "allow_retrieve_keytab": {"users": ["controller"], "groups": []}}
    changed = services(ipa, change)
    assert actions(changed) == ["update"]
    assert changed["diff"][0]["before"] == {
        "principal": f"{name}@CORP.INTERNAL",
        "allow_retrieve_keytab.users": ["admin"],
        "allow_retrieve_keytab.groups": ["admins"],
        "allow_create_keytab.users": ["controller"],
    }
    assert changed["diff"][0]["after"] == {
        "principal": f"{name}@CORP.INTERNAL",
        "allow_retrieve_keytab.users": ["controller"],
        "allow_create_keytab.users": ["controller"],
    }
    assert actions(services(ipa, change)) == ["none"]
    assert actions(services(ipa, {"name": name})) == ["none"]


def test_names_of_members_are_the_same_in_any_case(ipa: StandIn) -> None:
    mixed = {"name": "case/a.corp.internal", "allow_retrieve_keytab": {"users": ["Admin"], "groups": ["ADMINS"]}}
    looked = services(ipa, mixed, check=True)
    made = services(ipa, mixed)
    assert made["diff"] == looked["diff"]
    assert made["diff"][0]["after"]["allow_retrieve_keytab.users"] == ["admin"]
    again = services(ipa, mixed)
    assert (again["changed"], actions(again), again["diff"]) == (False, ["none"], [])


def test_what_is_absent_is_deleted_once(ipa: StandIn) -> None:
    gone = {"name": "gone/a.corp.internal"}
    services(ipa, gone)
    assert actions(services(ipa, gone, state="absent", check=True)) == ["delete"]
    assert actions(services(ipa, gone, state="absent")) == ["delete"]
    again = services(ipa, gone, state="absent")
    assert (again["changed"], actions(again)) == (False, ["none"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dask", "expected SERVICE/HOST"),
        ("dask/a b", "expected SERVICE/HOST"),
        ("dask/a\n", "expected SERVICE/HOST"),
        ("dask/a@OTHER.REALM", "did you mean 'dask/a@CORP.INTERNAL'"),
    ],
)
def test_what_is_no_principal_of_the_realm_is_refused_before_a_call(ipa: StandIn, name: str, expected: str) -> None:
    result = services(ipa, {"name": name}, {"name": "fine/a"}, {"name": "fine/a@CORP.INTERNAL"})
    assert result["failed"]
    assert expected in result["msg"]
    assert "'fine/a@CORP.INTERNAL': is named twice" in result["msg"]
    assert ipa.switch() == []


def test_a_member_who_does_not_exist_fails_and_says_what_was_done(ipa: StandIn) -> None:
    fine = {"name": "typo/a.corp.internal"}
    result = services(ipa, fine, {"name": "typo/b.corp.internal", "allow_retrieve_keytab": {"users": ["admni"]}})
    assert result["failed"]
    assert result["changed"]
    assert "typo/b.corp.internal@CORP.INTERNAL" in result["msg"]
    assert "user 'admni': no such entry" in result["msg"]
    # The second one was made before its member was refused.
    names = [f"typo/{letter}.corp.internal@CORP.INTERNAL" for letter in "ab"]
    assert [one["principal"] for one in result["results"]] == names
    assert result["summary"] == "2 create"


def test_what_a_failed_call_did_in_part_is_in_the_result(ipa: StandIn) -> None:
    name = "half/a.corp.internal"
    half = {"name": name, "allow_retrieve_keytab": {"users": ["admin", "admni"], "groups": ["admins"]}}
    made = services(ipa, half)
    assert made["failed"]
    assert "nothing was changed" not in made["msg"]
    assert (made["changed"], made["results"][0]["action"]) == (True, "create")
    # What there is now, not what was wanted.
    assert made["diff"][0]["after"] == {"principal": f"{name}@CORP.INTERNAL", "allow_retrieve_keytab.users": ["admin"]}
    half["allow_retrieve_keytab"]["groups"] = []
    again = services(ipa, half)
    assert (again["failed"], again["changed"], again["results"]) == (True, False, [])


def test_a_session_that_expired_is_renewed_once(ipa: StandIn) -> None:
    ipa.switch(faults=[401])
    assert actions(services(ipa, {"name": "session/a.corp.internal"})) == ["create"]
    assert ipa.switch().count("login_password") == 2
    ipa.switch(faults=[401, 401])
    refused = services(ipa, {"name": "session/a.corp.internal"})
    assert "answered HTTP 401 to service_show" in refused["msg"]


def test_requests_that_were_cut_off_or_not_served_are_made_again(ipa: StandIn) -> None:
    ipa.switch(faults=["cut", 503])
    assert actions(services(ipa, {"name": "cut/a.corp.internal"})) == ["create"]


@pytest.mark.parametrize(("state", "action", "call"), [("present", "create", "add"), ("absent", "delete", "del")])
def test_an_answer_that_was_lost_is_no_error(ipa: StandIn, state: str, action: str, call: str) -> None:
    service = {"name": "lost/a.corp.internal"}
    services(ipa, service, state="absent" if state == "present" else "present")
    # The service is looked at; then the command runs, and its answer gets lost.
    ipa.switch(faults=[0, "lost"], forget_calls=True)
    assert actions(services(ipa, service, state=state)) == [action]
    assert ipa.switch().count(f"service_{call}/1") == 2
    assert actions(services(ipa, service, state=state)) == ["none"]


def test_a_server_that_is_away_fails_in_bounded_time(ipa: StandIn) -> None:
    result = services(ipa, {"name": "away/a.corp.internal"}, https_port=1)
    assert result["error"]["type"] == "TransportError"
    assert "https://ipa.corp.internal:1/ipa/session/login_password did not answer in 4 attempts" in result["msg"]


def test_another_authority_is_not_trusted(ipa: StandIn, tmp_path: Path) -> None:
    from tests.freeipa.certificates import make_certificates

    make_certificates(tmp_path, "other.corp.internal", "127.0.0.1")
    result = services(ipa, {"name": "trust/a.corp.internal"}, ca_path=str(tmp_path / "ca.crt"))
    assert result["error"]["type"] == "TransportError"
    assert f"by {tmp_path}/ca.crt" in result["msg"]
    assert ipa.switch() == []


def test_a_missing_authority_or_no_credentials_are_named_at_once(ipa: StandIn) -> None:
    result = services(ipa, {"name": "trust/a.corp.internal"}, ca_path="/nowhere/ca.crt", password="")
    assert "ca_path: '/nowhere/ca.crt' is no file" in result["msg"]
    assert "password, keytab, ticket_cache, IPA_PASS, IPA_KEYTAB are all empty, expected one" in result["msg"]


@pytest.mark.parametrize(
    ("given", "exported", "expected"),
    [
        ({"keytab": "/nowhere"}, {"IPA_PASS": PASSWORD}, "keytab: '/nowhere' is no file"),
        ({"password": "Wrong.123"}, {"IPA_KEYTAB": "/nowhere"}, "the password is wrong"),
        ({"ticket_cache": "FILE:/nowhere"}, {"IPA_PASS": PASSWORD}, "no valid ticket in ticket_cache"),
        ({}, {"IPA_PASS": "Wrong.123"}, "the password is wrong"),
        ({}, {"IPA_KEYTAB": "/nowhere"}, "keytab: '/nowhere' is no file"),
        ({}, {"IPA_PASS": PASSWORD, "IPA_KEYTAB": "/nowhere"}, "IPA_PASS and IPA_KEYTAB are both set, expected one"),
        ({}, {}, "empty, expected one"),
        ({"password": PASSWORD, "keytab": "/nowhere"}, {}, "parameters are mutually exclusive: password|keytab"),
    ],
)
def test_a_variable_counts_only_where_no_option_says_how_to_log_in(
    ipa: StandIn, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], exported: dict[str, str], expected: str
) -> None:
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    params = {key: value for key, value in options(ipa, principals=[{"name": "login/a"}]).items() if key != "password"}
    # As both shells validate, which is where variables come in.
    validated = ArgumentSpecValidator(DEFINITION.argument_spec, **DEFINITION.constraints).validate({**params, **given})
    problems = ", ".join(validated.error_messages)
    message = problems or DEFINITION.execute(validated.validated_parameters, Reporter())["msg"]
    assert expected in message


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({"password": "Wrong.123"}, r"does not accept the account admin: the password is wrong"),
        ({"user": "nobody", "password": "Nobody.123"}, r"refused service_add .*\(ACIError 2100\)\. Give the account"),
    ],
)
def test_an_account_that_may_not_is_told_so(ipa: StandIn, who: dict[str, str], expected: str) -> None:
    result = services(ipa, {"name": "rights/a.corp.internal"}, **who)
    assert result["failed"]
    assert re.search(expected, result["msg"]), result["msg"]
    assert who["password"] not in str(result)


def test_a_password_that_expired_is_told_from_a_wrong_one(ipa: StandIn) -> None:
    ipa.realm.kadmin("addprinc", "-pw", "Old.12345", "-pwexpire", "yesterday", "expired@CORP.INTERNAL")
    result = services(ipa, {"name": "rights/a.corp.internal"}, user="expired", password="Old.12345")  # noqa: S106
    assert "the password has expired" in result["msg"]


def test_a_controllers_keytab_stands_for_a_password(ipa: StandIn, tmp_path: Path) -> None:
    ipa.realm.kadmin("ktadd", "-k", str(tmp_path / "admin.keytab"), "-norandkey", "admin@CORP.INTERNAL")
    login = {"password": None, "keytab": str(tmp_path / "admin.keytab")}
    result = services(ipa, {"name": "spnego/a.corp.internal"}, **login)
    assert actions(result) == ["create"]
    assert "login_password" not in ipa.switch()
    refused = services(ipa, {"name": "spnego/a.corp.internal"}, user="nobody", **login)
    assert "no ticket for nobody@CORP.INTERNAL" in refused["msg"]


def test_a_ticket_of_somebody_else_is_refused_before_a_call(ipa: StandIn, tmp_path: Path) -> None:
    cache = f"FILE:{tmp_path}/ticket"
    subprocess.run(["kinit", "-c", cache, "nobody"], input="Nobody.123\n", text=True, check=True, capture_output=True)
    service, login = {"name": "spnego/b.corp.internal"}, {"password": None, "ticket_cache": cache}
    refused = services(ipa, service, **login)
    assert (
        f"the ticket in ticket_cache '{cache}' is of nobody@CORP.INTERNAL, but user and realm say admin@"
        in refused["msg"]
    )
    assert ipa.switch() == []
    # Its own user gets as far as FreeIPA, which knows that he may not.
    assert "refused service_add" in services(ipa, service, user="nobody", **login)["msg"]
