# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``platform_status``: what runs, who waits and why, what failed lately. One list call per kind, no write."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import ComposerApi, dag_folder
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import LooseReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_present import ARCHIVE, FILES
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import LiveReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.job_report import is_terminal, parse_time
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import is_owned
from ansible_collections.dataplatform.compute.plugins.module_utils.status_clusters import read_cluster
from ansible_collections.dataplatform.compute.plugins.module_utils.status_failures import (
    NO_REASON,
    Failure,
    failed_jobs,
    failed_operations,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.status_pins import describe_pins
from ansible_collections.dataplatform.compute.plugins.module_utils.status_reasons import why_waiting
from ansible_collections.dataplatform.compute.plugins.module_utils.status_report import (
    Release,
    Status,
    as_json,
    in_order,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.status_runs import read_run
from ansible_collections.dataplatform.compute.plugins.module_utils.status_text import as_text
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.terminal import terminal_width

_DATAPROC = "https://dataproc.googleapis.com/v1"
_STORAGE = "https://storage.googleapis.com/storage/v1"

LONGEST_RUN = timedelta(days=2, hours=1)
"""A workload may wait a day and run a day: what was submitted earlier than that, and the hours asked for, has ended."""

MOST_OPERATIONS = 300
"""Operations have no filter by time, and their order is not documented; more of them than this are not looked at."""

MOST_RECORDS = 10
"""Of so many failures for which Dataproc gives no reason the run record is read."""

_IN_AIRFLOW = (
    "Not looked at: runs that wait inside Airflow for worker slots. Its page Admin > Pools shows them (user-OWNER),"
    " and the log of their task `create` or `slots` says for whom they wait."
)


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Look, show the table and return both forms of it; raises ValidationError for options out of range."""
    problems = [
        f"{name} is {params[name]:g}; expected {expected}"
        for name, wrong, expected in (
            ("hours", not 0 < params["hours"] <= 168, "above 0 and at most 168"),
            ("width", params["width"] and params["width"] < 60, "60 characters at least, or 0 for the terminal's"),
        )
        if wrong
    ]
    if problems:
        raise ValidationError(problems, "the options")
    status = look(params, client, datetime.now(UTC))
    text = as_text(status, params["width"] or terminal_width(120))
    reporter.progress(text)
    return {"changed": False, "status": as_json(status), "text": text}


def look(params: Mapping[str, Any], client: GoogleClient, now: datetime) -> Status:
    """The state of the environment at ``now``."""
    since = now - timedelta(hours=params["hours"])
    found = _ask(params, client, since)
    clusters = {one["clusterName"]: read_cluster(one, params["sizes"], params["policies"]) for one in found.clusters}
    runs = [read_run(job) for job in found.jobs if not is_terminal(job)]
    reasons = {
        run.run: reason
        for run in runs
        if (reason := why_waiting(run, clusters.get(run.cluster), runs, params["sizes"], params["queues"]))
    }
    return in_order(
        Status(
            where=f"{params['environment']}: {client.project}, {client.region}",
            now=now,
            hours=params["hours"],
            failures=_failures(params, client, found, since),
            runs=runs,
            reasons=reasons,
            clusters=list(clusters.values()),
            pinned_image=str(params["pins"].get("dataproc_image") or ""),
            slots_per_user=int(params["sizes"]["user"]["workers"]),
            pins=describe_pins(params["pins"], params["pin_record"], params["dataproc_images"], now),
            releases=found.releases,
            notes=[*found.notes, *([_IN_AIRFLOW] if params["composer_environment"] else [])],
            inventories=params["inventories"],
        )
    )


@dataclass(frozen=True)
class _Found:
    """What Google answered: this environment's part of it, and all clusters by name."""

    all_clusters: dict[str, dict[str, Any]]
    clusters: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    operations: list[dict[str, Any]]
    releases: list[Release]
    notes: list[str]


def _ask(params: Mapping[str, Any], client: GoogleClient, since: datetime) -> _Found:
    """Every list at the same time. Clusters and jobs must be had; a note names what of the rest could not be."""
    parent = f"{_DATAPROC}/projects/{client.project}/regions/{client.region}"
    query = {"filter": f'insertTime >= "{since - LONGEST_RUN:%Y-%m-%dT%H:%M:%SZ}"'}
    notes: list[str] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        clusters_call = pool.submit(lambda: list(client.pages(f"{parent}/clusters", "clusters")))
        jobs_call = pool.submit(lambda: list(client.pages(f"{parent}/jobs", "jobs", params=query)))
        operations_call = pool.submit(_operations, client, f"{parent}/operations")
        releases_call = pool.submit(_releases, client, params)
        ours = params["ownership_labels"]
        everything = {one["clusterName"]: one for one in clusters_call.result()}
        clusters = [one for one in everything.values() if is_owned(one, ours)]
        names = {one["clusterName"] for one in clusters}
        # A job without our labels takes room on our cluster all the same.
        jobs = [
            job
            for job in jobs_call.result()
            if is_owned(job, ours) or (job.get("placement") or {}).get("clusterName") in names
        ]
        operations = _optional(operations_call, "failed operations on clusters and workflows", notes)
        if len(operations) == MOST_OPERATIONS:
            notes.append(f"Only {MOST_OPERATIONS} operations were looked at for failures; there may be more.")
        releases = _optional(releases_call, "DAG releases", notes)
        return _Found(everything, clusters, jobs, operations, releases, notes)


def _operations(client: GoogleClient, url: str) -> list[dict[str, Any]]:
    pages = client.pages(url, "operations", params={"pageSize": 100})
    return list(itertools.islice(pages, MOST_OPERATIONS))


def _releases(client: GoogleClient, params: Mapping[str, Any]) -> list[Release]:
    """What is live in Airflow, from one look at the environment and one listing of its bucket."""
    if not params["composer_environment"]:
        return []
    api = ComposerApi(client, client.project, params["composer_location"] or client.region)
    kind = LooseReleases if params["layout"] == FILES else LiveReleases
    live = kind(client, *dag_folder(api.get_environment(params["composer_environment"]))).list(())
    return [
        Release(one.team, one.release, one.verified, one.released_by, parse_time(one.released_at))
        for one in live.values()
    ]


def _failures(
    params: Mapping[str, Any],
    client: GoogleClient,
    found: _Found,
    since: datetime,
) -> list[Failure]:
    jobs = failed_jobs(found.jobs, since)
    explained = {name for failure in jobs for name in (failure.run, failure.workflow) if name}
    return [
        *_with_records(client, jobs),
        *failed_operations(
            found.operations,
            since,
            clusters=found.all_clusters,
            ownership=params["ownership_labels"],
            workloads=params["workloads"],
            explained=explained,
        ),
    ]


def _with_records(client: GoogleClient, failures: list[Failure]) -> list[Failure]:
    """The same, where Dataproc knows no reason with the one that the driver wrote down."""
    unexplained = [failure for failure in failures if failure.reason == NO_REASON and failure.record][:MOST_RECORDS]
    if not unexplained:
        return failures
    with ThreadPoolExecutor(max_workers=4) as pool:
        told = dict(zip(unexplained, pool.map(lambda failure: _told(client, failure), unexplained), strict=True))
    return [replace(failure, reason=told.get(failure) or failure.reason) for failure in failures]


def _told(client: GoogleClient, failure: Failure) -> str:
    """What the driver wrote down about how the run ended; empty when it did not get that far."""
    bucket, _slash, name = failure.record.removeprefix("gs://").partition("/")
    url = f"{_STORAGE}/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
    try:
        result = json.loads(client.request("GET", url, params={"alt": "media"}, raw=True).content).get("result") or {}
    except (ComputeError, ValueError, AttributeError):
        return ""
    code, reason = result.get("exit_code"), str(result.get("reason") or "")
    return reason if code is None else f"exit code {code}" + (f": {reason}" if reason else "")


def _optional(call: Future[list[Any]], what: str, notes: list[str]) -> list[Any]:
    try:
        return call.result()
    except ComputeError as error:
        notes.append(f"Not looked at: {what}: {error}")
        return []


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "environment": {"type": "str", "required": True},
            "ownership_labels": {"type": "dict", "required": True},
            "sizes": {"type": "dict", "required": True},
            "queues": {"type": "dict", "required": True},
            "policies": {"type": "dict", "required": True},
            "workloads": {"type": "dict", "required": True},
            "pins": {"type": "dict", "required": True},
            "pin_record": {"type": "dict"},
            "dataproc_images": {"type": "dict", "required": True},
            "composer_environment": {"type": "str", "default": ""},
            "composer_location": {"type": "str", "default": ""},
            "layout": {"type": "str", "choices": [ARCHIVE, FILES], "default": ARCHIVE},
            "hours": {"type": "float", "default": 24.0},
            "inventories": {"type": "list", "elements": "str", "default": []},
            "width": {"type": "int", "default": 0},
        },
    ),
    run=run,
)
