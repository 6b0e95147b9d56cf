# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a canary is to be: checked, completed and told in words before any call is made. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.driver_output import split_uri
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.job_schema import checked_job
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.dataproc_cluster import KIND
from ansible_collections.dataplatform.compute.plugins.module_utils.near_miss import near_miss
from ansible_collections.dataplatform.compute.plugins.module_utils.ownership import label_problems
from ansible_collections.dataplatform.compute.plugins.module_utils.schema import plain

OWNERSHIP = ("managed-by", "environment")
"""Labels that say whose a cluster is; with ``purpose`` they find what a killed canary left."""

PURPOSE = {"purpose": "canary"}

LONGEST_LIFE_SECONDS = 7200
"""After so long Dataproc deletes a canary's cluster itself, whatever became of this program."""

IDLE_SECONDS = 900
SHORTEST_LIFE_SECONDS = 600
FEWEST_WORKERS = 2

_JOB_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,29}")
_MARGIN_SECONDS = 600


@dataclass(frozen=True)
class CanaryJob:
    """A job that the canary runs: Dataproc's body without placement, where its results will be, and its time limit."""

    name: str
    body: dict[str, Any]
    results: str
    timeout: float


@dataclass(frozen=True)
class ScaleIn:
    """Fewer workers while a job runs, from when its driver has said ``after_output`` (empty: from when it runs)."""

    job: str
    workers: int
    timeout: float
    after_output: str


@dataclass(frozen=True)
class CanaryPlan:
    """A cluster, what runs on it, and how long each step may take, in seconds."""

    cluster: dict[str, Any]
    jobs: tuple[CanaryJob, ...]
    scale_in: ScaleIn | None
    sweep: bool
    create_timeout: float
    delete_timeout: float

    @property
    def name(self) -> str:
        """The cluster's name."""
        return str(self.cluster["clusterName"])

    @property
    def mark(self) -> dict[str, str]:
        """The labels by which canaries of these owners are found."""
        return {key: value for key, value in self.cluster["labels"].items() if key in (*OWNERSHIP, *PURPOSE)}

    def lines(self, leftovers: Iterable[str]) -> list[str]:
        """Every step in words, given the names of the clusters that are swept away first."""
        config = self.cluster["config"]
        workers = (config.get("workerConfig") or {}).get("numInstances", FEWEST_WORKERS)
        image = (config.get("softwareConfig") or {}).get("imageVersion", "Google's default image")
        lines = [f"delete cluster {name}, which an earlier canary left" for name in leftovers]
        lines.append(f"create cluster {self.name}: {workers} workers, {image}")
        for job in self.jobs:
            lines.append(f"run job {job.name}, at most {job.timeout:g} s")
            if self.scale_in and self.scale_in.job == job.name:
                lines.append(f"meanwhile go down to {self.scale_in.workers} workers, gracefully")
            lines.append(f"read what {job.name} found in {job.results}")
        return [*lines, f"delete cluster {self.name}"]


def make_plan(params: Mapping[str, Any]) -> CanaryPlan:
    """The plan of a task's options. Raises ValidationError with every problem."""
    labels = {str(key): str(value) for key, value in plain(params["labels"]).items()}
    config = plain(params["config"])
    problems = [*_label_findings(labels), *_time_findings(params)]
    jobs = [_job(entry, f"jobs[{position}]", problems) for position, entry in enumerate(plain(params["jobs"]))]
    problems += _name_findings(jobs)
    wanted = params.get("scale_in")
    scale_in = ScaleIn(**plain(wanted)) if wanted else None
    if scale_in:
        problems += _scale_in_findings(scale_in, jobs, config)
    life = _life_seconds(params, jobs, scale_in)
    if life > LONGEST_LIFE_SECONDS:
        problems.append(
            f"create_timeout and the timeouts of jobs and scale_in add up to {life} s; "
            f"a canary's cluster lives {LONGEST_LIFE_SECONDS} s at most"
        )
    cluster, wrong = KIND.schema.check(
        {"clusterName": params["cluster"], "config": _with_net(config, life), "labels": {**labels, **PURPOSE}}
    )
    problems += wrong
    if not KIND.id_pattern.fullmatch(params["cluster"]):
        problems.append(f"cluster is '{params['cluster']}'; expected {KIND.id_expectation}")
    if problems:
        raise ValidationError(problems, "the canary")
    return CanaryPlan(
        cluster=cluster,
        jobs=tuple(jobs),
        scale_in=scale_in,
        sweep=params["sweep"],
        create_timeout=params["create_timeout"],
        delete_timeout=params["delete_timeout"],
    )


