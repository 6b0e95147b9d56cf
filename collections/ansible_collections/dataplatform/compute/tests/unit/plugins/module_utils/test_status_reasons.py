# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a run waits, as far as Dataproc shows it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.status_clusters import read_cluster
from ansible_collections.dataplatform.compute.plugins.module_utils.status_reasons import Reason, why_waiting
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import read_run

from .dataproc_answers import NOW, POLICIES, QUEUES, SIZES, cluster, job, running

PENDING = job("waits", ("PENDING", 60.0))
ACCEPTED = running("waits", 60.0, "ACCEPTED")
FULL = {"memory-mb-available": 1023, "vcores-available": 3, "nodes-active": 2}


def why(subject: dict[str, Any], *others: dict[str, Any], on: dict[str, Any] | None) -> Reason | None:
    """The reason of ``subject`` beside others on a cluster."""
    found = read_cluster(on, SIZES, POLICIES) if on else None
    return why_waiting(read_run(subject), found, [read_run(one) for one in (subject, *others)], SIZES, QUEUES)


@pytest.mark.parametrize(
    ("subject", "others", "on", "code", "text"),
    [
        (PENDING, [], None, "cluster_gone", "its cluster shared is not there"),
        (PENDING, [], cluster(state="CREATING"), "cluster_not_ready", "cluster shared is CREATING"),
        (
            PENDING,
            [running(f"r{n}", 9) for n in range(6)],
            cluster(),
            "driver_slot",
            "shared runs as many drivers as its master holds (6)",
        ),
        (
            job("waits", ("PENDING", 60.0), details="no memory left", substate="QUEUED"),
            [],
            cluster(),
            "driver_slot",
            "Dataproc: no memory left",
        ),
        # Google's reference has the substate in the state RUNNING.
        (
            job("waits", ("PENDING", 61.0), ("RUNNING", 60.0), details="rate", substate="QUEUED"),
            [],
            cluster(),
            "driver_slot",
            "Dataproc: rate",
        ),
        (PENDING, [running("r", 9)], cluster(), "unknown", "unknown: Dataproc gives no reason; drivers on shared: 1"),
        (
            job("waits", ("RUNNING", 90.0), ("ATTEMPT_FAILURE", 60.0), details="it broke"),
            [],
            cluster(),
            "retry",
            "its last attempt failed, Dataproc starts it again: it broke",
        ),
        (
            ACCEPTED,
            [running("first", 99)],
            cluster(),
            "user_limit",
            "ada runs first on shared, at most 1 at once per user",
        ),
        # Neither began yet, but the one submitted first will.
        (ACCEPTED, [running("first", 99, "ACCEPTED")], cluster(), "user_limit", "ada runs first on shared"),
        (
            ACCEPTED,
            [running("g", 9, owner="grace"), running("h", 9, owner="hedy")],
            cluster(),
            "queue_limit",
            "queue normal runs 2 (g and others) on shared, at most 2 at once",
        ),
        (
            ACCEPTED,
            [],
            cluster(metrics=FULL),
            "cluster_full",
            "shared is full, 2 of at most 10 workers, the autoscaler",
        ),
        (
            ACCEPTED,
            [],
            cluster(metrics={**FULL, "memory-mb-available": 9999, "vcores-available": 0}, workers=10),
            "cluster_full",
            "shared is full, at its maximum of 10 workers",
        ),
        (
            running("waits", 60.0, "ACCEPTED", arguments=("--master-memory-mb", "2048")),
            [],
            cluster(metrics={**FULL, "memory-mb-available": 2047}),
            "cluster_full",
            "shared is full",
        ),
        (ACCEPTED, [], cluster(metrics={"nodes-active": 0}), "no_node", "no node of shared is at work"),
        (ACCEPTED, [], cluster(), "unknown", "unknown: no limit that shows in Dataproc is reached"),
        (ACCEPTED, [], cluster(metrics={}), "unknown", "unknown: no limit"),
        # A master and nothing else anywhere on the cluster.
        (
            running("waits", 60.0),
            [],
            cluster(metrics={"apps-running": 1, "containers-allocated": 1, "containers-pending": 3}),
            "no_worker",
            "no worker yet, 3 asked for on shared: 2 of at most 10 workers",
        ),
    ],
)
def test_what_shows_in_dataproc_is_the_reason(
    subject: dict[str, Any], others: list[dict[str, Any]], on: dict[str, Any] | None, code: str, text: str
) -> None:
    reason = why(subject, *others, on=on)
    assert reason is not None
    assert reason.code == code
    assert text in reason.text


