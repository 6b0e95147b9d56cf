"""The stand-in for FreeIPA, once for all tests, known by its name to this process and to what it starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition

from tests.freeipa.stand_in import HOST, PASSWORD, REALM, USER, StandIn, missing, stand_in

# The cloud to which keytabs are published.
from tests.integration.conftest import empty_localcloud, localcloud, started_localcloud  # noqa: F401


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """A server, shared by tests that give their principals names of their own."""
    problem = missing()
    if problem:
        pytest.skip(f"SKIPPED, needs a Kerberos realm of its own: {problem}")
    with stand_in(tmp_path_factory.mktemp("ipa")) as started:
        yield started


@pytest.fixture
def ipa(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The server, reachable by its name from this process and its children; nothing was called yet."""
    resolve = socket.getaddrinfo

    def resolve_here(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == HOST else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
    for name, value in server.client_environment.items():
        monkeypatch.setenv(name, value)
    for name in ("IPA_HOST", "IPA_USER", "IPA_PASS", "IPA_KEYTAB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    server.switch(forget_calls=True)
    return server


def options(ipa: StandIn, **more: Any) -> dict[str, Any]:
    """The options of a task that name this server and its administrator."""
    return {
        "server": HOST,
        "realm": REALM,
        "user": USER,
        "password": PASSWORD,
        "ca_path": str(ipa.authority),
        "https_port": ipa.https_port,
        **more,
    }


def execute(definition: TaskDefinition, params: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    """Run a core as its shells do; the task's result."""
    defaults = {name: argument.get("default") for name, argument in definition.argument_spec.items()}
    return definition.execute({**defaults, **params}, Reporter(check_mode=check, diff=True))
