"""gcp_resources when something goes wrong: faults of Google, lost answers, interruptions, others at work."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import client as client_module
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import RetryPolicy

from tests.integration.google import wait_for
from tests.integration.resources_support import (
    BUCKETS,
    CHANGED,
    CLUSTERS,
    MAKERS,
    POLICIES,
    SECRETS,
    TEMPLATES,
    Resources,
    cluster,
    fresh_resources,
    policy,
    template,
)

METHODS = {
    POLICIES: "dataproc.projects.regions.autoscalingPolicies",
    TEMPLATES: "dataproc.projects.regions.workflowTemplates",
    CLUSTERS: "dataproc.projects.regions.clusters",
    BUCKETS: "storage.buckets",
    SECRETS: "secretmanager.projects.secrets",
}
QUICK_KINDS = pytest.mark.parametrize("kind", [POLICIES, TEMPLATES, BUCKETS])
PASSING = pytest.mark.parametrize(
    "fault",
    [{"status": 429}, {"status": 500}, {"status": 503}, {"kind": "reset"}, {"kind": "truncate"}],
    ids=["429", "500", "503", "reset", "half-an-answer"],
)


@pytest.fixture
def resources(empty_localcloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    quick = functools.partial(RetryPolicy, attempts=4, first_wait=0.05)
    monkeypatch.setattr(client_module, "RetryPolicy", quick)
    yield from fresh_resources(empty_localcloud, monkeypatch)


@QUICK_KINDS
@PASSING
def test_passing_faults_of_every_call_are_survived(resources: Resources, kind: str, fault: dict[str, Any]) -> None:
    make = MAKERS[kind]
    names = ["first-one", "second-one"]
    resources.fault(f"{METHODS[kind]}.*", count=2, **fault)
    assert resources.actions(kind, [make(name) for name in names]) == ["create", "create"]
    resources.heal()
    assert resources.actions(kind, [make(name) for name in names]) == ["none", "none"]
    update = "patch" if kind == BUCKETS else "update"
    resources.fault(f"{METHODS[kind]}.{update}", count=1, **fault)
    assert resources.actions(kind, [make(name, CHANGED[kind]) for name in names]) == ["update", "update"]
    resources.heal()
    assert resources.actions(kind, [make(name, CHANGED[kind]) for name in names]) == ["none", "none"]
    resources.fault(f"{METHODS[kind]}.delete", count=1, **fault)
    assert resources.actions(kind, [], purge=True) == ["delete", "delete"]
    assert resources.live(kind) == {}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_lost_answer_to_a_creation_is_no_conflict(resources: Resources, kind: str) -> None:
    """Google created it, but the answer was cut off: the repeated request must not be taken for somebody else's."""
    create = "insert" if kind == BUCKETS else "create"
    resources.fault(f"{METHODS[kind]}.{create}", kind="truncate", count=1)
    wanted = MAKERS[kind]("first-one")
    result = resources.apply(kind, [wanted])
    assert not result.get("failed"), result["msg"]
    assert [one["action"] for one in result["results"]] == ["create"]
    resources.heal()
    assert resources.actions(kind, [wanted]) == ["none"]


def test_a_lost_answer_to_an_update_under_an_etag_is_no_lost_race(resources: Resources) -> None:
    """The repeated request has an outdated etag, which Secret Manager calls a failed precondition."""
    resources.actions(SECRETS, [MAKERS[SECRETS]("first-one")])
    resources.fault(f"{METHODS[SECRETS]}.patch", kind="truncate", count=1)
    wanted = MAKERS[SECRETS]("first-one", CHANGED[SECRETS])
    assert resources.actions(SECRETS, [wanted]) == ["update"]
    assert resources.actions(SECRETS, [wanted]) == ["none"]


