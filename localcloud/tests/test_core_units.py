"""The small parts of the core, each alone."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from localcloud import partial, routing, supervise
from localcloud.cli import main
from localcloud.clock import Clock
from localcloud.environment import client_environment, merged_environment
from localcloud.errors import ApiError, NotServedError, error_response
from localcloud.faults import Fault, Faults
from localcloud.files import write_private, write_public
from localcloud.journal import Journal, read
from localcloud.names import camel_case, snake_case
from localcloud.paging import page
from localcloud.settings import Settings
from localcloud.store import Store, disk_full


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "state.sqlite")


# errors


def test_one_platform_errors_have_a_status_and_no_errors_list():
    body = ApiError(404, "Not found: Cluster c").body(legacy=False)
    assert body == {"error": {"code": 404, "message": "Not found: Cluster c", "status": "NOT_FOUND"}}


def test_legacy_errors_have_an_errors_list():
    response = error_response(ApiError(412, "no", reason="conditionNotMet"), legacy=True)
    assert response.status_code == 412
    assert json.loads(response.body) == {
        "error": {
            "code": 412,
            "message": "no",
            "errors": [{"message": "no", "domain": "global", "reason": "conditionNotMet"}],
        }
    }


def test_operation_errors_carry_rpc_codes():
    assert ApiError(429, "quota").rpc_status() == {"code": 8, "message": "quota"}


def test_unserved_is_a_404_that_names_the_method():
    error = NotServedError("composer.projects.locations.environments.list")
    assert error.code == 404
    assert "composer.projects.locations.environments.list" in error.message


# store


def test_store_round_trip_and_order(store):
    for key in ("b", "a", "c"):
        store.put(key, "things", {"key": key})
    store.put("d", "others", {})
    assert [key for key, _ in store.list("things")] == ["a", "b", "c"]
    assert [key for key, _ in store.list("things", after="a", limit=1)] == ["b"]
    assert store.get("b") == {"key": "b"}
    assert not store.create("b", "things", {"key": "other"})
    assert store.get("b") == {"key": "b"}
    assert store.delete("b")
    assert not store.delete("b")
    assert store.get("b") is None


def test_a_failed_transaction_keeps_nothing(store):
    with pytest.raises(ValueError, match="stop"), store.transaction():
        store.put("a", "things", {})
        with store.transaction():
            store.put("b", "things", {})
        raise ValueError("stop")
    assert store.list("things") == []


def test_a_full_disk_keeps_nothing(store):
    store.put("a", "things", {"version": 1})
    token = disk_full.set(True)
    try:
        with pytest.raises(Exception, match="full"):
            store.put("a", "things", {"version": 2})
    finally:
        disk_full.reset(token)
    assert store.get("a") == {"version": 1}
    store.put("a", "things", {"version": 3})
    assert store.get("a") == {"version": 3}


def test_the_database_is_private(tmp_path):
    Store(tmp_path / "state.sqlite")
    assert stat.S_IMODE((tmp_path / "state.sqlite").stat().st_mode) == 0o600


# files


def test_files_are_replaced_whole_with_their_modes(tmp_path):
    secret, public = tmp_path / "key", tmp_path / "certificate"
    secret.write_text("old")
    secret.chmod(0o644)
    write_private(secret, b"new")
    write_public(public, b"x")
    assert secret.read_bytes() == b"new"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificate", "key"]


# clock


def test_paces():
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert Clock("fast", lambda: now).after(100) == now + timedelta(seconds=1)
    assert Clock("real", lambda: now).after(100) == now + timedelta(seconds=100)
    assert Clock("real", lambda: now).timestamp() == "2026-01-02T00:00:00.000000Z"


def test_an_unknown_pace_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'slow', expected one of: real, fast"):
        Settings(tmp_path, pace="slow")


# names and partial responses


@pytest.mark.parametrize(
    ("camel", "snake"),
    [("numInstances", "num_instances"), ("diskSizeGb", "disk_size_gb"), ("policyUri", "policy_uri"), ("id", "id")],
)
def test_spellings(camel, snake):
    assert snake_case(camel) == snake
    assert camel_case(snake) == camel


ANSWER = {
    "items": [{"name": "a", "size": "1", "owner": {"id": "x", "kind": "user"}}, {"name": "b"}],
    "nextPageToken": "t",
    "kind": "list",
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("kind", {"kind": "list"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(name,owner/id),kind", {"items": [{"name": "a", "owner": {"id": "x"}}, {"name": "b"}], "kind": "list"}),
        ("nextPageToken,prefixes,items(name)", {"nextPageToken": "t", "items": [{"name": "a"}, {"name": "b"}]}),
        ("*", ANSWER),
        ("items(*)", {"items": ANSWER["items"]}),
        ("next_page_token", {"nextPageToken": "t"}),
    ],
)
def test_fields(fields, expected):
    assert partial.select(ANSWER, fields) == expected


@pytest.mark.parametrize("fields", ["items(name", "items)", "", ",", "items()", "a,,b"])
def test_invalid_fields(fields):
    with pytest.raises(ApiError, match="Invalid value for parameter fields"):
        partial.select(ANSWER, fields)


# paging


def test_pages_lose_and_repeat_nothing_while_items_come_and_go():
    def numbers(items: list[str], token: str | None = None, size: int | None = 4) -> dict:
        return page(items, "numbers", str, size=size, token=token)

    items = [f"k{number:02d}" for number in range(10)]
    first = numbers(items)
    assert first["numbers"] == items[:4]
    added = ["k000", *items]
    second = numbers(added, first["nextPageToken"])
    assert second["numbers"] == items[4:8]
    assert numbers(items[1:], first["nextPageToken"])["numbers"] == items[4:8]
    assert numbers(added, second["nextPageToken"]) == {"numbers": items[8:]}
    assert numbers([]) == {}
    for token, size in (("%%%", 4), (None, -1)):
        with pytest.raises(ApiError) as caught:
            numbers(items, token, size)
        assert caught.value.code == 400


# routing


@pytest.mark.parametrize(
    ("host", "path", "api", "version"),
    [
        ("dataproc.googleapis.com", "/v1/projects", "dataproc", "v1"),
        ("europe-west1-dataproc.googleapis.com", "/v1/projects", "dataproc", "v1"),
        ("storage.googleapis.com", "/storage/v1/b", "storage", "v1"),
        ("bucket.storage.googleapis.com", "/object", "storage", "v1"),
        ("www.googleapis.com", "/storage/v1/b", "storage", "v1"),
        ("www.googleapis.com", "/upload/storage/v1/b/x/o", "storage", "v1"),
        ("www.googleapis.com", "/resumable/upload/storage/v1/b/x/o", "storage", "v1"),
        ("www.googleapis.com", "/batch/storage/v1", "storage", "v1"),
        ("www.googleapis.com", "/compute/v1/projects/p", "compute", "v1"),
        ("compute.googleapis.com", "/compute/v1/projects/p", "compute", "v1"),
        ("dns.googleapis.com", "/dns/v1/projects/p", "dns", "v1"),
        ("www.googleapis.com", "/oauth2/v3/userinfo", "oauth2", "v2"),
        ("oauth2.googleapis.com", "/token", "oauth2", "v2"),
        ("cloudresourcemanager.googleapis.com", "/v3/projects/p", "cloudresourcemanager", "v3"),
    ],
)
def test_targets(host, path, api, version):
    assert routing.SERVED_HOSTS.fullmatch(host)
    assert routing.target_of(host, path) == routing.Target(api, version)


@pytest.mark.parametrize(
    "host",
    [
        "pypi.org",
        "googleapis.com.evil.org",
        "evilgoogleapis.com",
        "google.com",
        "127.0.0.1",
        "169.254.169.254",
        "",
        "a.b.googleapis.com",
    ],
)
def test_hosts_that_are_not_served(host):
    assert not routing.SERVED_HOSTS.fullmatch(host)


# journal


def entry(**changes):
    return {
        "started": 1.5,
        "duration": 0.25,
        "method_id": "storage.objects.get",
        "http_method": "GET",
        "host": "storage.googleapis.com",
        "path": "/storage/v1/b/x/o/y",
        "query": "",
        "status": 200,
        "served": True,
        **changes,
    }


def test_the_journal_keeps_no_secrets(tmp_path):
    journal = Journal(tmp_path / "requests.jsonl")
    journal.record(**entry(query="upload_id=abc&fields=name&access_token=ya29&X-Goog-Signature=ff"))
    journal.flush()
    line = (tmp_path / "requests.jsonl").read_text()
    assert "ya29" not in line
    assert "abc" not in line
    assert "ff" not in line.replace("X-Goog-Signature", "")
    (found,) = read(tmp_path / "requests.jsonl")
    assert "fields=name" in found["query"]
    assert found["served"] is True
    assert stat.S_IMODE((tmp_path / "requests.jsonl").stat().st_mode) == 0o600


def test_a_line_cut_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / "requests.jsonl"
    journal = Journal(path)
    journal.record(**entry())
    journal.flush()
    with path.open("a") as stream:
        stream.write('{"time": "20')
    assert len(list(read(path))) == 1


def test_a_journal_that_cannot_be_written_harms_nobody(tmp_path):
    journal = Journal(tmp_path / "missing" / "requests.jsonl")
    journal.record(**entry())
    journal.flush()


# faults


def test_fault_counts_and_persists(store):
    faults = Faults(store)
    faults.add({"method": "dataproc.*.create", "status": "503", "count": 2, "after": 1})
    name = "dataproc.projects.regions.clusters.create"
    assert faults.for_request("dataproc.projects.regions.clusters.get")[1] is None
    outcomes = [faults.for_request(name)[1] is not None]
    faults = Faults(store)
    outcomes += [faults.for_request(name)[1] is not None for _ in range(3)]
    assert outcomes == [False, True, True, False]
    assert not faults.active
    assert not Faults(store).active


def test_delays_add_up_and_do_not_hide_other_faults(store):
    faults = Faults(store)
    faults.add({"kind": "delay", "delay": 0.5})
    faults.add({"kind": "status", "status": "429", "retry_after": 7, "delay": 0.25})
    delay, fault = faults.for_request("anything")
    assert delay == 0.75
    assert fault.error().code == 429
    assert fault.error().headers == {"Retry-After": "7"}


def test_operation_faults_leave_requests_alone(store):
    faults = Faults(store)
    faults.add({"kind": "operation-error", "status": "429"})
    assert faults.for_request("x") == (0.0, None)
    assert faults.for_operation("x") == {"kind": "operation-error", "status": "RESOURCE_EXHAUSTED", "message": ""}


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"kind": "truncat"}, "did you mean 'truncate'"),
        ({"kind": "status", "status": "200"}, "from 400 to 599"),
        ({"kind": "status"}, "from 400 to 599"),
        ({"kind": "status", "status": 503}, "status is 503, expected text"),
        ({"kind": "reset", "count": "two"}, "count is 'two', expected a number"),
        ({"kind": "operation-error", "status": "BAD"}, "RESOURCE_EXHAUSTED"),
        ({"kind": "delay"}, "delay is 0"),
        ({"kind": "reset", "count": -1}, "count is -1"),
        ({"methd": "x"}, "did you mean 'method'"),
    ],
)
def test_faults_that_could_never_work_are_refused(store, description, message):
    with pytest.raises(ValueError, match=message):
        Faults(store).add(description)


def test_a_glob_matches_whole_method_ids():
    assert Fault(method="storage.objects.*", status="500").matches("storage.objects.insert")
    assert not Fault(method="storage.objects", status="500").matches("storage.objects.insert")


# environment


def test_ours_wins_over_preset_variables(tmp_path):
    variables = client_environment(Settings(tmp_path, port=1234))
    preset = {
        "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
        "https_proxy": "http://corporate:3128",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": "/home/me/token",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC": "https://elsewhere/",
        "STORAGE_EMULATOR_HOST": "http://elsewhere",
        "PATH": "/usr/bin",
    }
    merged = merged_environment(variables, preset)
    assert merged["https_proxy"] == merged["HTTPS_PROXY"] == "http://127.0.0.1:1234"
    assert merged["REQUESTS_CA_BUNDLE"] == str(tmp_path / "bundle.pem")
    assert merged["PATH"] == "/usr/bin"
    assert not {"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "STORAGE_EMULATOR_HOST"} & set(merged)
    assert not any(name.startswith("CLOUDSDK_API_ENDPOINT") for name in merged)
    assert all(isinstance(value, str) for value in variables.values())


def test_a_server_that_is_there_and_does_not_answer_is_neither_up_nor_gone(tmp_path, monkeypatch):
    settings = Settings(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = {"pid": os.getpid(), "port": silent.getsockname()[1], "secret": "s"}
        settings.process_file.write_text(json.dumps(process))
        message = rf"the server \(process {os.getpid()}\) has not answered within 0.1 s. Next step: wait, or end it"
        with pytest.raises(supervise.NoAnswerError, match=message):
            supervise.running(settings, 0.1)
        settings.environment_file.write_text("{}")
        running = supervise.running
        monkeypatch.setattr(supervise, "running", lambda settings: running(settings, 0.1))
        for command in ("status", "env", "requests", "down", "reset --yes", "fault list"):
            shown = CliRunner().invoke(main, command.split(), env={"LOCALCLOUD_HOME": str(tmp_path)})
            assert (shown.exit_code, bool(re.search(message, shown.output))) == (1, True), command
    assert running(settings) is None, "a port where nobody listens"