def _with_net(config: Mapping[str, Any], life: int) -> dict[str, Any]:
    """The config without an autoscaler, which would undo the scale-in, and with Dataproc's own deletion."""
    kept = {key: value for key, value in config.items() if key != "autoscalingConfig"}
    seconds = min(LONGEST_LIFE_SECONDS, max(SHORTEST_LIFE_SECONDS, life))
    return {**kept, "lifecycleConfig": {"autoDeleteTtl": f"{seconds}s", "idleDeleteTtl": f"{IDLE_SECONDS}s"}}


def _life_seconds(params: Mapping[str, Any], jobs: Iterable[CanaryJob], scale_in: ScaleIn | None) -> int:
    steps = [params["create_timeout"], *(job.timeout for job in jobs), scale_in.timeout if scale_in else 0]
    return math.ceil(sum(steps)) + _MARGIN_SECONDS


def _job(entry: Mapping[str, Any], where: str, problems: list[str]) -> CanaryJob:
    job = CanaryJob(entry["name"], entry["job"], entry["results"], entry["timeout"])
    if not _JOB_NAME.fullmatch(job.name):
        problems.append(
            f"{where}.name is {job.name!r}; expected up to 30 lower-case letters, digits, '_' and '-', "
            "beginning with a letter or digit"
        )
    problems += [
        f"{where}.job has {key}; the canary sets it" for key in ("placement", "reference") if job.body.get(key)
    ]
    try:
        checked_job({**job.body, "placement": {"clusterName": "canary"}, "reference": {"jobId": "canary"}})
    except ValidationError as error:
        problems += [f"{where}.job: {problem}" for problem in error.problems]
    try:
        split_uri(job.results)
    except ValueError as error:
        problems.append(f"{where}.results: {error}")
    return job


def _name_findings(jobs: list[CanaryJob]) -> list[str]:
    names = [job.name for job in jobs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    findings = [f"jobs: the name {name!r} is used more than once" for name in repeated]
    places = [job.results for job in jobs]
    shared = sorted({place for place in places if places.count(place) > 1})
    findings += [f"jobs: two jobs write their results to {place}; expected a place for each" for place in shared]
    return findings if jobs else ["jobs is empty; a canary that runs nothing shows nothing"]


def _scale_in_findings(scale_in: ScaleIn, jobs: Iterable[CanaryJob], config: Mapping[str, Any]) -> list[str]:
    names = [job.name for job in jobs]
    findings = []
    if scale_in.job not in names:
        findings.append(
            f"scale_in.job is {scale_in.job!r}, which is none of the jobs; {near_miss(scale_in.job, names)}"
        )
    workers = (config.get("workerConfig") or {}).get("numInstances", FEWEST_WORKERS)
    if isinstance(workers, int) and not FEWEST_WORKERS <= scale_in.workers < workers:
        findings.append(
            f"scale_in.workers is {scale_in.workers}; expected fewer than config.workerConfig.numInstances ({workers}) "
            f"and at least {FEWEST_WORKERS}"
        )
    return findings


def _label_findings(labels: Mapping[str, str]) -> list[str]:
    findings = label_problems(dict(labels))
    findings += [f"labels has no {key}; expected the ownership labels" for key in OWNERSHIP if not labels.get(key)]
    if labels.get("purpose", "canary") != "canary":
        findings.append(f"labels.purpose is '{labels['purpose']}'; a canary's is 'canary'")
    if "placement" in labels:
        findings.append(
            f"labels.placement is '{labels['placement']}'; workloads find their clusters by it, so a canary has none"
        )
    return findings


def _time_findings(params: Mapping[str, Any]) -> list[str]:
    limits = {key: params[key] for key in ("create_timeout", "delete_timeout")}
    limits |= {f"jobs[{position}].timeout": entry["timeout"] for position, entry in enumerate(params["jobs"])}
    if params.get("scale_in"):
        limits["scale_in.timeout"] = params["scale_in"]["timeout"]
    return [f"{name} is {value:g}; expected seconds above 0" for name, value in limits.items() if value <= 0]
