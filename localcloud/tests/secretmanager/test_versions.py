"""Versions of secrets, called as the service calls them."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.clock import Clock
from localcloud.errors import ApiError
from localcloud.iam.policies import Policies
from localcloud.secretmanager.names import SecretName
from localcloud.secretmanager.payloads import Payloads
from localcloud.secretmanager.secrets import Secrets
from localcloud.secretmanager.versions import Versions
from localcloud.store import Store

SECRET = SecretName("local-project", "keytab")


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    store, clock = Store(tmp_path / "state.sqlite"), Clock()
    secrets = Secrets(store, Policies(store, lambda _account: True, lambda _role: True), clock)
    secrets.create(SECRET, {"replication": {"automatic": {}}})
    return Versions(store, Payloads(tmp_path / "payloads"), secrets, clock)


@pytest.mark.parametrize("sent", ["-_-_-w==", "-_-_-w", "+/+/+w==", "+/+/+w"])
def test_a_payload_is_the_same_bytes_in_either_alphabet_with_or_without_padding(versions: Versions, sent: str) -> None:
    versions.add(SECRET, {"payload": {"data": sent}})
    data = versions.access(replace(SECRET, version="latest"))["payload"]["data"]
    assert base64.b64decode(data) == b"\xfb\xff\xbf\xfb"


def test_a_version_that_only_looks_like_a_number_is_not_found(versions: Versions) -> None:
    versions.add(SECRET, {"payload": {"data": "YQ=="}})
    with pytest.raises(ApiError) as refused:
        versions.get(replace(SECRET, version="\u00b2"))
    assert refused.value.code == 404
