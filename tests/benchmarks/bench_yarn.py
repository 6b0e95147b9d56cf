"""Benchmark: what running a script through ``run_dask.py`` on YARN costs, against Dask and Spark alone.

    .venv/bin/python tests/benchmarks/bench_yarn.py [--runs 3] [--tasks 100000] [--only startup,wall,scheduler]

Everything runs against a local cloud of its own with a real ResourceManager, in one run:

- ``startup``: from submitting a job to its first Dask worker, and to the first task that the script had done there,
  beside submitting a plain Spark job until its first executor runs a task. All go through the Dataproc API.
- ``wall``: the computing part of one script on two one-thread workers in YARN containers, beside the same script on
  Dask's own ``LocalCluster`` with two one-thread workers. Starting up is not counted.
- ``scheduler``: tasks that do nothing, on ten workers: tasks per second beside plain distributed, both as
  ``LocalCluster`` (scheduler, script and nannies in one process) and as ``dask scheduler`` and ``dask worker``
  (processes of their own, as on YARN), and how much memory the driver (JVM, launcher, scheduler, script) takes at most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.yarn.jobs.cluster import DATA_BUCKET, Cluster, Job, converged_cloud, create_cluster  # noqa: E402

CONTAINER = {"worker_memory_mb": 3072, "worker_vcores": 1, "worker_threads": 1}

SPARK = """
import time
from pyspark.sql import SparkSession

context = SparkSession.builder.getOrCreate().sparkContext
print("EXECUTOR", context.parallelize([0], 1).map(lambda _: time.time()).collect()[0], flush=True)
"""
WORKER = """
import time
from dask.distributed import Client

with Client() as client:
    print("WORKER", client.submit(time.time).result(), flush=True)
"""
WALL = """
import sys, time
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask.distributed import Client

def part(number):
    generator = np.random.default_rng(number)
    rows = 400_000
    return pd.DataFrame({"key": generator.integers(0, 2000, rows), "value": generator.random(rows)})

def main():
    workers = int(sys.argv[1])
    options = {} if len(sys.argv) == 2 else {"n_workers": workers, "threads_per_worker": 1, "memory_limit": "2GiB"}
    with Client(**options) as client:
        client.wait_for_workers(workers, timeout=120)
        client.run(lambda: __import__("dask.dataframe") and None)
        started = time.perf_counter()
        frame = dd.from_map(part, range(24), meta={"key": "int64", "value": "float64"})
        shuffled = frame.shuffle("key", npartitions=24).groupby("key").value.agg(["mean", "std", "count"]).compute()
        x = da.random.default_rng(1).random((12000, 12000), chunks=(2000, 2000))
        z = (x @ x.T)[::4].mean(axis=1).compute()
        print("SECONDS", time.perf_counter() - started, len(shuffled), round(float(z.mean()), 3), flush=True)

if __name__ == "__main__":
    main()
"""
TASKS = """
import sys, time
from dask.distributed import Client

def main():
    workers, tasks = int(sys.argv[1]), int(sys.argv[2])
    options = {} if len(sys.argv) == 3 else {"n_workers": workers, "threads_per_worker": 1, "memory_limit": "1GiB"}
    with Client(**options) as client:
        client.wait_for_workers(workers, timeout=300)
        started = time.perf_counter()
        futures = client.map(lambda number: number, range(tasks), pure=False)
        total = sum(client.gather(futures))
        assert total == tasks * (tasks - 1) // 2, total
        print("SECONDS", time.perf_counter() - started, flush=True)

if __name__ == "__main__":
    main()
"""


def said(output: str, word: str) -> float:
    """The number behind a word that a script printed."""
    (line,) = [line for line in output.splitlines() if f"{word} " in line]
    return float(line.partition(f"{word} ")[2].split()[0])


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} [{min(values):.2f}-{max(values):.2f}]"


def submit_spark(cluster: Cluster, number: int) -> Job:
    """Submit a plain Spark job that asks for one executor of a worker's size."""
    name = f"spark-{number}-{int(time.time())}"
    properties = {
        "spark.yarn.queue": "root.normal",
        "spark.executor.instances": "1",
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.memory": "512m",
        "spark.executor.memoryOverhead": f"{CONTAINER['worker_memory_mb'] - 512}m",
        "spark.executor.cores": "1",
        # Dataproc starts drivers as root, whom no queue lets in.
        "spark.driver.extraJavaOptions": "-DHADOOP_USER_NAME=ada",
    }
    main = cluster.google.upload(DATA_BUCKET, f"scripts/{name}.py", SPARK)
    body = {
        "placement": {"clusterName": cluster.name},
        "reference": {"jobId": name},
        "pysparkJob": {"mainPythonFileUri": main, "properties": properties},
    }
    cluster.google.post("jobs:submit", {"job": body})
    return Job(cluster, name)


def bench_startup(cluster: Cluster, runs: int) -> None:
    """Print the time from submission to the first executor and to the first Dask worker, and their ratio."""
    spark, workers, tasks = [], [], []
    for number in range(runs):
        started = time.time()
        spark.append(said(submit_spark(cluster, number).succeeds(), "EXECUTOR") - started)
        cluster.assert_nothing_is_left()
        started = time.time()
        job = cluster.submit(WORKER, min_workers=1, max_workers=1, **CONTAINER)
        tasks.append(said(job.succeeds(), "WORKER") - started)
        workers.append(first_worker(job.record()) - started)
        cluster.assert_nothing_is_left()
    baseline = statistics.median(spark)
    print(f"start-up, s: plain Spark to its first executor's task {spread(spark)}")
    print(f"  to the first Dask worker {spread(workers)}; ratio {statistics.median(workers) / baseline:.2f} (bar: 1.3)")
    print(f"  to the script's first task done there {spread(tasks)}; ratio {statistics.median(tasks) / baseline:.2f}")


