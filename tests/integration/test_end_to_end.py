"""The whole path on real data: converge, put the flights into the bucket, run the workload, recompute its figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.flights import assert_delays_match, packaged_flights_directory, recomputed_delays
from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import DATAPROC, STORAGE, Google

BUCKET = "local-project-data"


@pytest.fixture(scope="module")
def finished_run(localcloud: LocalCloud) -> Iterator[Google]:
    """A fresh cloud after ``site.yml``, the example data and one run of ``flights-etl``."""
    localcloud.cli("reset", "--yes")
    play = ("ansible-playbook", "-i", str(REPOSITORY / "inventories" / "local"))
    localcloud.run(*play, "site.yml", *WITHOUT_AIRFLOW)
    data = localcloud.run(str(REPOSITORY / "scripts" / "example_data.sh")).stdout.strip()
    localcloud.run(*play, "playbooks/publish_example_data.yml", "-e", f"example_data_directory={data}")
    localcloud.run(*play, "playbooks/run_workload.yml", "-e", "workload=flights-etl")
    yield Google(localcloud.environment)


def published(google: Google, output: str) -> str:
    """Return the prefix of the data bucket where the data of an output are: its summary names it."""
    address = f"{STORAGE}/storage/v1/b/{BUCKET}/o/{quote(f'{output}/summary.json', safe='')}?alt=media"
    return google.call("GET", address).json()["data"].removeprefix(f"gs://{BUCKET}/")


def download(google: Google, prefix: str, target: Path) -> None:
    """Copy every object under a prefix of the data bucket to a directory."""
    listing = google.call("GET", f"{STORAGE}/storage/v1/b/{BUCKET}/o", params={"prefix": prefix}).json()
    assert listing.get("items"), f"nothing under gs://{BUCKET}/{prefix}"
    for item in listing["items"]:
        path = target / item["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(google.call("GET", item["mediaLink"]).content)


def test_figures_are_what_pandas_computes(finished_run: Google, tmp_path: Path) -> None:
    data = published(finished_run, "flights-etl")
    download(finished_run, f"{data}/delays/", tmp_path)
    expected = recomputed_delays(packaged_flights_directory())
    assert_delays_match(str(tmp_path / data / "delays"), expected)


def test_the_cluster_is_gone_and_the_job_is_labelled(finished_run: Google) -> None:
    assert finished_run.call("GET", f"{DATAPROC}/clusters").json().get("clusters", []) == []
    (job,) = finished_run.call("GET", f"{DATAPROC}/jobs").json()["jobs"]
    assert job["status"]["state"] == "DONE"
    labels = {name: job["labels"].get(name) for name in ("owner", "team", "workload", "environment", "priority")}
    assert labels == {
        "owner": "ada",
        "team": "growth",
        "workload": "flights-etl",
        "environment": "local",
        "priority": "normal",
    }
    assert job["pysparkJob"]["properties"]["spark.yarn.queue"] == "root.normal"
