"""The facts of the inventory that DAGs are made from, without Ansible: the common ones, in a made-up environment."""

from __future__ import annotations

from typing import Any

import yaml
from ansible_collections.dataplatform.compute.plugins.module_utils.rendering import cluster_configs
from ansible_collections.dataplatform.compute.plugins.module_utils.workload_documents import workload_documents

from tests.orchestration.gate_support import REPOSITORY

LABELS = {"managed-by": "dataplatform-compute", "environment": "local"}


def facts() -> dict[str, Any]:
    """The facts that all environments share."""
    found: dict[str, Any] = {}
    for path in sorted((REPOSITORY / "inventories" / "common").glob("*.yml")):
        found |= yaml.safe_load(path.read_text())
    return found


def documents(**changes: Any) -> dict[str, str]:
    """``workloads.json`` by team; ``changes`` are facts that differ from the inventory's."""
    given = {**facts(), **changes}
    scripts = {f"jobs/{path.relative_to(REPOSITORY / 'jobs')}" for path in (REPOSITORY / "jobs").rglob("*.py")}
    uris = {name: f"gs://local-artifacts/0/{name.rpartition('/')[2]}" for name in scripts}
    uris["jobs/dask_on_yarn.zip"] = "gs://local-artifacts/0/dask_on_yarn.zip"
    clusters = cluster_configs(
        given["platform_cluster_templates"], {}, given["platform_sizes"], parent="projects/local/regions/europe-west1"
    )
    return workload_documents(
        given["platform_workloads"],
        clusters,
        teams=given["platform_teams"],
        users=given["platform_users"],
        artifact_uris=uris,
        labels=LABELS,
        launcher={
            "sizes": given["platform_sizes"],
            "prices": given["platform_prices"],
            "run_directory": "gs://local-staging/runs",
            "account": None,
        },
        platform={
            "environment": "local",
            "project": "local",
            "region": "europe-west1",
            "staging_bucket": "local-staging",
            "zones": ["europe-west1-b", "europe-west1-c"],
            "schedules": True,
        },
        placeholders={"data_bucket": "local-data"},
    )


TEAMS = sorted(facts()["platform_teams"])
