"""The workloads of the inventory, each on its own cluster, as ``playbooks/run_workload.yml`` runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.flights import assert_delays_match, packaged_flights_directory, recomputed_delays
from tests.integration.conftest import REPOSITORY, LocalCloud
from tests.integration.google import DATAPROC, Google
from tests.integration.test_end_to_end import download, published
from tests.yarn.jobs.cluster import Cluster, Job


@pytest.fixture(scope="module")
def cloud_with_data(yarn_cloud: LocalCloud) -> LocalCloud:
    """The cloud with the flights in its data bucket."""
    directory = yarn_cloud.run(str(REPOSITORY / "scripts" / "example_data.sh")).stdout.strip()
    play = ("ansible-playbook", "-i", str(REPOSITORY / "inventories" / "local"))
    yarn_cloud.run(*play, "playbooks/publish_example_data.yml", "-e", f"example_data_directory={directory}")
    return yarn_cloud


def run_workload(cloud: LocalCloud, google: Google, name: str) -> dict[str, Any]:
    """Run a workload by the playbook; the job it left."""
    known = {job["reference"]["jobId"] for job in google.get("jobs").get("jobs", [])}
    inventory = str(REPOSITORY / "inventories" / "local")
    cloud.run("ansible-playbook", "-i", inventory, "playbooks/run_workload.yml", "-e", f"workload={name}", timeout=600)
    (job,) = [job for job in google.get("jobs")["jobs"] if job["reference"]["jobId"] not in known]
    return job


@pytest.mark.parametrize(
    ("name", "owner", "queue"),
    [
        ("flights-etl", "ada", "root.normal"),
        pytest.param("flights-analytics", "ada", "root.low", marks=pytest.mark.slow),
        pytest.param("flights-delay-model", "grace", "root.normal", marks=pytest.mark.slow),
    ],
)
def test_a_workload_runs_on_yarn_as_its_owner_and_its_cluster_is_gone(
    cloud_with_data: LocalCloud, tmp_path: Path, name: str, owner: str, queue: str
) -> None:
    google = Google(cloud_with_data.environment)
    job = run_workload(cloud_with_data, google, name)
    assert job["status"]["state"] == "DONE"
    (application,) = job["yarnApplications"]
    assert application["state"] == "FINISHED"
    assert int(application["memoryMbSeconds"]) > 0
    record = Job(Cluster(cloud_with_data, google, ""), job["reference"]["jobId"]).record_of(name)
    assert (record["cluster"], record["owner"], record["queue"]) == ("yarn", owner, queue)
    assert record["result"]["exit_code"] == 0
    assert record["tasks"]["count"] > 0
    assert google.call("GET", f"{DATAPROC}/clusters").json().get("clusters", []) == []
    data = published(google, name)
    download(google, f"{data}/", tmp_path)
    assert (tmp_path / data / "summary.json").exists()
    if name == "flights-etl":
        assert_delays_match(str(tmp_path / data / "delays"), recomputed_delays(packaged_flights_directory()))