@pytest.mark.parametrize(
    ("fault", "error_type", "words"),
    [
        ({"status": 403}, "ForbiddenError", "Grant the account the missing permission"),
        ({"status": 404}, "NotFoundError", "answered 404"),
        ({"status": 429}, "RateLimitedError", "(after 4 attempts)"),
        ({"status": 500}, "UnavailableError", "(after 4 attempts)"),
        ({"status": 503}, "UnavailableError", "a repeated run continues"),
        ({"kind": "reset"}, "TransportError", "got no whole answer (after 4 attempts)"),
        ({"kind": "truncate"}, "TransportError", "got no whole answer (after 4 attempts)"),
    ],
    ids=["403", "404", "429", "500", "503", "reset", "half-an-answer"],
)
def test_a_list_that_cannot_be_had_is_one_clear_error(
    resources: Resources, fault: dict[str, Any], error_type: str, words: str
) -> None:
    resources.fault(f"{METHODS[POLICIES]}.list", **fault)
    result = resources.apply(POLICIES, [policy()])
    assert result["failed"]
    assert result["error"]["type"] == error_type
    assert words in result["msg"]
    assert not resources.writes()


@QUICK_KINDS
def test_one_failing_change_neither_stops_nor_hides_the_others(resources: Resources, kind: str) -> None:
    create = "insert" if kind == BUCKETS else "create"
    wanted = [MAKERS[kind](f"number-{number}") for number in range(5)]
    resources.fault(f"{METHODS[kind]}.{create}", status=403, after=2, count=1)
    result = resources.apply(kind, wanted, concurrency=1)
    assert result["failed"]
    assert result["changed"], "four of five were created"
    assert [one.get("failed", False) for one in result["results"]] == [False, False, True, False, False]
    assert result["results"][2]["error"]["status_code"] == 403
    assert result["summary"] == "5 resources: 4 create, 1 failed"
    assert "1 of 5 changes" in result["msg"]
    assert "number-2: create failed:" in result["msg"]
    assert sorted(resources.live(kind)) == ["number-0", "number-1", "number-3", "number-4"]
    assert resources.actions(kind, wanted) == ["none", "none", "create", "none", "none"]


@pytest.mark.parametrize("equal", [True, False], ids=["exactly as wanted", "different"])
@QUICK_KINDS
def test_somebody_else_creates_it_at_the_same_moment(resources: Resources, kind: str, equal: bool) -> None:
    make = MAKERS[kind]
    wanted = make("first-one")
    theirs = wanted if equal else make("first-one", CHANGED[kind])
    theirs = {**theirs, "labels": {"managed-by": "dataplatform-compute"}}
    with resources.before_the_first_write(lambda: resources.create_outside(kind, theirs)):
        result = resources.apply(kind, [wanted])
    if equal:
        assert [one["action"] for one in result["results"]] == ["none"], result
        assert "somebody else created it at the same time" in result["results"][0]["message"]
    else:
        assert result["failed"]
        assert "somebody else created first-one at the same time, and it differs in" in result["msg"]
        assert resources.actions(kind, [wanted]) == ["update"]


@pytest.mark.parametrize("kind", [TEMPLATES, BUCKETS])
def test_a_change_by_somebody_else_in_between_is_not_lost(resources: Resources, kind: str) -> None:
    make = MAKERS[kind]
    resources.apply(kind, [make("first-one")])
    change, theirs = ({**make("first-one", CHANGED[kind]), "labels": {"by": by}} for by in ("us", "them"))
    with resources.before_the_first_write(lambda: resources.actions(kind, [theirs])):
        result = resources.apply(kind, [change])
    assert result["failed"]
    assert "somebody else changed first-one at the same time" in result["msg"]
    assert resources.live(kind)["first-one"]["labels"]["by"] == "them"


