"""The metadata server of a node, asked over HTTP and by google-auth."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from localcloud.metadata import Machine, MetadataServer

ADDRESS = "127.22.9.1"


@pytest.fixture
def served() -> Iterator[MetadataServer]:
    machine = Machine(
        name="shared-w-0",
        project="local-project",
        project_number="1234",
        zone="europe-west1-b",
        machine_type="n2-standard-4",
        email="node@local-project.iam.gserviceaccount.com",
        attributes={"dataproc-role": "Worker", "empty": ""},
        issue_token=lambda: {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"},
    )
    server = MetadataServer(machine, ADDRESS)
    yield server
    server.stop()


def get(server: MetadataServer, path: str, flavor: str = "Google", **headers: str) -> tuple[int, str, dict[str, str]]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://{server.host}{path}", headers={"Metadata-Flavor": flavor, **headers})
    try:
        with opener.open(request, timeout=20) as response:
            return response.status, response.read().decode(), dict(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("instance/name", "shared-w-0"),
        ("instance/zone", "projects/1234/zones/europe-west1-b"),
        ("instance/machine-type", "projects/1234/machineTypes/n2-standard-4"),
        ("instance/preempted", "FALSE"),
        ("instance/attributes/dataproc-role", "Worker"),
        ("instance/attributes/empty", ""),
        ("instance/attributes/", "dataproc-role\nempty\n"),
        ("instance/service-accounts/default/email", "node@local-project.iam.gserviceaccount.com"),
        ("project/project-id", "local-project"),
        ("project/numeric-project-id", "1234"),
        ("project/", "attributes/\nnumeric-project-id\nproject-id\n"),
    ],
)
def test_values(served: MetadataServer, path: str, expected: str) -> None:
    status, text, headers = get(served, f"/computeMetadata/v1/{path}")
    assert (status, text) == (200, expected)
    assert headers["Metadata-Flavor"] == "Google"
    assert headers["ETag"]


def test_recursive_answers_are_json_without_tokens(served: MetadataServer) -> None:
    _, text, _ = get(served, "/computeMetadata/v1/instance/?recursive=true")
    instance = json.loads(text)
    assert instance["attributes"] == {"dataproc-role": "Worker", "empty": ""}
    assert set(instance["service-accounts"]["default"]) == {"aliases", "email", "scopes"}


def test_a_request_without_the_header_is_refused(served: MetadataServer) -> None:
    assert get(served, "/computeMetadata/v1/instance/name", flavor="")[0] == 403
    assert get(served, "/computeMetadata/v1/instance/name", **{"X-Forwarded-For": "127.0.0.1"})[0] == 403


@pytest.mark.parametrize("path", ["instance/nothing", "instance/name/deeper", "instance/attributes/nothing"])
def test_unknown_values_are_not_found(served: MetadataServer, path: str) -> None:
    assert get(served, f"/computeMetadata/v1/{path}")[0] == 404


def test_paths_of_other_versions_are_not_found(served: MetadataServer) -> None:
    assert get(served, "/computeMetadata/v1beta1/instance/name")[0] == 404


def test_waiting_for_preemption(served: MetadataServer) -> None:
    path = "/computeMetadata/v1/instance/preempted?wait_for_change=true"
    etag = get(served, "/computeMetadata/v1/instance/preempted")[2]["ETag"]
    answers: list[str] = []

    def wait() -> None:
        answers.append(get(served, f"{path}&last_etag={etag}")[1])

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    assert answers == []
    served.machine.preempt()
    waiting.join()
    # Without the notice the request would not be answered at all, and fail at the end of its own patience.
    assert answers == ["TRUE"]
    # Who knew another value before is answered at once.
    assert get(served, f"{path}&last_etag=0")[1] == "TRUE"


def test_waiting_ends_after_the_time_that_was_asked_for(served: MetadataServer) -> None:
    started = time.monotonic()
    assert get(served, "/computeMetadata/v1/instance/preempted?wait_for_change=true&timeout_sec=0.2")[1] == "FALSE"
    assert time.monotonic() - started >= 0.2
    assert get(served, "/computeMetadata/v1/instance/preempted?wait_for_change=true&timeout_sec=x")[0] == 400


def test_google_auth_takes_a_token_from_it(served: MetadataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.compute_engine import _metadata
    from google.auth.transport.requests import Request

    monkeypatch.setenv("GCE_METADATA_HOST", served.host)
    monkeypatch.setattr(_metadata, "_METADATA_ROOT", f"http://{served.host}/computeMetadata/v1/", raising=False)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", served.host, raising=False)
    assert _metadata.get_service_account_token(Request())[0] == "ya29.x"


def test_two_nodes_have_the_same_port_on_their_own_addresses(served: MetadataServer) -> None:
    other = MetadataServer(served.machine, "127.22.9.2")
    try:
        assert (other.host, served.host) == ("127.22.9.2:8780", f"{ADDRESS}:8780")
        third = MetadataServer(served.machine, ADDRESS)
        assert third.port not in (0, served.port)
        third.stop()
    finally:
        other.stop()
