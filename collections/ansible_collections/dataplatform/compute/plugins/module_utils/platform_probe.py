# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The task ``platform_probe``: ask Google what this project guessed, and say what differs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils import probe_reads
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient, add_common_arguments
from ansible_collections.dataplatform.compute.plugins.module_utils.dataproc_api import DataprocApi, StorageObjects
from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import split_uri
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_guesses import judge, problems
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_report import (
    Report,
    as_json,
    as_text,
    issue_text,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.probe_requests import Asker
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter, TaskDefinition
from ansible_collections.dataplatform.compute.plugins.module_utils.terminal import terminal_width

MOST_LISTED = 300
MOST_BYTES = 1 << 20
_OF_YARN = ("application", "container", "containers", "departure", "spark", "yarn")
_OF_MACHINES = frozenset({"boot", "container", "driver", "master"})
METAINFO = "google-cloud-dataproc-metainfo"


def run(params: dict[str, Any], client: GoogleClient, reporter: Reporter) -> dict[str, Any]:
    """Ask everything and return the report; in check mode, or for entries that are wrong, ask nothing."""
    wrong = problems(params["guesses"], params["not_settled"])
    if wrong:
        raise ValidationError(wrong, "the guesses")
    if reporter.check_mode:
        reporter.progress(f"would ask {len(params['guesses'])} questions of {client.project}")
        return {"changed": False, "report": {}, "text": "", "issue": "", "differing": []}
    probe = Probe(params, client)
    report = probe.report()
    text = as_text(report, terminal_width(120))
    reporter.progress(text)
    differing = [verdict.id for verdict in report.verdicts if verdict.to_do]
    return {
        "changed": bool(report.left),
        "report": as_json(report),
        "text": text,
        "issue": issue_text(report),
        "differing": differing,
    }


class Probe:
    """One asking of everything."""

    def __init__(self, params: Mapping[str, Any], client: GoogleClient) -> None:
        self._params = params
        self._client = client
        self._canary: Mapping[str, Any] = params["canary"]
        self._uuid = str(self._canary.get("cluster_uuid") or "")
        jobs: Mapping[str, Any] = self._canary.get("jobs") or {}
        self._job = next((str(job.get("job_id") or "") for job in jobs.values()), "")
        self._observations: dict[str, str] = {}
        self._missing: dict[str, str] = {}

    def report(self) -> Report:
        """Look at what the cluster left, then ask for what has a request."""
        for look in (self._look_at_lists, self._look_at_job, self._look_at_results, self._look_at_boots):
            self._observe(look)
        self._observations |= probe_reads.canary_facts(self._canary)
        base = f"https://dataproc.googleapis.com/v1/projects/{self._client.project}/regions/{self._client.region}"
        values = {
            **{name: str(value) for name, value in self._params["values"].items()},
            "project": self._client.project,
            "region": self._client.region,
            "bucket": self._params["bucket"],
            "dataproc": base,
            **({"job": self._job} if self._job else {}),
        }
        asker = Asker(self._client, values)
        verdicts = []
        for guess in self._params["guesses"]:
            found, reason = asker.ask(guess) if "request" in guess else self._seen(guess["seen"])
            verdicts.append(judge(guess, found, reason, values, stand_in=self._params["stand_in"]))
        return Report(
            where=f"{self._params['environment']}: {self._client.project}, {self._client.region}",
            at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            stand_in=self._params["stand_in"],
            cluster={key: value for key, value in self._canary.items() if key != "jobs"},
            failure=self._params["failure"],
            verdicts=verdicts,
            not_settled=self._params["not_settled"],
            observations=self._observations,
            left=asker.left,
        )

    def _observe(self, look: Callable[[], dict[str, str]]) -> None:
        try:
            self._observations |= look()
        except ComputeError as error:
            self._missing[look.__name__] = str(error)

    def _seen(self, name: str) -> tuple[str | None, str]:
        """An observation, or why there is none: what the job says it missed, what could not be read, what failed."""
        if name in self._observations:
            return self._observations[name], ""
        part = name.partition(".")[0]
        shared = self._observations.get("master.machine") == "no" and part in _OF_MACHINES
        reasons = [
            self._missing.get(part),
            "the cluster's nodes are no machines of their own" if shared else "",
            "the cluster or its job failed, see below" if self._params["failure"] else "",
            *self._missing.values(),
        ]
        return None, next((reason for reason in reasons if reason), "nothing that was looked at says it")

    def _look_at_lists(self) -> dict[str, str]:
        parent = f"https://dataproc.googleapis.com/v1/projects/{self._client.project}/regions/{self._client.region}"
        with ThreadPoolExecutor(max_workers=2) as pool:
            operations_call, jobs_call = (pool.submit(self._list, parent, kind) for kind in ("operations", "jobs"))
            operations, jobs = operations_call.result(), jobs_call.result()
        if len(jobs) < 2:
            self._missing["jobs"] = "fewer than two jobs are listed"
        properties = (self._params["config"].get("softwareConfig") or {}).get("properties") or {}
        return {
            **probe_reads.operation_facts(operations, self._uuid),
            **probe_reads.creation_facts(operations, self._uuid, properties),
            **probe_reads.jobs_facts(jobs),
        }

    def _list(self, parent: str, kind: str) -> list[dict[str, Any]]:
        pages = self._client.pages(f"{parent}/{kind}", kind, params={"pageSize": 100})
        return list(itertools.islice(pages, MOST_LISTED))

    def _look_at_job(self) -> dict[str, str]:
        if not self._job:
            return {}
        job = DataprocApi(self._client, self._client.project, self._client.region).get_job(self._job)
        output = str(job.get("driverOutputResourceUri") or "")
        if not output.startswith("gs://"):
            return probe_reads.job_facts(job, [])
        parts = sorted(StorageObjects(self._client).list_objects(*split_uri(output)), key=lambda part: part.name)
        return probe_reads.job_facts(job, [part.size for part in parts])

    def _look_at_results(self) -> dict[str, str]:
        content = StorageObjects(self._client).read_range(*split_uri(self._params["results"]), 0, MOST_BYTES)
        try:
            document = json.loads(content) if content else {}
        except ValueError as error:
            raise ComputeError(f"{self._params['results']} is no JSON: {error}") from error
        for part, reason in (document.get("missing") or {}).items():
            for name in _OF_YARN if part == "yarn" else (part,):
                self._missing.setdefault(name, str(reason))
        return {name: str(value) for name, value in (document.get("results") or {}).items()}

    def _look_at_boots(self) -> dict[str, str]:
        if not self._uuid:
            return {}
        objects, bucket = StorageObjects(self._client), self._params["bucket"]
        names = [
            part.name
            for part in objects.list_objects(bucket, f"{METAINFO}/{self._uuid}/")
            if part.name.rpartition("/")[2].startswith(probe_reads.INIT_OUTPUT)
        ]
        texts = {name: objects.read_range(bucket, name, 0, MOST_BYTES).decode(errors="replace") for name in names}
        return probe_reads.boot_facts(texts, self._uuid)


DEFINITION = TaskDefinition(
    argument_spec=add_common_arguments(
        {
            "environment": {"type": "str", "required": True},
            "guesses": {"type": "list", "elements": "dict", "required": True},
            "not_settled": {"type": "list", "elements": "dict", "default": []},
            "values": {"type": "dict", "default": {}},
            "bucket": {"type": "str", "required": True},
            "results": {"type": "str", "required": True},
            "config": {"type": "dict", "required": True},
            "canary": {"type": "dict", "default": {}},
            "failure": {"type": "str", "default": ""},
            "stand_in": {"type": "bool", "default": False},
        },
    ),
    run=run,
)