@QUICK_KINDS
def test_two_runs_at_once_end_in_the_desired_state(resources: Resources, kind: str) -> None:
    wanted = [MAKERS[kind](f"number-{number}") for number in range(8)]
    results: list[dict[str, Any]] = []
    runs = [threading.Thread(target=lambda: results.append(resources.apply(kind, wanted))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [result.get("msg") for result in results if result.get("failed")] == []
    created = [one["id"] for result in results for one in result["results"] if one["action"] == "create"]
    assert sorted(created) == sorted(set(created)), "nothing is reported as created twice"
    assert len(resources.live(kind)) == 8
    assert resources.actions(kind, wanted) == ["none"] * 8


def test_a_run_killed_between_two_writes_is_continued(resources: Resources, tmp_path: Path) -> None:
    wanted = [template(f"number-{number}") for number in range(6)]
    resources.fault(f"{METHODS[TEMPLATES]}.create", kind="delay", delay=3, after=2)
    arguments = {"kind": TEMPLATES, "resources": wanted, "concurrency": 1}
    process = resources.start_process(tmp_path / "arguments.json", **arguments)
    wait_for(lambda: len(resources.live(TEMPLATES)) >= 2, "two templates")
    process.kill()
    process.communicate()
    resources.heal()
    survivors = len(resources.live(TEMPLATES))
    assert 2 <= survivors < 6
    actions = resources.actions(TEMPLATES, wanted)
    # The request that was under way when the run was killed may have been finished after it was counted.
    assert actions.count("none") in (survivors, survivors + 1)
    assert actions.count("create") == 6 - actions.count("none")
    assert resources.actions(TEMPLATES, wanted) == ["none"] * 6


def test_an_operation_that_fails(resources: Resources) -> None:
    resources.fault(f"{METHODS[CLUSTERS]}.create", kind="operation-error", status="RESOURCE_EXHAUSTED", count=1)
    result = resources.apply(CLUSTERS, [cluster("bad"), cluster("good")], concurrency=1)
    assert result["failed"]
    assert [one.get("failed", False) for one in result["results"]] == [True, False]
    error = result["results"][0]["error"]
    assert error["type"] == "OperationFailedError"
    assert error["last_state"]["done"] is True
    assert "create bad failed:" in result["msg"]
    assert resources.live(CLUSTERS)["good"]["status"]["state"] == "RUNNING"


def test_an_operation_that_never_ends(resources: Resources) -> None:
    resources.fault(f"{METHODS[CLUSTERS]}.create", kind="operation-hang", count=1)
    result = resources.apply(CLUSTERS, [cluster()], wait_timeout=2)
    assert result["failed"]
    error = result["results"][0]["error"]
    assert error["type"] == "OperationTimeoutError"
    assert error["last_state"]["metadata"]["clusterName"] == "etl"
    assert "create etl has not ended after 2 s; its last state was" in result["msg"]


@pytest.mark.parametrize("under_way", ["CREATING", "DELETING"])
def test_work_that_is_under_way_already_is_waited_for_up_to_the_deadline(resources: Resources, under_way: str) -> None:
    if under_way == "CREATING":
        resources.fault(f"{METHODS[CLUSTERS]}.create", kind="operation-hang", count=1)
        resources.apply(CLUSTERS, [cluster()], wait=False)
    else:
        resources.apply(CLUSTERS, [cluster()])
        resources.fault(f"{METHODS[CLUSTERS]}.delete", kind="operation-hang", count=1)
        resources.apply(CLUSTERS, [{"clusterName": "etl"}], state="absent", wait=False)
    result = resources.apply(CLUSTERS, [cluster()], wait_timeout=1)
    assert result["failed"]
    assert f"etl is still {under_way} after 1 s" in result["msg"]


def test_a_token_that_is_refused_once_is_renewed(resources: Resources) -> None:
    resources.fault(f"{METHODS[POLICIES]}.list", status=401, count=1)
    assert resources.actions(POLICIES, [policy()]) == ["create"]


def test_a_token_that_is_always_refused_is_one_clear_error(resources: Resources) -> None:
    resources.fault(f"{METHODS[POLICIES]}.list", status=401)
    result = resources.apply(POLICIES, [policy()])
    assert result["error"]["type"] == "UnauthenticatedError"
    assert "Log in again" in result["msg"]


def test_a_key_that_google_does_not_know(resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = json.loads(Path(resources.cloud.environment["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**key, "client_email": "nobody@local-project.iam.gserviceaccount.com"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    result = resources.apply(POLICIES, [policy()])
    assert result["error"]["type"] == "CredentialsError"
    assert f"Google refused the credentials of {path}" in result["msg"]


def test_nobody_listens(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    result = resources.apply(POLICIES, [policy()])
    assert result["error"]["type"] == "TransportError"
    assert "No token could be fetched" in result["msg"]
