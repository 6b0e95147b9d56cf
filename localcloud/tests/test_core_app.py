"""The application around a service of the test's own, without sockets."""

from __future__ import annotations

import asyncio
import errno
import json
import sqlite3

import pytest
from starlette.responses import Response

from localcloud.app import Application
from localcloud.control import Control
from localcloud.credentials import ensure_service_account
from localcloud.errors import ApiError, NotServedError
from localcloud.faults import Faults
from localcloud.journal import Journal, read
from localcloud.oauth import OAuthService
from localcloud.settings import Settings
from localcloud.store import Store
from localcloud.tokens import Tokens

PATH = "/v1/projects/p/regions/r/clusters"


class Service:
    """Answers with, or raises, what the test says, and remembers what it was asked."""

    def __init__(self):
        self.outcome = {}
        self.asked = []

    async def handle(self, request, principal, method, parameters, body):
        self.asked.append((principal, method.id, parameters, request.state.query, body))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Storage:
    """Storage that fails as told."""

    outcome: Exception | None = None

    async def handle(self, _request, _principal):
        if self.outcome:
            raise self.outcome
        return Response(b"0123456789")


class World:
    """An application with its parts."""

    def __init__(self, home):
        settings = Settings(home)
        store = Store(settings.database_file)
        self.journal = Journal(settings.journal_file)
        self.faults = Faults(store)
        account = ensure_service_account(settings)
        self.tokens = Tokens(store, account)
        self.email = settings.service_account_email

        async def reset():
            return None

        control = Control("secret", self.faults, self.journal, reset)
        oauth = OAuthService(self.tokens, account)
        self.application = Application(self.journal, self.faults, self.tokens, oauth, control)
        self.service, self.storage = Service(), Storage()
        self.application.install({("dataproc", "v1"): self.service}, self.storage)

    def request(self, method, path, body=b"", host="dataproc.googleapis.com", query=b""):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        token = self.tokens.issue(self.email)
        scope = {
            "type": "http",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(b"host", host.encode()), (b"authorization", f"Bearer {token}".encode())],
            "state": {},
        }
        asyncio.run(self.application(scope, receive, send))
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], json.loads(content) if content[:1] in b"{[" else content

    def journalled(self):
        self.journal.flush()
        return list(read(self.journal.path))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_service_gets_a_routed_and_validated_request(world):
    world.service.outcome = {"done": True}
    status, answer = world.request("POST", PATH, b'{"cluster_name": "c"}', query=b"requestId=1&prettyPrint=false")
    assert (status, answer) == (200, {"done": True})
    assert world.service.asked == [
        (
            "localcloud@local-project.iam.gserviceaccount.com",
            "dataproc.projects.regions.clusters.create",
            {"projectId": "p", "region": "r"},
            {"requestId": "1"},
            {"clusterName": "c"},
        )
    ]


def test_an_error_of_a_service_is_rendered(world):
    world.service.outcome = ApiError(409, "Already exists: Cluster c", "ALREADY_EXISTS")
    status, answer = world.request("GET", PATH)
    assert (status, answer["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert world.journalled()[0]["served"] is True


def test_a_gap_of_a_service_is_journalled_as_unserved(world):
    world.service.outcome = NotServedError("dataproc.projects.regions.clusters.list")
    assert world.request("GET", PATH)[0] == 404
    assert world.journalled()[0]["served"] is False


def test_a_mistake_of_ours_is_a_400_that_says_so(world):
    world.service.outcome = KeyError("config")
    status, answer = world.request("GET", PATH)
    assert status == 400
    assert answer["error"]["status"] == "INTERNAL"
    assert "dataproc.projects.regions.clusters.list" in answer["error"]["message"]
    assert world.journalled()[0]["served"] is False


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_is_a_400(world, failure):
    world.storage.outcome = failure
    status, answer = world.request("GET", "/storage/v1/b/x", host="storage.googleapis.com")
    assert status == 400
    assert answer["error"]["errors"][0]["reason"] == "diskFull"
    assert "Free some space" in answer["error"]["message"]


def test_half_of_a_storage_answer(world):
    world.faults.add({"kind": "truncate", "method": "storage.buckets.get", "count": 1})
    status, content = world.request("GET", "/storage/v1/b/x", host="storage.googleapis.com")
    assert (status, content) == (200, b"01234")
    assert world.request("GET", "/storage/v1/b/x", host="storage.googleapis.com") == (200, b"0123456789")
    entries = world.journalled()
    assert [entry.get("fault") for entry in entries] == ["truncate", None]
    assert [entry["status"] for entry in entries] == [0, 200]


@pytest.mark.parametrize(
    ("path", "method_id"),
    [
        ("/storage/v1/b/x/o/a%2Fb", "storage.objects.get"),
        ("/upload/storage/v1/b/x/o", "storage.objects.insert"),
        ("/bucket/object", "storage.xml.get"),
    ],
)
def test_storage_requests_have_method_ids(world, path, method_id):
    world.request("GET", path, host="storage.googleapis.com")
    assert world.journalled()[0]["method_id"] == method_id


def test_another_host_gets_nothing(world):
    assert world.request("GET", PATH, host="dataproc.example.org")[0] == 403
    assert world.service.asked == []