def first_worker(record: dict[str, Any]) -> float:
    """When the launcher first saw a worker, in seconds of the epoch."""
    seconds = next(seconds for seconds, count in record["workers"]["over_time"] if count)
    return datetime.fromisoformat(record["started"]).timestamp() + seconds


def bench_wall(cluster: Cluster, runs: int) -> None:
    """Print the computing time of the same script on LocalCluster and on YARN, and their ratio."""
    local, yarn = [], []
    for _run in range(runs):
        local.append(said(run_locally(WALL, "2", "local"), "SECONDS"))
        job = cluster.submit(WALL, "2", min_workers=2, max_workers=2, **CONTAINER)
        yarn.append(said(job.succeeds(600), "SECONDS"))
        cluster.assert_nothing_is_left()
    ratio = statistics.median(yarn) / statistics.median(local)
    print(f"computing, s, two one-thread workers: LocalCluster {spread(local)}; YARN {spread(yarn)}; ratio {ratio:.2f}")
    print("  (bar: 1.15; YARN's workers talk over TLS, LocalCluster's do not)")


def bench_scheduler(cluster: Cluster, runs: int, tasks: int) -> None:
    """Print tasks per second on ten workers beside plain distributed, and the driver's peak memory."""
    rates: dict[str, list[float]] = {"LocalCluster": [], "dask scheduler and dask worker": [], "YARN": []}
    peaks = []
    for _run in range(runs):
        output = run_locally(TASKS, "10", str(tasks), "local", timeout=3600)
        rates["LocalCluster"].append(tasks / said(output, "SECONDS"))
        with plain_processes(10) as address:
            output = run_locally(TASKS, "10", str(tasks), timeout=3600, DASK_SCHEDULER_ADDRESS=address)
        rates["dask scheduler and dask worker"].append(tasks / said(output, "SECONDS"))
        job = cluster.submit(TASKS, "10", str(tasks), min_workers=10, max_workers=10, user_workers=10, **CONTAINER)
        with peak_memory(job) as peak:
            rates["YARN"].append(tasks / said(job.succeeds(3600), "SECONDS"))
        peaks.append(max(peak))
        cluster.assert_nothing_is_left()
    ours = statistics.median(rates["YARN"])
    print(f"scheduler, tasks/s of {tasks} on ten workers (bar: 0.95 of plain distributed):")
    for name, found in rates.items():
        print(f"  {name} {spread(found)}; YARN's part of it {ours / statistics.median(found):.2f}")
    print(f"  driver's memory at most, MiB (JVM, launcher, scheduler, script): {spread(peaks)}")


@contextmanager
def plain_processes(workers: int) -> Iterator[str]:
    """Dask's own programs on this machine: a scheduler and one-thread workers with nannies; the scheduler's address."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "scheduler.json"
        options = ["--scheduler-file", str(file)]
        worker = ["--nworkers", str(workers), "--nthreads", "1", "--memory-limit", "1GiB"]
        commands = (
            ["distributed.cli.dask_scheduler", *options, "--host", "127.0.0.1", "--port", "0"],
            ["distributed.cli.dask_worker", *options, *worker, "--local-directory", directory],
        )
        started = [
            subprocess.Popen([cluster_python(), "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for command in commands
        ]
        try:
            while not file.exists():
                time.sleep(0.1)
            yield json.loads(file.read_text())["address"]
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)


@contextmanager
def peak_memory(job: Job) -> Iterator[list[float]]:
    """Sample the memory of the job's driver and all below it, in MiB, until the block ends."""
    samples, done = [0.0], threading.Event()

    def sample() -> None:
        while not done.wait(1.0):
            for process in psutil.process_iter(["cmdline"]):
                line = " ".join(process.info["cmdline"] or [])
                if "SparkSubmit" in line and job.identity in line:
                    samples.append(sum(memory(one) for one in [process, *process.children(recursive=True)]))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def memory(process: psutil.Process) -> float:
    """Memory of one process in MiB; what it shares with others is counted once."""
    try:
        return process.memory_full_info().pss / 2**20
    except psutil.Error:
        return 0.0


def cluster_python() -> str:
    """The interpreter of the cluster's environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    default = cache / "dataplatform-compute/cluster-environment/bin/python"
    return os.environ.get("LOCALCLOUD_CLUSTER_PYTHON") or str(default)


def run_locally(script: str, *arguments: str, timeout: float = 600, **variables: str) -> str:
    """Run a script with the cluster's Python on this machine; what it printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(script)
        file.flush()
        command = [cluster_python(), file.name, *arguments]
        environment = {**os.environ, **variables}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=True, env=environment
        ).stdout


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="repetitions of each part (%(default)s)")
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks of the scheduler part (%(default)s)")
    parser.add_argument("--only", default="startup,wall,scheduler", help="parts, separated by commas (%(default)s)")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    with tempfile.TemporaryDirectory() as directory, converged_cloud(Path(directory) / "home") as cloud:
        cluster = create_cluster(cloud, "bench", workers=3)
        print(json.dumps({"load": os.getloadavg(), "cores": os.cpu_count()}))
        if "startup" in parts:
            bench_startup(cluster, arguments.runs)
        if "wall" in parts:
            bench_wall(cluster, arguments.runs)
        if "scheduler" in parts:
            bench_scheduler(cluster, 1, arguments.tasks)


if __name__ == "__main__":
    main()
