"""What the tests of releases share: one local cloud of their own, and the collection's client to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient

from tests.integration.conftest import LocalCloud, empty_localcloud, localcloud, started_localcloud

__all__ = ["empty_localcloud", "localcloud", "started_localcloud"]


@pytest.fixture(name="client")
def client_of_the_cloud(empty_localcloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleClient]:
    """A client of an empty local cloud, in this process."""
    for name, value in empty_localcloud.client_environment().items():
        monkeypatch.setenv(name, value)
    client = GoogleClient({"project": "local-project", "auth_kind": "application"})
    yield client
    client.close()
