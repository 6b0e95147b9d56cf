"""secret_versions against a local cloud: what is added, what is left, what goes, and what nobody gets to see."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import client as client_module
from ansible_collections.dataplatform.compute.plugins.module_utils import secret_store, secret_versions
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.keytab_bytes import entry, keytab

from tests.integration.google import wait_for
from tests.integration.secrets_support import ADD_VERSION, VERSIONS, Secrets, encoded, fresh_secrets

KEY, NEXT_KEY = b"k" * 32, b"n" * 32
OLD, REWRITTEN = keytab(entry(KEY, timestamp=1)), keytab(entry(KEY, timestamp=2))
ROTATED = keytab(entry(KEY), entry(NEXT_KEY, kvno=2))


@pytest.fixture
def secrets(empty_localcloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    quick = functools.partial(RetryPolicy, attempts=4, first_wait=0.05)
    monkeypatch.setattr(client_module, "RetryPolicy", quick)
    monkeypatch.setattr(secret_store, "RetryPolicy", quick)
    yield from fresh_secrets(empty_localcloud, monkeypatch)


def test_a_keytab_is_added_once_and_again_when_its_keys_change(secrets: Secrets) -> None:
    secrets.create("keytab-etl")
    foretold = secrets.apply({"keytab-etl": OLD}, check=True, compare="keytab")
    assert (foretold["changed"], secrets.states()) == (True, {})
    added = secrets.apply({"keytab-etl": OLD}, compare="keytab")
    assert added["diff"] == foretold["diff"], "check mode and the run show the same change"
    assert (added["results"][0]["action"], added["results"][0]["version"]) == ("add", "1")
    assert secrets.payload() == OLD

    secrets.cloud.clear_requests()
    again = secrets.apply({"keytab-etl": REWRITTEN}, compare="keytab")
    assert (again["changed"], again["diff"], again["results"][0]["version"]) == (False, [], "1")
    assert secrets.calls() == [f"{VERSIONS}.access"], "what is as wanted costs one call"

    assert secrets.outcome(ROTATED, compare="keytab")["version"] == "2"
    assert secrets.outcome(ROTATED, compare="keytab")["action"] == "none"
    assert secrets.states() == {"1": "ENABLED", "2": "ENABLED"}


def test_bytes_are_compared_as_bytes(secrets: Secrets) -> None:
    secrets.create("keytab-etl")
    assert [secrets.outcome(data)["action"] for data in (OLD, OLD, REWRITTEN)] == ["add", "none", "add"]


@pytest.mark.parametrize("verb", ["disable", "destroy"])
def test_a_latest_version_that_nobody_can_read_is_replaced(secrets: Secrets, verb: str) -> None:
    secrets.create("keytab-etl")
    secrets.outcome(OLD)
    secrets.set_state(verb, "1")
    assert secrets.outcome(OLD)["version"] == "2"
    assert secrets.payload() == OLD


def test_what_is_no_keytab_in_the_secret_is_replaced(secrets: Secrets) -> None:
    secrets.create("keytab-etl")
    secrets.outcome(b"put there by hand")
    assert secrets.outcome(OLD, compare="keytab")["version"] == "2"


def test_older_versions_are_disabled_and_destroyed_after_their_time(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    age_of = secret_versions._age_of

    def hours_later(hours: int) -> None:
        """Let Google's clock go on, by a second more: it tells whole seconds, a version's age has fractions."""
        monkeypatch.setattr(
            secret_versions,
            "_age_of",
            lambda versions, latest: age_of(
                versions, dataclasses.replace(latest, asked_at=latest.asked_at + timedelta(hours=hours, seconds=1))
            ),
        )

    ageing = {"compare": "keytab", "disable_previous_after": 24 * 3600, "destroy_previous_after": 72 * 3600}
    secrets.create("keytab-etl")
    hours_later(100)
    for data in (OLD, ROTATED):
        result = secrets.outcome(data, **ageing)
        assert (result["disabled"], result["destroyed"]) == ([], []), "nothing goes when its successor is new"
    hours_later(23)
    assert not secrets.outcome(ROTATED, **ageing)["changed"]
    hours_later(24)
    foretold = secrets.apply({"keytab-etl": ROTATED}, check=True, **ageing)
    assert (foretold["changed"], foretold["results"][0]["disabled"]) == (True, ["1"])
    assert secrets.states() == {"1": "ENABLED", "2": "ENABLED"}
    disabled = secrets.apply({"keytab-etl": ROTATED}, **ageing)
    assert disabled["diff"] == foretold["diff"]
    assert disabled["diff"][0]["after"]["older_versions"] == {"1": "DISABLED"}
    assert secrets.states() == {"1": "DISABLED", "2": "ENABLED"}
    assert not secrets.outcome(ROTATED, **ageing)["changed"]
    hours_later(71)
    assert not secrets.outcome(ROTATED, **ageing)["changed"]
    hours_later(72)
    assert secrets.outcome(ROTATED, **ageing)["destroyed"] == ["1"]
    assert secrets.states() == {"1": "DESTROYED", "2": "ENABLED"}
    assert not secrets.outcome(ROTATED, **ageing)["changed"]


def test_zero_seconds_disable_at_once(secrets: Secrets) -> None:
    secrets.create("keytab-etl")
    secrets.outcome(OLD)
    assert secrets.apply({"keytab-etl": ROTATED}, check=True, disable_previous_after=0)["results"][0]["disabled"] == [
        "1"
    ]
    assert secrets.outcome(ROTATED, disable_previous_after=0)["disabled"] == ["1"]


def test_garbage_is_refused_before_anything_is_sent(secrets: Secrets) -> None:
    secrets.create("keytab-etl", "keytab-ml")
    secrets.cloud.clear_requests()
    result = secrets.apply({"keytab-ml": OLD, "keytab-etl": b"no keytab at all"}, compare="keytab")
    assert result["failed"]
    assert "versions[1] (keytab-etl): payload_base64 is not a keytab" in result["msg"]
    assert "no keytab at all" not in json.dumps(result)
    assert secrets.calls() == []


def test_a_secret_that_does_not_exist_is_named_with_its_near_miss(secrets: Secrets) -> None:
    secrets.create("keytab-etl-dev", "database-password")
    result = secrets.apply({"keytab-elt-dev": OLD, "keytab-etl-dev": OLD}, compare="keytab")
    assert result["failed"]
    assert "secret keytab-elt-dev does not exist in local-project; did you mean 'keytab-etl-dev'?" in result["msg"]
    assert [one["action"] for one in result["results"]] == ["none", "add"], "one failure stops no other secret"
    assert result["changed"]
    assert secrets.payload("keytab-etl-dev") == OLD


def test_check_mode_foretells_what_a_secret_that_is_to_come_gets(secrets: Secrets) -> None:
    result = secrets.apply({"keytab-etl": OLD}, check=True)
    assert result["results"][0]["action"] == "add"
    assert "keytab-etl does not exist yet" in secrets.warnings[0]


@pytest.mark.parametrize(
    "fault",
    [{"status": 429}, {"status": 503}, {"kind": "reset"}, {"kind": "truncate"}],
    ids=["429", "503", "reset", "half-an-answer"],
)
def test_passing_faults_of_every_call_add_exactly_one_version(secrets: Secrets, fault: dict[str, Any]) -> None:
    """Above all a lost answer: the version is there, although the caller was not told."""
    secrets.create("keytab-etl")
    secrets.fault(ADD_VERSION, count=1, **fault)
    secrets.fault(f"{VERSIONS}.access", count=1, **fault)
    assert secrets.outcome(OLD)["version"] == "1"
    secrets.heal()
    assert secrets.outcome(OLD)["action"] == "none"
    secrets.outcome(ROTATED)
    secrets.fault(f"{VERSIONS}.disable", count=1, **fault)
    assert secrets.outcome(ROTATED, disable_previous_after=0)["disabled"] == ["1"]
    assert secrets.states() == {"1": "DISABLED", "2": "ENABLED"}


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (f"{VERSIONS}.access", "secret keytab-etl cannot be compared: the account lacks secretmanager.versions.access"),
        (ADD_VERSION, "Grant the account the missing permission"),
    ],
)
def test_a_missing_permission_is_one_clear_error(secrets: Secrets, method: str, words: str) -> None:
    secrets.create("keytab-etl")
    secrets.fault(method, status=403)
    result = secrets.apply({"keytab-etl": OLD})
    assert result["failed"]
    assert words in result["msg"]
    assert (result["changed"], secrets.states()) == (False, {})


def test_the_first_version_needs_no_right_to_see_the_secret(secrets: Secrets) -> None:
    """Of the roles that exist, those that may add and access versions may not get the secret itself."""
    secrets.create("keytab-etl")
    secrets.fault("secretmanager.projects.secrets.get", status=403)
    assert secrets.apply({"keytab-etl": OLD}, check=True)["results"][0]["action"] == "add"
    assert secrets.outcome(OLD)["version"] == "1"
    missing = secrets.apply({"keytab-elt": OLD})
    assert missing["failed"]
    assert ":addVersion answered 404" in missing["msg"]


def test_a_full_disk_adds_nothing(secrets: Secrets) -> None:
    secrets.create("keytab-etl")
    secrets.fault(ADD_VERSION, kind="disk-full", count=1)
    assert secrets.apply({"keytab-etl": OLD})["failed"]
    assert secrets.states() == {}
    assert secrets.outcome(OLD)["version"] == "1"


def test_two_runs_at_once_end_with_the_payload_as_the_latest(secrets: Secrets) -> None:
    secrets.create("keytab-etl")
    results: list[dict[str, Any]] = []
    runs = [threading.Thread(target=lambda: results.append(secrets.apply({"keytab-etl": OLD}))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [result.get("msg") for result in results if result.get("failed")] == []
    assert secrets.payload() == OLD
    before = secrets.states()
    assert 1 <= len(before) <= 3
    assert secrets.outcome(OLD)["action"] == "none"
    assert secrets.states() == before


def test_a_run_killed_half_way_leaves_no_half_version(secrets: Secrets, tmp_path: Path) -> None:
    names = [f"keytab-{number}" for number in range(4)]
    secrets.create(*names)
    payloads = dict.fromkeys(names, OLD)
    secrets.fault(ADD_VERSION, kind="delay", delay=1, after=2)
    process = secrets.start_process(tmp_path / "arguments.json", payloads)
    wait_for(lambda: sum(len(secrets.states(name)) for name in names) >= 2, "two versions")
    process.kill()
    process.communicate()
    secrets.heal()
    # Requests that were under way are finished by the cloud.
    time.sleep(1.2)
    assert {secrets.payload(name) for name in names if secrets.states(name)} == {OLD}
    result = secrets.apply(payloads)
    assert not result.get("failed"), result
    assert [secrets.states(name) for name in names] == [{"1": "ENABLED"}] * 4


def test_in_a_play_the_payload_is_nowhere(secrets: Secrets, tmp_path: Path) -> None:
    secrets.create("keytab-etl")
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {
                    "dataplatform.compute.secret_versions": {
                        "project": "local-project",
                        "compare": "keytab",
                        "versions": [{"secret": "keytab-etl", "payload_base64": encoded(OLD)}],
                    },
                    "register": "published",
                    "delegate_to": delegate,
                    "become": False,
                }
                for delegate in ("localhost",)
            ]
            + [{"ansible.builtin.debug": {"var": "published"}}],
        }
    ]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(play))
    for expected in ("changed=1", "changed=0"):
        shown = secrets.cloud.run("ansible-playbook", "-i", "localhost,", str(path), "--diff", "-vvv").stdout
        assert expected in shown
        assert encoded(OLD) not in shown.replace("\n", "")
        assert "k" * 16 not in shown
