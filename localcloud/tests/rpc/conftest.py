"""Google's own gRPC clients, in the tests' process: their channels lead to a server of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.cloud import dataproc_v1

HOST = "europe-west1-dataproc.googleapis.com"


@pytest.fixture(scope="session")
def connect() -> Callable[[Any, str | None], grpc.Channel]:
    """Return a function that opens a channel to a server with a token, or without one."""

    def connect_(server: Any, token: str | None) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials((server.home / "ca.pem").read_bytes())
        if token:
            credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
        proxy = f"http://127.0.0.1:{server.process['port']}"
        # Channels to one host would share a connection, also one whose client has another token.
        options = [("grpc.http_proxy", proxy), ("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(f"{HOST}:443", credentials, options)

    return connect_


@pytest.fixture(scope="session")
def token(server: Any) -> str:
    """An access token of the service account."""
    return server.token()


@pytest.fixture
def channel(server: Any, connect: Callable[[Any, str | None], grpc.Channel], token: str) -> Iterator[grpc.Channel]:
    """A channel with a token."""
    with connect(server, token) as opened:
        yield opened


@pytest.fixture
def client(channel: grpc.Channel) -> Callable[[str], Any]:
    """Return a function that makes a Dataproc client, such as client("ClusterController")."""

    def make(name: str) -> Any:
        kind = getattr(dataproc_v1, f"{name}Client")
        return kind(transport=kind.get_transport_class("grpc")(channel=channel))

    return make
