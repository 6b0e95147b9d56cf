"""``ipa_keytab``: the real ipa-getkeytab against the stand-in for FreeIPA and its real KDC."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import ipa_keytab, ipa_ticket
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_client import IpaClient
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_keytab import DEFINITION
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_service_principals import (
    DEFINITION as SERVICE_PRINCIPALS,
)

from tests.freeipa.certificates import make_certificates
from tests.freeipa.conftest import execute, options
from tests.freeipa.stand_in import PASSWORD, StandIn

NOBODY = {"user": "nobody", "password": "Nobody.123"}


def service(ipa: StandIn, name: str, readers: list[str] | None = None, makers: list[str] | None = None) -> str:
    """Make a service whose keys the administrator may read; its principal."""
    wanted = {"name": name, "allow_retrieve_keytab": {"users": ["admin"] if readers is None else readers}}
    wanted["allow_create_keytab"] = {"users": makers or []}
    made = execute(SERVICE_PRINCIPALS, options(ipa, principals=[wanted]))
    assert not made.get("failed"), made
    return f"{name}@CORP.INTERNAL"


def keytabs(ipa: StandIn, *names: str, check: bool = False, **more: Any) -> dict[str, Any]:
    params = options(ipa, principals=list(names), **{"ldap_port": ipa.ldap_port, **more})
    return execute(DEFINITION, params, check=check)


def keytab(result: dict[str, Any], file: Path) -> Path:
    assert not result.get("failed"), result["msg"]
    file.write_bytes(base64.b64decode(result["results"][0]["keytab_base64"]))
    return file


def entries(file: Path) -> list[str]:
    listing = subprocess.run(["klist", "-keK", file], capture_output=True, text=True, check=True)
    return sorted(set(listing.stdout.splitlines()[3:]))


def kinit(file: Path, principal: str) -> str:
    """Why the KDC does not take the keytab; empty when it does."""
    command = ["kinit", "-k", "-t", file, "-c", "MEMORY:", principal]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_a_second_run_leaves_the_keys_as_they_are(ipa: StandIn, tmp_path: Path) -> None:
    principal = service(ipa, "second/a.corp.internal")
    first = keytabs(ipa, principal)
    assert (first["changed"], first["results"][0]["action"]) == (True, "create")
    assert first["results"][0]["key_versions"] == [1]
    version = ipa.version(principal)
    second = keytabs(ipa, principal)
    assert (second["changed"], second["results"][0]["action"]) == (False, "none")
    assert ipa.version(principal) == version == 1
    assert entries(keytab(first, tmp_path / "1")) == entries(keytab(second, tmp_path / "2"))
    assert kinit(tmp_path / "2", principal) == ""


def test_check_mode_makes_no_key(ipa: StandIn) -> None:
    principal = service(ipa, "check/a.corp.internal")
    looked = keytabs(ipa, principal, "check/absent.corp.internal", check=True)
    assert looked["changed"]
    assert looked["results"] == [
        {"principal": principal, "action": "create", "keytab_base64": None},
        {"principal": "check/absent.corp.internal@CORP.INTERNAL", "action": "create", "keytab_base64": None},
    ]
    assert ipa.version(principal) == 0
    keytabs(ipa, principal)
    rotating = keytabs(ipa, principal, state="rotated", check=True)
    assert (rotating["changed"], rotating["results"][0]["action"]) == (True, "rotate")
    assert rotating["results"][0]["keytab_base64"] is None, "the current keys are not what a run would return"
    assert ipa.version(principal) == 1


def test_a_rotation_ends_the_old_key_and_keeps_it_in_the_keytab(ipa: StandIn, tmp_path: Path) -> None:
    principal = service(ipa, "rotate/a.corp.internal")
    old = keytab(keytabs(ipa, principal), tmp_path / "old")
    rotated = keytabs(ipa, principal, state="rotated")
    new = keytab(rotated, tmp_path / "new")
    assert (rotated["results"][0]["action"], rotated["results"][0]["key_versions"]) == ("rotate", [1, 2])
    assert set(entries(old)) < set(entries(new))
    assert kinit(new, principal) == ""
    assert "Password incorrect" in kinit(old, principal) or "Preauthentication failed" in kinit(old, principal)


def test_who_may_not_read_or_make_keys_is_told_which(ipa: StandIn) -> None:
    principal = service(ipa, "rights/k.corp.internal", readers=[])
    making = keytabs(ipa, principal, **NOBODY)
    assert making["error"]["type"] == "KeytabError"
    assert "allow_create_keytab" in making["msg"]
    keytabs(ipa, principal)
    reading = keytabs(ipa, principal)
    assert "Insufficient access rights" in reading["msg"]
    assert "allow_retrieve_keytab" in reading["msg"]
    assert ipa.version(principal) == 1


def test_a_rotation_that_may_not_read_all_keys_ends_none(ipa: StandIn) -> None:
    principals = [service(ipa, f"unread/{name}.corp.internal", readers) for name, readers in (("a", None), ("b", []))]
    keytabs(ipa, *principals)
    result = keytabs(ipa, *principals, state="rotated")
    assert f"no keytab of {principals[1]}" in result["msg"]
    assert result["error"]["type"] == "KeytabError"
    assert (result["changed"], [ipa.version(one) for one in principals]) == (False, [1, 1])


def test_keytabs_that_were_made_before_a_failure_are_in_the_result(ipa: StandIn, tmp_path: Path) -> None:
    first = service(ipa, "part/a.corp.internal", makers=["nobody"])
    second = service(ipa, "part/b.corp.internal")
    result = keytabs(ipa, first, second, **NOBODY)
    assert result["failed"]
    assert f"no new key for {second}" in result["msg"]
    assert result["changed"]
    assert [(one["principal"], one["action"]) for one in result["results"]] == [(first, "create")]
    (tmp_path / "keytab").write_bytes(base64.b64decode(result["results"][0]["keytab_base64"]))
    assert kinit(tmp_path / "keytab", first) == ""


def test_a_new_key_whose_keytab_could_not_be_kept_counts_as_made(
    ipa: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    principal = service(ipa, "kept/a.corp.internal")
    # The server makes the key first; then the program cannot add it to its file.
    real = shutil.which("ipa-getkeytab")
    program = tmp_path / "ipa-getkeytab"
    program.write_text(f'#!/bin/sh\n{real} "$@" || exit\necho Failed to add key to the keytab >&2\nexit 11\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    result = keytabs(ipa, principal)
    assert result["failed"]
    assert (result["changed"], ipa.version(principal)) == (True, 1)
    assert "may have been made" in result["msg"]


def test_a_service_that_does_not_exist_is_refused_with_the_near_miss(ipa: StandIn) -> None:
    service(ipa, "near/etl.corp.internal")
    result = keytabs(ipa, "near/elt.corp.internal")
    assert "'near/elt.corp.internal@CORP.INTERNAL': ipa.corp.internal has no such service" in result["msg"]
    assert "did you mean 'near/etl.corp.internal@CORP.INTERNAL'?" in result["msg"]


@pytest.mark.parametrize("kdcs", [True, False])
def test_a_controller_needs_no_krb5_conf_when_the_kdcs_are_given(
    ipa: StandIn, monkeypatch: pytest.MonkeyPatch, kdcs: bool
) -> None:
    principal = service(ipa, "kdcs/a.corp.internal")
    monkeypatch.setenv("KRB5_CONFIG", "/dev/null")
    result = keytabs(ipa, principal, kdcs=[f"ipa.corp.internal:{ipa.kdc_port}"] if kdcs else [])
    assert result.get("failed", False) is not kdcs
    assert kdcs or "State the realm's KDCs" in result["msg"]


def test_a_kdc_that_is_down_is_named_and_nothing_is_made(ipa: StandIn, tmp_path: Path) -> None:
    principal = service(ipa, "down/a.corp.internal")
    file = tmp_path / "admin.keytab"
    ipa.realm.kadmin("ktadd", "-k", str(file), "-norandkey", "admin@CORP.INTERNAL")
    ipa.switch(kdc="down")
    try:
        # The stand-in, like FreeIPA, needs its KDC for a login by password; by keytab it is kinit that finds out.
        result = keytabs(ipa, principal, password=None, keytab=str(file))
    finally:
        ipa.switch(kdc="up")
    assert "no ticket for admin@CORP.INTERNAL" in result["msg"]
    assert "No KDC answers" in result["msg"]
    assert ipa.version(principal) == 0


def test_an_ldap_server_that_is_away_or_not_trusted_is_told_apart(
    ipa: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    principal = service(ipa, "ldap/a.corp.internal")
    away = keytabs(ipa, principal, ldap_port=1)
    assert "No LDAP server answers" in away["msg"]
    make_certificates(tmp_path, "other.corp.internal", "127.0.0.1")
    # The API's certificate, which is the same, would be refused first.
    trusting = {"ca_path": str(ipa.authority)}
    monkeypatch.setattr(ipa_keytab, "IpaClient", lambda params: IpaClient({**params, **trusting}))
    untrusted = keytabs(ipa, principal, ca_path=str(tmp_path / "ca.crt"))
    assert "The certificate is not signed by ca_path" in untrusted["msg"]
    assert ipa.version(principal) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_secret_is_left_or_seen_by_other_processes(
    ipa: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    principal = service(ipa, f"secret/{'b' if fails else 'a'}.corp.internal")
    places = tmp_path / "tmp"
    places.mkdir()
    monkeypatch.setattr(ipa_ticket.tempfile, "tempdir", str(places))
    seen: list[str] = []
    run = subprocess.run
    # Where it is taken from in place of the option.
    monkeypatch.setenv("IPA_PASS", PASSWORD)

    def look(words: list[str], **more: Any) -> Any:
        seen.extend([*words, *more["env"].values()])
        assert [path.stat().st_mode & 0o77 for path in places.iterdir()] == [0]
        return run(words, **more)

    monkeypatch.setattr(ipa_ticket.subprocess, "run", look)
    result = keytabs(ipa, principal, **({"ldap_port": 1} if fails else {}))
    assert bool(result.get("failed")) is fails
    assert [word for word in seen if PASSWORD in word] == []
    assert list(places.iterdir()) == []
