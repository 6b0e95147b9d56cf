# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of Google for the state of an environment, and what of the answers is the environment's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.errors import NotFoundError
from ansible_collections.dataplatform.compute.plugins.module_utils.platform_status import (
    DEFINITION,
    MOST_OPERATIONS,
    look,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.status_report import Status

from .dataproc_answers import IMAGES, NOW, OWNERSHIP, POLICIES, QUEUES, SIZES, cluster, cluster_operation, job, running

PARAMS = {
    **{name: option.get("default") for name, option in DEFINITION.argument_spec.items()},
    "environment": "dev",
    "ownership_labels": OWNERSHIP,
    "sizes": SIZES,
    "queues": QUEUES,
    "policies": POLICIES,
    "workloads": {},
    "pins": {"dataproc_image": "2.3.11-debian12"},
    "dataproc_images": IMAGES,
}


class Google:
    """Answers lists by the last part of their address, and objects by their name; remembers what was asked."""

    project, region = "p", "r"

    def __init__(self, objects: dict[str, Any] | None = None, **lists: list[dict[str, Any]]) -> None:
        self._lists = lists
        self._objects = objects or {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def pages(
        self, url: str, _key: str, params: dict[str, Any] | None = None, **_more: Any
    ) -> Iterator[dict[str, Any]]:
        """Answer a list call."""
        kind = url.rpartition("/")[2]
        self.asked.append((kind, params or {}))
        yield from self._lists.get(kind, [])

    def request(self, method: str, url: str, **_options: Any) -> Any:
        """Answer with an object's content."""
        self.asked.append((url, {}))
        for name, content in self._objects.items():
            if url.endswith(name):
                return SimpleNamespace(content=json.dumps(content).encode())
        raise NotFoundError(404, "NOT_FOUND", "no such object", url, method)


def found(google: Google, **params: Any) -> Status:
    """What is found with these answers."""
    return look({**PARAMS, **params}, google, NOW)


def test_every_kind_is_listed_once_and_jobs_since_the_longest_run_may_have_begun() -> None:
    google = Google()
    found(google, hours=24)
    asked = dict(google.asked)
    assert sorted(kind for kind, _query in google.asked) == ["clusters", "jobs", "operations"]
    assert asked["jobs"] == {"filter": 'insertTime >= "2026-11-26T11:00:00Z"'}


def test_what_is_of_another_environment_is_left_out_but_for_jobs_on_our_clusters() -> None:
    other = {"environment": "prod"}
    jobs = [
        running("ours", 9, cluster="elsewhere"),
        running("theirs", 9, cluster="elsewhere", **other),
        running("guest", 9, **other),
    ]
    status = found(Google(clusters=[cluster(), cluster("elsewhere", labels=other)], jobs=jobs))
    assert [one.name for one in status.clusters] == ["shared"]
    assert sorted(run.run for run in status.runs) == ["guest", "ours"]


def test_where_dataproc_has_no_reason_the_run_record_is_asked() -> None:
    arguments = ("--run-directory", "gs://staging/runs/flights")
    agent = "Google Cloud Dataproc Agent reports job failure."
    jobs = [
        job("told", ("ERROR", 60.0), details=agent, arguments=arguments),
        job("untold", ("ERROR", 61.0), details=agent, arguments=arguments),
        job("known", ("ERROR", 62.0), details="Job failed with message [it broke].", arguments=arguments),
    ]
    record = {"result": {"exit_code": 124, "reason": "the script ran longer than --timeout 600 s"}}
    google = Google({"o/runs%2Fflights%2Ftold%2Frun.json": record}, jobs=jobs)
    reasons = {failure.run: failure.reason for failure in found(google).failures}
    assert reasons == {
        "told": "exit code 124: the script ran longer than --timeout 600 s",
        "untold": "Dataproc gave no reason",
        "known": "it broke",
    }
    assert not [url for url, _query in google.asked if "known" in url]


def test_more_operations_than_are_looked_at_are_said() -> None:
    operations = [cluster_operation(f"c{number}", "CREATE", "no quota") for number in range(MOST_OPERATIONS + 5)]
    status = found(Google(operations=operations))
    assert len(status.failures) == MOST_OPERATIONS
    assert status.notes == ["Only 300 operations were looked at for failures; there may be more."]


def test_releases_that_cannot_be_had_are_said_and_airflow_is_never_asked_who_waits() -> None:
    status = found(Google(clusters=[cluster()]), composer_environment="etl")
    assert status.releases == []
    assert status.notes[0].startswith("Not looked at: DAG releases: There is no Composer environment 'etl'")
    assert status.notes[1].startswith("Not looked at: runs that wait inside Airflow")
    assert [one.name for one in status.clusters] == ["shared"]
