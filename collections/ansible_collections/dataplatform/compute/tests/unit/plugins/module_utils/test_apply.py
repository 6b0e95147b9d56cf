# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told when a plan cannot be carried out as a whole, and which states are waited for."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.apply import Applier, Outcome
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import (
    ComputeError,
    ConflictError,
    ForbiddenError,
    api_error,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.dataplatform.compute.plugins.module_utils.plan import PlanOptions, plan_present
from ansible_collections.dataplatform.compute.plugins.module_utils.resources import run
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter

CLUSTER = KINDS["dataproc_cluster"]


class Dataproc:
    """Deletes at once, refuses to create and never ends an update; remembers the methods of its calls."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    def request(self, method: str, url: str, **_options: Any) -> dict[str, Any]:
        """Answer one call."""
        self.methods.append(method)
        if method == "POST":
            raise ForbiddenError(403, "PERMISSION_DENIED", "no", url, method)
        if method == "GET":
            return cluster("UPDATING")
        return {"name": "operations/1", "done": True}


def apply(dataproc: Dataproc, live: dict[str, Any], machine: str) -> Outcome:
    """Carry out the plan for one cluster that may be replaced."""
    wanted = {"clusterName": "etl", "config": {"masterConfig": {"machineTypeUri": machine}}}
    items = plan_present(CLUSTER, {"etl": wanted}, {"etl": live}, PlanOptions(allow_replace=True))
    applier = Applier(dataproc, Scope("p", "r"), wait=True, wait_timeout=0.01)
    [outcome] = applier.apply(items, 1, lambda _line: None)
    return outcome


def cluster(state: str) -> dict[str, Any]:
    """A live cluster."""
    return {"clusterName": "etl", "config": {"masterConfig": {"machineTypeUri": "small"}}, "status": {"state": state}}


def test_a_replacement_that_stops_halfway_says_that_the_old_one_is_gone() -> None:
    dataproc = Dataproc()
    outcome = apply(dataproc, cluster("RUNNING"), "large")
    assert dataproc.methods == ["DELETE", "POST"]
    assert outcome.to_result()["error"]["type"] == "ForbiddenError"
    assert "it was deleted, but not created anew" in outcome.message


@pytest.mark.parametrize("state", ["RUNNING", "STOPPED", "ERROR_DUE_TO_UPDATE"])
def test_a_cluster_that_stays_as_it_is_is_not_waited_for(state: str) -> None:
    dataproc = Dataproc()
    assert apply(dataproc, cluster(state), "small").action == "none"
    assert dataproc.methods == []


def test_a_cluster_on_its_way_is_waited_for_but_not_for_ever() -> None:
    outcome = apply(Dataproc(), cluster("UPDATING"), "small")
    assert outcome.to_result()["error"]["type"] == "OperationTimeoutError"
    assert "etl is still UPDATING after 0.01 s" in outcome.message


class ListedDataproc(Dataproc):
    """Has one cluster; also knows what ``run`` asks of a client."""

    project, region = "p", "r"

    def pages(self, _url: str, _key: str, **_options: Any) -> list[dict[str, Any]]:
        """List it."""
        return [{**cluster("RUNNING"), "labels": {"managed-by": "dataplatform-compute"}}]


def test_a_replacement_that_stops_halfway_counts_as_changed_and_shows_what_is_gone() -> None:
    params = {
        "kind": "dataproc_cluster",
        "resources": [{"clusterName": "etl", "config": {"masterConfig": {"machineTypeUri": "large"}}}],
        "ownership_labels": {"managed-by": "dataplatform-compute"},
        "state": "present",
        "purge": False,
        "adopt": "unlabelled",
        "allow_replace": True,
        "wait": True,
        "wait_timeout": 1.0,
        "concurrency": 1,
    }
    with pytest.raises(ComputeError) as failure:
        run(params, ListedDataproc(), Reporter())
    result = failure.value.to_result()
    [entry], [diff] = result["results"], result["diff"]
    assert (result["changed"], entry["changed"], entry["failed"]) == (True, True, True)
    assert diff["before"]
    assert (diff["after"], diff["after_header"]) == ({}, "dataproc_cluster etl (deleted only)")
    assert entry["diff"] == {"before": diff["before"], "after": {}}


class EndlessDataproc:
    """The creation of ``bad`` is refused once that of ``slow`` is under way, which never ends."""

    def __init__(self) -> None:
        self.waiting = threading.Event()

    def request(self, method: str, url: str, *, json: dict[str, Any] | None = None, **_options: Any) -> dict[str, Any]:
        """Answer one call."""
        if method == "GET":
            self.waiting.set()
        elif (json or {}).get("clusterName") == "bad":
            self.waiting.wait(5)
            raise ForbiddenError(403, "PERMISSION_DENIED", "no", url, method)
        return {"name": "operations/1"}


def test_an_interruption_ends_the_waiting_of_the_other_threads() -> None:
    wanted = {name: {"clusterName": name} for name in ("bad", "slow")}
    items = plan_present(CLUSTER, wanted, {}, PlanOptions())

    def interrupted(_line: str) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Applier(EndlessDataproc(), Scope("p", "r"), wait=True, wait_timeout=60.0).apply(items, 2, interrupted)
    assert time.monotonic() - start < 30


class Refusing:
    """Answers every change with one error, and every look with what is there."""

    def __init__(self, error: Exception, live: dict[str, Any]) -> None:
        self.error = error
        self.live = live

    def request(self, method: str, _url: str, **_options: Any) -> dict[str, Any]:
        """Answer one call."""
        if method == "GET":
            return self.live
        raise self.error


@pytest.mark.parametrize(
    ("code", "status", "race"),
    [
        (409, "ABORTED", True),
        (409, "ALREADY_EXISTS", True),
        (412, "conditionNotMet", True),
        (400, "ABORTED", True),
        (400, "FAILED_PRECONDITION", False),
    ],
)
def test_only_what_tells_of_a_race_is_called_one(code: int, status: str, *, race: bool) -> None:
    error = api_error(code, {"error": {"status": status, "message": "no"}}, "https://x", "PATCH")
    live = {"clusterName": "etl", "config": {"workerConfig": {"numInstances": 2}}, "status": {"state": "RUNNING"}}
    wanted = {"clusterName": "etl", "config": {"workerConfig": {"numInstances": 3}}}
    items = plan_present(CLUSTER, {"etl": wanted}, {"etl": live}, PlanOptions())
    applier = Applier(Refusing(error, live), Scope("p", "r"), wait=True, wait_timeout=1.0)
    [outcome] = applier.apply(items, 1, lambda _line: None)
    assert ("somebody else changed etl" in outcome.message) is race


def test_a_bucket_that_exists_after_all_may_be_another_projects() -> None:
    error = ConflictError(409, "conflict", "taken", "https://x", "POST")
    items = plan_present(KINDS["storage_bucket"], {"b": {"name": "b", "location": "EU"}}, {}, PlanOptions())
    applier = Applier(Refusing(error, {"name": "b", "location": "US"}), Scope("p", ""), wait=True, wait_timeout=1.0)
    [outcome] = applier.apply(items, 1, lambda _line: None)
    assert "another project may have the name" in outcome.message
