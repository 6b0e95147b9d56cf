"""Jobs on real YARN: drivers by spark-submit, their applications, and what happens to those without a driver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

SUM = """
import os, sys
import helper
from pyspark import SparkContext
sc = SparkContext(appName="sum")
found = sc.parallelize(range(100), 2).map(helper.double).sum()
hosts = sc.parallelize([0], 1).map(lambda _: (os.environ["NM_HOST"], os.environ["GCE_METADATA_HOST"])).collect()
print("SUM", found, "USER", sc.sparkUser(), "HOSTS", hosts, "ARGS", sys.argv[1:], open("note.txt").read())
sc.stop()
"""
IDLE = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


@pytest.fixture(scope="module")
def cluster(yarn: Any) -> Iterator[str]:
    properties = {
        "dataproc:dataproc.scheduler.max-concurrent-jobs": "2",
        "spark:spark.executor.memory": "512m",
        "spark:spark.executor.cores": "1",
        "spark:spark.executor.instances": "1",
        "spark:spark.dynamicAllocation.enabled": "false",
    }
    assert "error" not in yarn.finished(yarn.start_cluster("jobs", properties))
    yield "jobs"
    assert "error" not in yarn.delete("jobs")


def test_a_pyspark_job_runs_in_containers(yarn: Any, cluster: str) -> None:
    main = yarn.put("sum.py", SUM)
    helper = yarn.put("helper.py", "def double(number):\n    return 2 * number\n")
    note = yarn.put("note.txt", "noted")
    job = yarn.ended(
        yarn.submit(
            cluster,
            main,
            "a b",
            pythonFileUris=[helper],
            fileUris=[note],
            properties={"spark.app.name": "unused", "spark.yarn.tags": "mine"},
        )
    )
    output = yarn.output(job)
    assert job["status"]["state"] == "DONE", output
    line = next(line for line in output.splitlines() if line.startswith("SUM"))
    assert line.startswith("SUM 9900 USER root HOSTS [('127."), line
    assert line.endswith(":8780')] ARGS ['a b'] noted")
    ended = yarn.until(lambda: _ended_applications(yarn.job(job)))
    (application,) = ended
    assert (application["name"], application["state"], application["progress"]) == ("sum", "FINISHED", 1.0)
    assert int(application["memoryMbSeconds"]) > 0
    assert int(application["vcoreSeconds"]) > 0
    assert application["trackingUrl"].startswith(yarn.manager(cluster) + "/proxy/application_")
    identifier = application["trackingUrl"].rstrip("/").rpartition("/")[2]
    tags = set(yarn.application(cluster, identifier)["applicationTags"].split(","))
    assert {
        "mine",
        f"dataproc_job_{job['reference']['jobId']}",
        f"dataproc_uuid_{job['jobUuid']}",
        "dataproc_master_index_0",
    } <= tags
    assert any(tag.startswith("dataproc_hash_") for tag in tags)


def _ended_applications(job: dict[str, Any]) -> list[dict[str, Any]]:
    applications = job.get("yarnApplications", [])
    return applications if applications and all(item["state"] == "FINISHED" for item in applications) else []


def test_an_application_goes_with_its_cancelled_driver_and_more_jobs_wait(yarn: Any, cluster: str) -> None:
    main = yarn.put("idle.py", IDLE)
    first, second, third = [yarn.submit(cluster, main) for _ in range(3)]
    yarn.until(lambda: {yarn.job(each)["status"]["state"] for each in (first, second)} == {"RUNNING"})
    waiting = yarn.until(lambda: (status := yarn.job(third)["status"]).get("substate") and status)
    assert (waiting["state"], waiting["substate"]) == ("PENDING", "QUEUED")
    assert "2 drivers" in waiting["details"]
    # The driver has no SparkContext; an application that carries the job's tags is the job's all the same.
    tags = f"dataproc_job_{first['reference']['jobId']},dataproc_uuid_{first['jobUuid']}"
    sleeper = yarn.occupy(cluster, 512, tags)
    stranger = yarn.occupy(cluster, 512)
    yarn.until(lambda: yarn.job(first).get("yarnApplications"))
    assert "yarnApplications" not in yarn.job(second)
    yarn.http.post(f"{yarn.region_url}/jobs/{first['reference']['jobId']}:cancel", json={})
    assert yarn.ended(first)["status"]["state"] == "CANCELLED"
    yarn.until(lambda: yarn.application(cluster, sleeper)["state"] == "KILLED")
    yarn.until(lambda: [item["state"] for item in yarn.job(first)["yarnApplications"]] == ["KILLED"])
    assert yarn.application(cluster, stranger)["state"] != "KILLED"
    yarn.end(cluster, stranger)
    # The slot is free for the one that waited.
    yarn.until(lambda: yarn.job(third)["status"]["state"] == "RUNNING")
    assert "details" not in yarn.job(third)["status"]
    for job in (second, third):
        yarn.http.post(f"{yarn.region_url}/jobs/{job['reference']['jobId']}:cancel", json={})
        yarn.ended(job)


def test_status_lists_running_jobs_with_their_applications(yarn: Any, cluster: str) -> None:
    job = yarn.submit(cluster, yarn.put("idle.py", IDLE))
    tags = f"dataproc_job_{job['reference']['jobId']},dataproc_uuid_{job['jobUuid']}"
    yarn.occupy(cluster, 512, tags)
    yarn.until(lambda: [item["state"] for item in yarn.job(job).get("yarnApplications", [])] == ["ACCEPTED"])
    status = yarn.server.command("status").stdout
    assert f"job {job['reference']['jobId']} on {cluster}: RUNNING" in status
    assert "  sleep: ACCEPTED" in status
    yarn.http.post(f"{yarn.region_url}/jobs/{job['reference']['jobId']}:cancel", json={})
    yarn.ended(job)
