"""Benchmark: reading the same CSV data twice from a bucket, with and without the workers' input cache.

    .venv/bin/python tests/benchmarks/bench_input_cache.py [--megabytes 256] [--latency 0.0] [--runs 3]

The bucket is a local cloud of its own; ``--latency`` adds seconds to every request, as a real bucket does (about 0.05).
A fresh Dask worker process with two threads sums a column of the data twice (``dd.read_csv``, blocks of 32 MB); runs
with and without the cache take turns. The first pass is what the cache costs on data that is read once, the second
what it gains. Parsing is part of both; the rows "raw" read the bytes without parsing. CPU is
that of the worker.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
OBJECT = "input-cache-bench/data.csv"

READER = """
import json, sys, time
import dask
import dask.dataframe as dd
from dask.distributed import Client, LocalCluster
from dask_on_yarn import input_cache

def raw(path, start, end):
    import fsspec
    with fsspec.open(path, "rb") as file:
        file.seek(start)
        return len(file.read(end - start))

def main():
    url, kind, size_mb, megabytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    cache = input_cache.configure(size_mb)
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, env=cache.environment,
                           preload=list(cache.preload), memory_limit="4GiB")
    seconds = []
    with cluster, Client(cluster) as client:
        client.submit(lambda: __import__("gcsfs") and __import__("dask.dataframe")).result()
        for _ in range(2):
            started, used = time.perf_counter(), sum(client.run(time.process_time).values())
            if kind == "csv":
                client.compute(dd.read_csv(url, blocksize="32MB").value.sum()).result()
            else:
                step = 32 * 10**6
                total = dask.delayed(sum)([dask.delayed(raw)(url, start, start + step)
                                           for start in range(0, megabytes * 10**6, step)])
                client.compute(total).result()
            cpu = sum(client.run(time.process_time).values()) - used
            seconds.extend((time.perf_counter() - started, cpu))
    print(json.dumps(seconds))

if __name__ == "__main__":
    main()
"""


def localcloud(environment: dict[str, str], *arguments: str) -> str:
    """Run ``localcloud ARGUMENTS`` and return its standard output."""
    command = [str(TOOLS / "localcloud"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def client(environment: dict[str, str], *arguments: str) -> str:
    """Run Python with these arguments as a client of the local cloud; a failure ends the benchmark with its output."""
    command = [sys.executable, *arguments]
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if completed.returncode:
        sys.exit(f"{' '.join(command)} exited {completed.returncode}\n{completed.stdout}\n{completed.stderr}")
    return completed.stdout


def write_data(file: Path, megabytes: int) -> None:
    """Write CSV rows of 50 bytes."""
    chunk = "".join(f"{number:010d},{number % 1000:06d},{'x' * 31}\n" for number in range(20_000))
    with file.open("w") as out:
        out.write("key,value,text\n")
        for _ in range(megabytes):
            out.write(chunk)


def main() -> None:
    """Run the benchmark and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=256, help="size of the data (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every request (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="repetitions; medians are printed (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        environment = {**os.environ, "LOCALCLOUD_HOME": str(work / "home"), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
        localcloud(environment, "up", "--port", "0", "--engine", "process")
        try:
            run_benchmark(options, work, environment)
        finally:
            localcloud(environment, "down")


def run_benchmark(options: argparse.Namespace, work: Path, environment: dict[str, str]) -> None:
    """Upload the data, then read it in turns with the cache off and on."""
    variables = json.loads((work / "home" / "environment.json").read_text())
    environment = {**environment, **variables, "PYTHONPATH": str(REPOSITORY / "jobs")}
    write_data(work / "data.csv", options.megabytes)
    bucket, _, _ = OBJECT.partition("/")
    upload = "import gcsfs,sys; f=gcsfs.GCSFileSystem(); f.mkdir(sys.argv[1]); f.put_file(sys.argv[2], sys.argv[3])"
    client(environment, "-c", upload, bucket, str(work / "data.csv"), OBJECT)
    if options.latency:
        delay = ("--method", "*", "--kind", "delay", "--delay", str(options.latency))
        localcloud(environment, "fault", "add", *delay)
    (work / "reader.py").write_text(READER)

    passes: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(options.runs):
        for kind in ("csv", "raw"):
            for cache, size_mb in (("off", 0), ("on", 4 * options.megabytes)):
                command = (str(work / "reader.py"), f"gs://{OBJECT}", kind, str(size_mb), str(options.megabytes))
                seconds = json.loads(client(environment, *command))
                passes.setdefault((kind, cache), []).append(seconds)

    print(f"{options.megabytes} MB, {options.latency * 1000:.0f} ms per request, median of {options.runs}")
    print(f"{'':12}{'off 1st':>10}{'off 2nd':>10}{'on 1st':>10}{'on 2nd':>10}{'read once':>11}{'gain 2nd':>10}")
    for kind in ("csv", "raw"):
        off, on = ([statistics.median(column) for column in zip(*passes[kind, c], strict=True)] for c in ("off", "on"))
        for name, first in (("wall s", 0), ("CPU s", 1)):
            row = (off[first], off[first + 2], on[first], on[first + 2])
            figures = "".join(f"{value:10.2f}" for value in row)
            print(f"{kind} {name:8}{figures}{row[2] / row[0]:10.2f}x{row[1] / row[3]:9.2f}x")


if __name__ == "__main__":
    main()
