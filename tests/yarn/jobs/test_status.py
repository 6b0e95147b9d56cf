"""playbooks/status.yml on a real ResourceManager: why each of those who wait does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.yarn.jobs.cluster import Cluster, create_cluster, delete_cluster
from tests.yarn.jobs.scripts import HOLD

ONE_WORKER = {"min_workers": 1, "max_workers": 1}


@pytest.fixture
def small_cluster(yarn_cloud: LocalCloud) -> Iterator[Cluster]:
    """A cluster on which two workers and their application master leave room for one more master of that size."""
    cluster = create_cluster(yarn_cloud, "status", workers=2)
    yield cluster
    delete_cluster(cluster)


def test_whose_application_yarn_holds_back_is_told_why(small_cluster: Cluster, tmp_path: Path) -> None:
    failed = small_cluster.submit("raise KeyError('carrier')\n", **ONE_WORKER)
    failed.fails(1)
    runs = small_cluster.submit(HOLD, "2", "600", timeout=1800, min_workers=2, max_workers=2)
    runs.wait_for_output("HOLDING")
    second = small_cluster.submit(HOLD, "1", "600", queue_timeout=900, **ONE_WORKER)
    other = small_cluster.submit(HOLD, "1", "600", owner="grace", master_memory_mb=2048, **ONE_WORKER)
    for job in (second, other):
        job.wait_for(lambda job=job: [app["state"] for app in job.body.get("yarnApplications", [])], "its application")

    file = tmp_path / "status.json"
    inventory = str(REPOSITORY / "inventories" / "local")
    options = ("-i", inventory, *WITHOUT_AIRFLOW, "-e", f"status_file={file}")
    small_cluster.cloud.run("ansible-playbook", "playbooks/status.yml", *options)
    found = json.loads(file.read_text(encoding="utf-8"))

    shown = {run["run"]: run for run in found["runs"]}
    assert (shown[runs.identity]["phase"], shown[runs.identity]["application"]) == ("running", "RUNNING")
    assert 0 < shown[runs.identity]["seconds_left_at_least"] <= 1800
    assert shown[second.identity]["reason"]["code"] == "user_limit"
    assert runs.identity in shown[second.identity]["reason"]["text"]
    assert 0 < shown[second.identity]["seconds_left_at_least"] <= 900
    assert shown[other.identity]["reason"] == {
        "code": "cluster_full",
        "text": "status is full, at its maximum of 2 workers",
    }
    assert "carrier" in {one["run"]: one["reason"] for one in found["failures"]}[failed.identity]
    assert [one["name"] for one in found["clusters"]] == ["status"]
