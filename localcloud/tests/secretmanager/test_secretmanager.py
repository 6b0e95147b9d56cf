"""Secrets and their versions as clients meet them: recorded answers, states, payloads, pages and refusals."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
import requests

RECORDED = json.loads((Path(__file__).parent.parent / "fixtures" / "secretmanager.json").read_text())
SECRETS = "https://secretmanager.googleapis.com/v1/projects/local-project/secrets"
NUMBERS = itertools.count(1)


@pytest.fixture
def name() -> str:
    return f"secret-{next(NUMBERS)}"


@pytest.fixture
def secret(session: requests.Session, name: str) -> Iterator[str]:
    """The address of a secret without versions."""
    made = session.post(SECRETS, params={"secretId": name}, json=RECORDED["automatic"]["request"])
    assert made.status_code == 200, made.text
    yield f"{SECRETS}/{name}"
    session.delete(f"{SECRETS}/{name}")


def expected(value: Any, name: str) -> Any:
    """A recorded value with this secret's name."""
    return json.loads(json.dumps(value).replace("SECRET", name))


def shown(answer: dict[str, Any]) -> Any:
    """An answer with * for what differs each time, and NUMBER for the project's."""
    known = {**answer, **{field: "*" for field in ("createTime", "etag") if answer.get(field)}}
    if "name" in known:
        parts = known["name"].split("/")
        known["name"] = "/".join(["projects", "NUMBER", *parts[2:]])
    return known


def add(session: requests.Session, secret: str, data: bytes, **more: str) -> requests.Response:
    payload = {"data": base64.b64encode(data).decode(), **more}
    return session.post(f"{secret}:addVersion", json={"payload": payload})


def states(session: requests.Session, secret: str) -> list[str]:
    """States of all versions, newest first."""
    return [one["state"] for one in session.get(f"{secret}/versions").json().get("versions", [])]


@pytest.mark.parametrize("kind", ["automatic", "user managed"])
def test_a_secret_and_its_version_are_answered_as_google_did(session: requests.Session, name: str, kind: str) -> None:
    missing = session.get(f"{SECRETS}/{name}")
    wanted = expected(RECORDED["missing"], name)
    error = missing.json()["error"]
    assert (missing.status_code, error["status"]) == (404, wanted["status"])
    number = error["message"].split("/")[1]
    assert error["message"] == wanted["message"].replace("NUMBER", number)
    made = session.post(SECRETS, params={"secretId": name}, json=RECORDED[kind]["request"]).json()
    assert shown(made) == expected(RECORDED[kind]["answer"], name)
    assert made["name"].split("/")[1] == number
    assert session.get(f"{SECRETS}/{name}").json() == made
    assert shown(add(session, f"{SECRETS}/{name}", b"x").json()) == expected(RECORDED[kind]["version"], name)
    deleted = session.delete(f"{SECRETS}/{name}")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert session.get(f"{SECRETS}/{name}").status_code == 404


def test_a_policy_is_answered_as_google_did(session: requests.Session, secret: str) -> None:
    assert shown(session.get(f"{secret}:getIamPolicy").json()) == RECORDED["empty policy"]
    policy = RECORDED["policy"]
    written = session.post(f"{secret}:setIamPolicy", json={"policy": policy["request"]}).json()
    assert shown(written) == policy["answer"]
    assert session.get(f"{secret}:getIamPolicy").json() == written


def test_a_payload_comes_back_with_its_checksum(session: requests.Session, secret: str) -> None:
    data = bytes(range(256))
    assert add(session, secret, data, dataCrc32c=str(google_crc32c.value(data))).status_code == 200
    answer = session.get(f"{secret}/versions/latest:access").json()
    assert base64.b64decode(answer["payload"]["data"]) == data
    assert int(answer["payload"]["dataCrc32c"]) == google_crc32c.value(data)
    assert answer["name"].endswith("/versions/1")


@pytest.mark.parametrize("text", ["BQIA/w==", "BQIA_w==", "BQIA_w"])
def test_both_alphabets_of_base64_are_the_same_bytes(session: requests.Session, secret: str, text: str) -> None:
    assert session.post(f"{secret}:addVersion", json={"payload": {"data": text}}).status_code == 200
    answer = session.get(f"{secret}/versions/1:access").json()
    assert answer["payload"]["data"] == "BQIA/w=="


def test_what_is_no_base64_is_refused(session: requests.Session, secret: str) -> None:
    refused = session.post(f"{secret}:addVersion", json={"payload": {"data": "BQ*IA"}})
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert states(session, secret) == []


