# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table and the JSON of an environment's state."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.pins import pins_id
from ansible_collections.dataplatform.compute.plugins.module_utils.status_clusters import read_cluster
from ansible_collections.dataplatform.compute.plugins.module_utils.status_failures import failed_jobs
from ansible_collections.dataplatform.compute.plugins.module_utils.status_pins import describe_pins
from ansible_collections.dataplatform.compute.plugins.module_utils.status_reasons import Reason
from ansible_collections.dataplatform.compute.plugins.module_utils.status_report import (
    Release,
    Status,
    as_json,
    in_order,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import read_run
from ansible_collections.dataplatform.compute.plugins.module_utils.status_table import (
    Detail,
    Section,
    section_lines,
    span,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.status_text import as_text

from .dataproc_answers import IMAGES, NOW, POLICIES, SIZES, cluster, job, running

EMPTY = Status("dev: p, r", NOW, 24.0, [], [], {}, [], "2.3.11-debian12", 3, [], [], [])
PINS = {"dataproc_image": "2.3.11-debian12", "environment": None, "init_actions": None, "node_bundle": None}


def clusters(*listed: dict[str, Any]) -> list[Any]:
    """The clusters, read."""
    return [read_cluster(one, SIZES, POLICIES) for one in listed]


def busy() -> Status:
    """An environment in which a bit of everything happens."""
    failed = [job(f"f{n}", ("ERROR", 60.0 * n), details=f"Job failed with message [it broke {n}].") for n in (2, 1)]
    runs = [
        running("long", 4000, owner="grace", arguments=("--timeout", "7200")),
        running("held", 90, "ACCEPTED", arguments=("--queue-timeout", "600")),
    ]
    broken = cluster("broken", "ERROR", status={"detail": "quota exceeded"}, config={"lifecycleConfig": {}})
    return in_order(
        replace(
            EMPTY,
            failures=failed_jobs(failed, NOW - timedelta(hours=24)),
            runs=[read_run(run) for run in runs],
            reasons={"held": Reason("user_limit", "ada runs first on shared, at most 1 at once per user")},
            clusters=clusters(cluster(), broken),
            pins=describe_pins({**PINS, "dataproc_image": "2.1.90-debian11"}, None, IMAGES, NOW),
            releases=[Release("growth", "1a2b", False, "me@x", NOW - timedelta(days=2))],
            notes=["Not looked at: this."],
        )
    )


def test_the_table_says_it_all_worst_first() -> None:
    assert as_text(busy(), 100).splitlines() == [
        "dev: p, r, 2026-11-29 12:00 UTC",
        "2 failed in 24 h | 1 waiting | 1 running | 2 clusters, 1 broken | 1 pin needs attention",
        "",
        "FAILED in the last 24 hours",
        "  AGO    WORKLOAD                OWNER  TEAM    RUN",
        "  1 min  flights (and 1 before)  ada    growth  f1",
        "      it broke 1",
        "      log: gs://staging/f1/driveroutput.*",
        "      ansible-playbook playbooks/logs.yml -e run=f1",
        "",
        "WAITING",
        "  AGE    WORKLOAD  OWNER  QUEUE            CLUSTER  LEFT      RUN",
        "  1 min  flights   ada    root.normal.ada  shared   >= 8 min  held",
        "      ada runs first on shared, at most 1 at once per user",
        "",
        "RUNNING",
        "  AGE        WORKLOAD  OWNER  TEAM    PRIORITY  CLUSTER  STATE    LEFT       RUN",
        "  1 h 6 min  flights   grace  growth  normal    shared   running  >= 53 min  long",
        "",
        "CLUSTERS",
        "  AGE        CLUSTER  TEMPLATE  PLACEMENT  OWNER  STATE    WORKERS  DELETED IN  IMAGE",
        "  1 h 0 min  broken   etl       shared     -      ERROR    2/10     never       2.3.11-debian12",
        "      quota exceeded",
        "  1 h 0 min  shared   etl       shared     -      RUNNING  2/10     3 h 0 min   2.3.11-debian12",
        "",
        "PINS",
        "  WHAT              PIN",
        "  ! Dataproc image  2.1.90-debian11  clusters can be made for 32 more days, supported no longer, since 2 days",
        "  Dask environment  -                none: jobs use the node's Python",
        "  init actions      -                not pinned: those of the checkout that converged last",
        "  node bundle       -                not pinned: those of the checkout that converged last",
        "  canary            -                no record: no patch run has promoted these pins",
        "",
        "DAG RELEASES",
        "  AGE      TEAM    RELEASE  BY",
        "  2 d 0 h  growth  1a2b     me@x (Airflow was not seen to run it)",
        "",
        "Not looked at: this.",
    ]


def test_without_anything_the_table_is_the_counts() -> None:
    assert as_text(EMPTY, 100).splitlines() == [
        "dev: p, r, 2026-11-29 12:00 UTC",
        "0 failed in 24 h | 0 waiting | 0 running | 0 clusters",
    ]


def test_a_cluster_says_what_its_runs_have_not_got() -> None:
    """Which run lacks them Dataproc does not say, so it stands with the cluster."""
    wanting = clusters(cluster(metrics={"containers-pending": 2, "containers-allocated": 4, "apps-running": 2}))
    last = as_text(replace(EMPTY, clusters=wanting), 100).splitlines()[-1]
    assert last.strip() == (
        "asked for and not given: 2 containers; 2 of at most 10 workers, the autoscaler may add some"
    )


def test_json_says_what_the_table_says() -> None:
    content = json.loads(json.dumps(as_json(replace(busy(), inventories=["inventories/dev"]))))
    assert content["counts"] == {
        "failed": 2,
        "waiting": 1,
        "running": 1,
        "clusters": 2,
        "clusters_broken": 1,
        "pins_needing_attention": 1,
    }
    assert [failure["run"] for failure in content["failures"]] == ["f1", "f2"]
    assert content["failures"][0]["command"].endswith("logs.yml -i inventories/dev -e run=f1")
    assert {run["run"]: run["phase"] for run in content["runs"]} == {"long": "running", "held": "waiting"}
    assert content["runs"][1]["reason"]["code"] == "user_limit"
    assert content["runs"][1]["seconds_left_at_least"] == 510
    assert [one["age_seconds"] for one in content["clusters"]] == [3600, 3600]
    assert content["clusters"][1]["deleted_at"] == "2026-11-29T15:00:00+00:00"


def test_worker_slots_are_counted_as_airflow_counts_them() -> None:
    """A cluster of a run's own, a job on a shared one; what says no number counts for all that its owner may have."""
    own = cluster("own", labels={"placement": "own", "owner": "ada", "slots": "2"})
    unsaid = cluster("workflow", labels={"placement": "own", "owner": "grace"})
    failed = cluster("failed", "ERROR", labels={"placement": "own", "owner": "hedy"})
    runs = [read_run(running("r", 9, placement="shared", slots="1"))]
    status = replace(EMPTY, clusters=clusters(own, unsaid, failed, cluster()), runs=runs)
    assert status.held_slots() == {"ada": 3, "grace": 3}
    assert as_text(status, 100).splitlines()[-1] == (
        "Worker slots all taken, so a further DAG run waits in Airflow: ada (3 of 3), grace (3 of 3)."
    )


@pytest.mark.parametrize(
    ("image", "note", "attention"),
    [
        ("2.3.11-debian12", "clusters can be made for 923 more days, supported for 192 more days", False),
        ("2.2.84-debian12", "clusters can be made for 397 more days, supported for 60 more days", True),
        ("3.0.1-debian12", "how long it can be used is not announced", False),
        ("9.9.9-debian12", "how long it can be used is not announced", False),
    ],
)
def test_an_image_needs_attention_sixty_days_before_its_end(image: str, note: str, attention: bool) -> None:
    pin = describe_pins({**PINS, "dataproc_image": image}, None, IMAGES, NOW)[0]
    assert (pin.value, pin.note, pin.attention) == (image, note, attention)


def test_pins_tell_what_they_are_and_when_a_canary_proved_them() -> None:
    pins = {
        **PINS,
        "environment": {"lock_sha256": "0123456789abcdef"},
        "init_actions": {"node-bundle.sh": "aa", "yarn_queues.py": "bb"},
        "node_bundle": "fedcba9876543210",
    }
    record = {
        "id": pins_id(pins),
        "promoted_at": "2026-11-19T05:00:00Z",
        "canary": {"at": "2026-11-28T04:00:00Z", "jobs": {"smoke": {}}},
        "rolled_back_from": "abc",
        "previous": [{}],
    }
    _image, *others = describe_pins(pins, record, IMAGES, NOW)
    assert [(pin.name, pin.value) for pin in others] == [
        ("Dask environment", "0123456789ab"),
        ("init actions", "2 pinned"),
        ("node bundle", "fedcba987654"),
        ("canary", "yesterday"),
    ]
    assert others[-1].note == (
        "promoted 10 days ago, smoke jobs: smoke, rolled back from abc, earlier pins to go back to: 1"
    )
    assert not others[-1].attention
    changed = describe_pins({**pins, "node_bundle": None}, record, IMAGES, NOW)[-1]
    assert changed.note.startswith("of other pins: these were changed since, promoted 10 days ago")
    assert changed.attention


def test_sentences_are_wrapped_and_what_people_copy_is_not() -> None:
    command = "ansible-playbook playbooks/logs.yml -e run=" + "x" * 100
    detail = Detail("one two three four five six seven eight nine ten " * 4, (command,))
    section = Section("H", ("A", "B"), [("a" * 60, "b" * 60)], {0: detail})
    heading, columns, row, *below = section_lines(section, 40)
    assert heading == "H"
    assert columns.split() == ["A", "B"]
    assert row == "  " + "a" * 37 + "...  " + "b" * 60
    assert below[-1] == " " * 6 + command
    assert len(below) == 4
    assert max(map(len, below[:-1])) <= 40
    assert below[2].endswith(" ...")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3660, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_times_are_told_in_two_units_at_most(seconds: float | None, text: str) -> None:
    assert span(seconds) == text
