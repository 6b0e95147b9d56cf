"""One DAG per workload of the release's team, as the inventory describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataplatform_dask import release as releases
from dataplatform_dask.cluster import DaskCluster
from dataplatform_dask.dag import PlatformDag, platform_dag
from dataplatform_dask.documentation import workload_page
from dataplatform_dask.job_body import job_seconds

_KEYS: dict[str, type] = {
    "owner": str,
    "template": str,
    "priority": str,
    "placement": str,
    "timeout": int,
    "slots": int,
    "labels": dict,
    "job": dict,
}


def workload_dags(release: releases.Release | None = None) -> dict[str, PlatformDag]:
    """Return {DAG id: DAG} of the team's workloads; a DAG's id is the workload's name.

    Raises ReleaseError naming the workload and the key.
    """
    release = release or releases.current()
    return {name: workload_dag(release, name, workload) for name, workload in sorted(release.workloads.items())}


def workload_dag(release: releases.Release, name: str, workload: Mapping[str, Any]) -> PlatformDag:
    """Return the DAG of one workload."""
    _check(name, workload)
    seconds = job_seconds(workload["timeout"], workload.get("queue_timeout"))
    try:
        with (
            platform_dag(
                name,
                owner=workload["owner"],
                schedule=workload.get("schedule"),
                description=workload.get("description", ""),
                doc_md=workload_page(release, name, workload, seconds),
                tags=("workload", f"template:{workload['template']}"),
                release=release,
            ) as dag,
            DaskCluster(
                name="cluster",
                template=workload["template"],
                owner=workload["owner"],
                placement=workload["placement"],
                priority=workload["priority"],
                workload=name,
                workers=workload["slots"],
                labels=workload["labels"],
            ) as cluster,
        ):
            cluster.job("run", workload["job"], seconds)
    except releases.ReleaseError as error:
        raise releases.ReleaseError(f"workloads.json: workloads.{name}: {error}") from error
    return dag


def _check(name: str, workload: Any) -> None:
    where = f"workloads.json: workloads.{name}"
    if not isinstance(workload, Mapping):
        raise releases.ReleaseError(f"{where} is {type(workload).__name__}, expected a mapping")
    for key, kind in _KEYS.items():
        releases.expect(workload, key, kind, where)
    if "pysparkJob" not in workload["job"]:
        raise releases.ReleaseError(f"{where}.job.pysparkJob is missing, expected the body of a PySpark job")
