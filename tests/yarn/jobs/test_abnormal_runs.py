"""Runs that lose their launcher, their ResourceManager, their scheduler or every worker, or that do nothing at all."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.google import wait_for
from tests.yarn.jobs.cluster import DATA_BUCKET, Cluster, Job
from tests.yarn.jobs.scripts import COUNT, HOLD, READ_TWICE, SHUT_DOWN

pytestmark = pytest.mark.slow

WORKERS_FAILED, IDLE_TIMEOUT = 70, 123
FINAL = {"FINISHED", "FAILED", "KILLED"}


def run_directory(job: Job) -> Path:
    """Where the launcher keeps what belongs to the run, the key included."""
    (scheduler,) = job.processes("scheduler_main")
    return Path(scheduler.cmdline()[-1]).parent


def kill_launcher(job: Job) -> None:
    """Kill the launcher and nothing else."""
    job.kill("run_dask.py", lambda line: job.identity in line and "SparkSubmit" not in " ".join(line))


def test_a_launcher_killed_while_its_application_waits(cluster: Cluster) -> None:
    first = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1)
    first.wait_for_output("HOLDING")
    second = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1)
    second.wait_for(lambda: second.application().get("state") == "ACCEPTED", "the second application waits")
    directories = [Path(process.cmdline()[-1]).parent for process in second.processes("scheduler_main")]
    assert len(directories) == 2
    wait_for(lambda: not keys(directories), "the keys of both runs taken from the disk", 30)
    kill_launcher(second)
    assert second.finished() == "ERROR"
    wait_for(lambda: second.application()["state"] in FINAL, "the end of the application that waited", 90)
    assert first.application()["state"] == "RUNNING"
    first.cancel()
    assert first.finished() == "CANCELLED"
    cluster.assert_nothing_is_left()


def keys(directories: list[Path]) -> list[Path]:
    """Keys that launchers have not taken yet."""
    return [path for directory in directories for path in directory.glob("launcher/*.key")]


def test_a_launcher_killed_at_work_leaves_no_key(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1)
    job.wait_for_output("HOLDING")
    directory = run_directory(job)
    assert list(directory.rglob("*.key"))
    kill_launcher(job)
    assert job.finished() == "ERROR"
    wait_for(lambda: not directory.exists(), "the run's directory removed", 30)
    cluster.assert_nothing_is_left(90)


def test_a_run_that_gives_its_workers_nothing_to_do(cluster: Cluster) -> None:
    job = cluster.submit(HOLD, "1", "600", min_workers=1, max_workers=1, idle_timeout=8)
    job.fails(IDLE_TIMEOUT)
    cluster.assert_nothing_is_left()


def test_work_goes_on_while_the_resource_manager_is_away(cluster: Cluster, tmp_path: Path) -> None:
    script = COUNT.replace("time.sleep(seconds)", f"time.sleep(seconds); open('{tmp_path}/done', 'a').write('.')")
    job = cluster.submit(script, "60", "0.5", min_workers=1, max_workers=1, worker_threads=1)
    done = tmp_path / "done"
    job.wait_for(lambda: done.exists() and done.stat().st_size > 3, "work")
    (manager,) = job.processes("resourcemanager.ResourceManager")
    manager.send_signal(signal.SIGSTOP)
    try:
        before = done.stat().st_size
        time.sleep(12)
        assert done.stat().st_size > before + 5
    finally:
        manager.send_signal(signal.SIGCONT)
    assert f"TOTAL {sum(range(60))}" in job.succeeds()
    assert job.record()["result"]["exit_code"] == 0
    cluster.assert_nothing_is_left()


def test_inputs_read_twice_come_from_the_workers_disk(cluster: Cluster) -> None:
    """A worker reads one file twice; with a cache its content is asked for in the first reading only."""
    uri = cluster.google.upload(DATA_BUCKET, "inputs/twice.csv", "number\n" + "\n".join(map(str, range(200_000))))
    for size, asked_again in ((0, True), (256, False)):
        cluster.cloud.clear_requests()
        job = cluster.submit(READ_TWICE, uri, f"{uri}.between", min_workers=1, max_workers=1, cache_size_mb=size)
        assert f"SUMS {[sum(range(200_000))] * 2}" in job.succeeds()
        first, second = downloads_by_reading(cluster.cloud.requests(), "twice.csv")
        assert first > 0
        assert (second > 0) == asked_again
        cluster.assert_nothing_is_left()


def downloads_by_reading(requests: list[dict[str, Any]], name: str) -> tuple[int, int]:
    """How often the content of an object was asked for before anyone looked for ``NAME.between``, and afterwards."""
    between = [index for index, request in enumerate(requests) if f"{name}.between" in request["path"]]
    assert between, "nobody looked for the object between the two readings"
    downloads = [
        index
        for index, request in enumerate(requests)
        if request["path"].endswith(name) and "alt=media" in request.get("query", "")
    ]
    first = sum(index < between[0] for index in downloads)
    return first, len(downloads) - first


def test_a_script_that_shuts_the_cluster_down_and_goes_on(cluster: Cluster) -> None:
    job = cluster.submit(SHUT_DOWN, min_workers=2, max_workers=2)
    job.wait_for_output("SHUT DOWN")
    job.wait_for(lambda: not job.worker_processes(), "workers gone")
    # The containers go, too, while the script still runs.
    job.wait_for(lambda: cluster.yarn("metrics")["clusterMetrics"]["containersAllocated"] == 1, "containers given back")
    output = job.succeeds()
    assert "WENT ON" in output
    assert job.record()["result"]["exit_code"] == 0
    cluster.assert_nothing_is_left()


def test_workers_that_can_never_start_end_the_run(cluster: Cluster, tmp_path: Path) -> None:
    configuration = tmp_path / "dask.yaml"
    configuration.write_text("broken: [")
    broken = {"spark.executorEnv.DASK_CONFIG": str(configuration)}
    job = cluster.submit(HOLD, "1", "1", min_workers=1, max_workers=1, properties=broken)
    job.fails(WORKERS_FAILED)
    assert not any(count for _second, count in job.record()["workers"]["over_time"])
    cluster.assert_nothing_is_left()
