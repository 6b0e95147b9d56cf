"""The facts of a release as the inventory's renderer makes them, for tests; small clusters."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import DagArchive, build_archive
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_sources import read_sources
from ansible_collections.dataplatform.compute.plugins.module_utils.workload_documents import workload_documents

REPOSITORY = Path(__file__).parents[2]
TEAMS = {"growth": {"cost_center": "cc-4711"}, "platform": {"cost_center": "cc-1000"}}
USERS = {"ada": {"team": "growth"}, "alan": {"team": "growth"}, "grace": {"team": "platform"}}
LABELS = {"managed-by": "dataplatform-compute", "environment": "local", "cost-center": "cc-1000"}
LAUNCHER = {
    "sizes": {
        "worker": {"memory_mb": 12288, "vcores": 4},
        "application_master": {"memory_mb": 1024, "vcores": 1},
        "user": {"workers": 3, "memory_mb": 43008, "vcores": 13},
        "cluster": {"workers_min": 2, "workers_max": 10},
    },
    "prices": {"vcore_hour": 0.0316, "gib_hour": 0.0042},
    "run_directory": "gs://staging/runs",
    "account": None,
}
CONFIG = {
    "configBucket": "staging",
    "tempBucket": "temp",
    "gceClusterConfig": {"internalIpOnly": True, "metadata": {"someKey": "v"}, "shieldedInstanceConfig": {}},
    "masterConfig": {"numInstances": 1, "machineTypeUri": "n2-standard-4", "diskConfig": {"bootDiskSizeGb": 100}},
    "workerConfig": {"numInstances": 2, "machineTypeUri": "n2-standard-4"},
    "softwareConfig": {
        "imageVersion": "2.3.10-debian12",
        "properties": {"yarn:yarn.nodemanager.resource.memory-mb": "13312"},
    },
    "lifecycleConfig": {"idleDeleteTtl": "600s", "autoDeleteTtl": "14400s"},
    "encryptionConfig": {"kmsKey": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
}
PLATFORM = {
    "environment": "local",
    "project": "local-project",
    "region": "europe-west1",
    "staging_bucket": "staging",
    "zones": ["europe-west1-b", "europe-west1-c"],
    "schedules": True,
}
SCRIPTS = ("flights_etl", "flights_analytics", "flights_delay_model")


def workload(**changes: Any) -> dict[str, Any]:
    """One workload of the inventory."""
    return {
        "owner": "ada",
        "team": "growth",
        "description": "Delay statistics",
        "template": "etl",
        "priority": "normal",
        "placement": "own",
        "script": "examples/flights_etl.py",
        "arguments": ["--input", "gs://data/{{ not a template }}"],
        "timeout": 1800,
        "schedule": "0 5 * * *",
        **changes,
    }


def document(
    team: str = "growth",
    workloads: Mapping[str, Any] | None = None,
    *,
    config: Mapping[str, Any] = CONFIG,
    artifacts: Mapping[str, str] | None = None,
    launcher: Mapping[str, Any] = LAUNCHER,
) -> dict[str, Any]:
    """Return a parsed ``workloads.json``."""
    uris = artifacts or {
        name: f"gs://artifacts/0123/{name}"
        for name in ("jobs/run_dask.py", "jobs/dask_on_yarn.zip", *(f"jobs/examples/{script}.py" for script in SCRIPTS))
    }
    texts = workload_documents(
        {"flights-etl": workload()} if workloads is None else workloads,
        {name: {"own": config, "shared": config} for name in ("etl", "ml", "analytics")},
        teams=TEAMS,
        users=USERS,
        artifact_uris=uris,
        labels=LABELS,
        launcher=launcher,
        platform=PLATFORM,
        placeholders={"data_bucket": "local-project-data", "environment": "local"},
    )
    return json.loads(texts[team])


def release(team: str = "growth", **options: Any) -> Any:
    """Return the Release of a document."""
    from dataplatform_dask import release as releases

    return releases.load({"release": "0123456789ab", "team": team, "environment": "local"}, document(team, **options))


def archive(team: str = "growth", **options: Any) -> DagArchive:
    """Return the archive of a team, built from this repository's sources."""
    sources = read_sources(str(REPOSITORY / "dags"), list(TEAMS))[team]
    return build_archive(team, "local", sources.files, json.dumps(document(team, **options)))


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return the files as an archive, in the order they have."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)
    return data.getvalue()