@pytest.mark.parametrize(
    ("data", "more", "words"),
    [
        (b"", {}, "Secret Payload cannot be empty."),
        (b"x" * 65537, {}, "more than the maximum of 65536 bytes"),
        (b"x", {"dataCrc32c": "1"}, "damaged on its way"),
    ],
    ids=["empty", "too-large", "damaged"],
)
def test_a_wrong_payload_adds_nothing(
    session: requests.Session, secret: str, data: bytes, more: dict[str, str], words: str
) -> None:
    refused = add(session, secret, data, **more)
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in refused.json()["error"]["message"]
    assert states(session, secret) == []


def test_latest_is_the_newest_in_whatever_state(session: requests.Session, secret: str) -> None:
    add(session, secret, b"one")
    add(session, secret, b"two")
    session.post(f"{secret}/versions/2:disable", json={})
    assert states(session, secret) == ["DISABLED", "ENABLED"]
    refused = session.get(f"{secret}/versions/latest:access")
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "is in DISABLED state" in refused.json()["error"]["message"]
    session.post(f"{secret}/versions/2:enable", json={})
    assert session.get(f"{secret}/versions/latest:access").status_code == 200


def test_what_is_destroyed_is_gone_for_good(session: requests.Session, secret: str, server: Any) -> None:
    add(session, secret, b"a payload nobody shall find again")
    directory = server.settings.secrets_directory
    kept = {path.name for path in directory.iterdir() if b"nobody shall find" in path.read_bytes()}
    assert len(kept) == 1
    destroyed = session.post(f"{secret}/versions/1:destroy", json={}).json()
    assert destroyed["state"] == "DESTROYED"
    assert destroyed["destroyTime"]
    assert not kept & {path.name for path in directory.iterdir()}
    for verb in ("enable", "disable", "destroy"):
        again = session.post(f"{secret}/versions/1:{verb}", json={})
        assert (again.status_code, again.json()["error"]["status"]) == (400, "FAILED_PRECONDITION"), verb


def test_an_outdated_etag_changes_nothing(session: requests.Session, secret: str) -> None:
    etag = session.get(secret).json()["etag"]
    change = {"labels": {"team": "sales"}, "etag": etag}
    assert session.patch(secret, params={"updateMask": "labels"}, json=change).status_code == 200
    late = session.patch(secret, params={"updateMask": "labels"}, json={**change, "labels": {"team": "late"}})
    assert (late.status_code, late.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert session.get(secret).json()["labels"] == {"team": "sales"}
    fixed = session.patch(secret, params={"updateMask": "replication"}, json={"replication": {"automatic": {}}})
    assert "Invalid update_mask: replication" in fixed.json()["error"]["message"]


def test_lists_have_pages_and_filters(session: requests.Session, secret: str) -> None:
    for number in range(3):
        add(session, secret, f"{number}".encode())
    first = session.get(f"{secret}/versions", params={"pageSize": 2}).json()
    assert [one["name"].rpartition("/")[2] for one in first["versions"]] == ["3", "2"]
    assert first["totalSize"] == 3
    rest = session.get(f"{secret}/versions", params={"pageSize": 2, "pageToken": first["nextPageToken"]}).json()
    assert [one["name"].rpartition("/")[2] for one in rest["versions"]] == ["1"]
    assert "nextPageToken" not in rest
    session.post(f"{secret}/versions/3:disable", json={})
    enabled = session.get(f"{secret}/versions", params={"filter": "state:ENABLED"}).json()
    assert len(enabled["versions"]) == 2
    assert session.get(f"{secret}/versions", params={"filter": "nonsense"}).status_code == 400


def test_payloads_are_for_their_owner_alone_and_in_no_database(own_server: Any) -> None:
    session = own_server.session()
    session.post(SECRETS, params={"secretId": "kept"}, json=RECORDED["automatic"]["request"])
    add(session, f"{SECRETS}/kept", b"a payload to look for")
    own_server.kill()
    found = [
        path for path in own_server.home.rglob("*") if path.is_file() and b"a payload to look" in path.read_bytes()
    ]
    assert [path.parent for path in found] == [own_server.settings.secrets_directory]
    assert [path.stat().st_mode & 0o777 for path in [*found, found[0].parent]] == [0o600, 0o700]
    own_server.up()
    answer = own_server.session().get(f"{SECRETS}/kept/versions/latest:access").json()
    assert base64.b64decode(answer["payload"]["data"]) == b"a payload to look for"
