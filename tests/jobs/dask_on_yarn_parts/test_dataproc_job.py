"""Reading the driver's own Dataproc job; the call to Google is tested with localcloud in the integration tests."""

from __future__ import annotations

import pytest
from dask_on_yarn import dataproc_job

from .fake_server import serve

TAGS = "dataproc_hash_1a2b,dataproc_job_flights-etl-20261123,dataproc_master_index_0,dataproc_uuid_77"


@pytest.mark.parametrize(
    ("tags", "job_id"),
    [(TAGS, "flights-etl-20261123"), ("dataproc_job_a_1", "a_1"), ("", None), ("my_dataproc_job_x", None)],
)
def test_job_id_comes_from_the_tags(tags: str, job_id: str | None) -> None:
    assert dataproc_job.job_id_of(tags) == job_id


def metadata(path: str) -> tuple[int, str]:
    values = {"project/project-id": "p-1", "instance/attributes/dataproc-region": "europe-west1"}
    value = values.get(path.removeprefix("/computeMetadata/v1/"))
    return (200, value) if value else (404, "not found")


def test_labels_of_the_own_job(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def get_job(*arguments: str) -> dict:
        asked.append(arguments)
        return {"labels": {"owner": "ada"}, "placement": {"clusterName": "etl-1"}}

    monkeypatch.setattr(dataproc_job, "_get_job", get_job)
    with serve(metadata) as server:
        job = dataproc_job.own_job(TAGS, {"GCE_METADATA_HOST": server.host})
    assert asked == [("p-1", "europe-west1", "flights-etl-20261123")]
    assert (job.job_id, job.labels, job.cluster, job.reason) == ("flights-etl-20261123", {"owner": "ada"}, "etl-1", "")


def test_what_cannot_be_read_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dataproc_job.own_job("").reason == "spark.yarn.tags is '', expected a tag dataproc_job_<job id>"
    job = dataproc_job.own_job(TAGS, {"GCE_METADATA_HOST": "127.0.0.1:9"})
    assert job.labels is None
    assert job.job_id == "flights-etl-20261123"
    assert job.reason.startswith("metadata server 127.0.0.1:9: ")

    def forbidden(*arguments: str) -> dict:
        raise PermissionError("403 dataproc.jobs.get denied")

    monkeypatch.setattr(dataproc_job, "_get_job", forbidden)
    with serve(metadata) as server:
        job = dataproc_job.own_job(TAGS, {"GCE_METADATA_HOST": server.host})
    assert job.labels is None
    assert job.reason == "job flights-etl-20261123: 403 dataproc.jobs.get denied"