@pytest.mark.parametrize(
    "others",
    [
        [running("elsewhere", 99, cluster="other")],
        [running("of grace", 99, owner="grace")],
        [running("later", 9, "ACCEPTED")],
        [job("ended", ("DONE", 9.0), application="FINISHED")],
    ],
    ids=["another cluster", "another user", "behind it", "ended"],
)
def test_a_run_waits_for_none_but_its_owners_on_its_cluster_before_it(others: list[dict[str, Any]]) -> None:
    reason = why(ACCEPTED, *others, on=cluster())
    assert reason is not None
    assert reason.code == "unknown"


@pytest.mark.parametrize(
    ("subject", "metrics"),
    [
        (running("runs", 60.0), {"apps-running": 1, "containers-allocated": 3, "containers-pending": 1}),
        (running("runs", 60.0), {"apps-running": 1, "containers-allocated": 1, "containers-pending": 0}),
        (running("runs", 60.0), {}),
        (running("on no YARN", 60.0, ""), {}),
        (job("starts", ("SETUP_DONE", 1.0)), {}),
    ],
)
def test_what_does_not_wait_has_no_reason(subject: dict[str, Any], metrics: dict[str, int]) -> None:
    assert why(subject, on=cluster(metrics=metrics)) is None


@pytest.mark.parametrize(
    ("subject", "left"),
    [
        (running("r", 600, arguments=("--timeout", "1800", "--queue-timeout", "700")), 1200),
        (running("r", 600, "ACCEPTED", arguments=("--timeout", "1800", "--queue-timeout", "700")), 100),
        (running("r", 2000, arguments=("--timeout", "1800")), 0),
        (running("r", 600, "ACCEPTED", arguments=("--timeout", "1800")), None),
        # What stands behind -- is the script's own.
        (running("r", 600), None),
        (job("r", ("PENDING", 600.0), arguments=("--timeout", "1800")), None),
    ],
)
def test_time_left_is_that_of_the_limit_it_is_under(subject: dict[str, Any], left: float | None) -> None:
    assert read_run(subject).seconds_left(NOW) == left


def test_the_one_that_runs_stands_for_a_jobs_applications() -> None:
    applications = [{"state": "FINISHED"}, {"state": "RUNNING"}, {"state": "ACCEPTED"}]
    assert read_run({**ACCEPTED, "yarnApplications": applications}).application == "RUNNING"
    assert read_run({**ACCEPTED, "yarnApplications": applications[::2]}).application == "ACCEPTED"


@pytest.mark.parametrize(
    ("properties", "most"),
    [
        ({"dataproc:dataproc.scheduler.driver-size-mb": "2048"}, 6),
        ({"dataproc:dataproc.scheduler.driver-size-mb": "4096"}, 5),
        ({"dataproc:dataproc.scheduler.max-concurrent-jobs": "2"}, 2),
        ({}, 12),
    ],
)
def test_drivers_are_bound_as_dataproc_documents(properties: dict[str, str], most: int) -> None:
    config = {"softwareConfig": {"properties": properties}}
    assert read_cluster(cluster(config=config), SIZES, POLICIES).most_drivers == most


def test_what_the_inventory_does_not_know_of_a_cluster_is_not_known() -> None:
    config = {"autoscalingConfig": {"policyUri": "x/other"}, "masterConfig": {"machineTypeUri": "e2-small"}}
    found = read_cluster(cluster(config=config), SIZES, POLICIES)
    assert (found.most_workers, found.most_drivers) == (None, None)
    assert read_cluster(cluster(config={"autoscalingConfig": {}}), SIZES, POLICIES).most_workers == 2
