"""The analytics example on the real data; its figures recomputed with pandas by other means than the job's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.flights import packaged_flights_directory

SCRIPT = Path(__file__).parents[2] / "jobs" / "examples" / "flights_analytics.py"


def run_script(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("analytics")
    completed = run_script(cwd=directory)
    assert completed.returncode == 0, completed.stderr
    return directory / "flights-analytics-output"


@pytest.fixture(scope="module")
def arrived() -> pd.DataFrame:
    flights = pd.read_csv(packaged_flights_directory() / "flights.csv.zip")
    flights = flights[flights.arr_delay.notna() & flights.dep_delay.notna()].copy()
    weather = pd.read_csv(packaged_flights_directory() / "weather.csv")
    keys = list(zip(weather.origin, weather.time_hour, strict=True))
    for column in ("wind_speed", "precip", "visib"):
        known = dict(zip(keys, weather[column], strict=True))
        flights[column] = [known.get(key, np.nan) for key in zip(flights.origin, flights.time_hour, strict=True)]
    return flights


def test_hours_and_weather_are_what_pandas_computes(output: Path, arrived: pd.DataFrame) -> None:
    answer = pd.read_parquet(output / "by_hour_and_weather").set_index(["hour", "weather"])
    assert answer.flights.sum() == len(arrived)
    wet = arrived[~(arrived.visib < 3) & (arrived.precip > 0)]
    foggy = arrived[arrived.visib < 3]
    for weather, flights in (("precipitation", wet), ("low visibility", foggy)):
        for hour, group in flights.groupby("hour"):
            row = answer.loc[(hour, weather)]
            assert row.flights == len(group)
            assert row.mean_arr_delay == pytest.approx(np.mean(group.arr_delay))
            assert row.late_share == pytest.approx(np.mean(group.arr_delay > 15))


def test_airlines_have_cluster_robust_intervals(output: Path, arrived: pd.DataFrame) -> None:
    answer = pd.read_parquet(output / "by_airline").set_index("carrier")
    assert set(answer.index) == set(arrived.carrier)
    for carrier, flights in arrived.groupby("carrier"):
        residuals = defaultdict(float)
        mean = flights.arr_delay.mean()
        for day, delay in zip(flights.month * 31 + flights.day, flights.arr_delay, strict=True):
            residuals[day] += delay - mean
        variance = np.var(list(residuals.values()), ddof=1) * len(residuals) / len(flights) ** 2
        row = answer.loc[carrier]
        assert row.days == len(residuals)
        assert row.mean_arr_delay == pytest.approx(mean)
        assert row.mean_arr_delay_high - row.mean_arr_delay == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-6)
        assert row.mean_arr_delay - row.mean_arr_delay_low == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-6)


def test_plane_ages_count_every_flight_once(output: Path, arrived: pd.DataFrame) -> None:
    answer = pd.read_parquet(output / "by_plane_age").set_index("age")
    planes = pd.read_csv(packaged_flights_directory() / "planes.csv")
    age = 2013 - arrived.tailnum.map(dict(zip(planes.tailnum, planes.year, strict=True)))
    assert answer.loc["unknown"].flights == age.isna().sum()
    assert answer.loc["05-09"].flights == ((age >= 5) & (age <= 9)).sum()
    assert answer.loc["20 or more"].flights == (age >= 20).sum()
    assert answer.flights.sum() == len(arrived)


def test_delays_carry_over_as_a_walk_along_each_plane_finds(output: Path, arrived: pd.DataFrame) -> None:
    flights = arrived.dropna(subset=["tailnum"]).copy()
    start = pd.to_datetime(flights.time_hour).dt.tz_localize(None)
    flights["at"] = (start - pd.Timestamp("2013-01-01")).dt.total_seconds() / 60 + flights.minute
    chains: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for row in zip(flights.tailnum, flights["at"], flights.arr_delay, flights.dep_delay, strict=True):
        chains[row[0]].append(row[1:])
    before, last_3, after = [], [], []
    for chain in chains.values():
        chain.sort(key=lambda flight: flight[:2])
        for position in range(1, len(chain)):
            if chain[position][0] - chain[position - 1][0] <= 720:
                before.append(chain[position - 1][1])
                last_3.append(np.mean([flight[1] for flight in chain[max(0, position - 3) : position]]))
                after.append(chain[position][2])
    before, after = np.array(before), np.array(after)
    summary = json.loads((output / "summary.json").read_text())
    assert summary["pairs_within_12_hours"] == len(before)
    assert summary["correlation_with_previous_delay"] == pytest.approx(np.corrcoef(before, after)[0, 1], rel=1e-4)
    assert summary["correlation_with_mean_of_last_3"] == pytest.approx(np.corrcoef(last_3, after)[0, 1], rel=1e-4)
    answer = pd.read_parquet(output / "by_previous_delay").set_index("previous")
    long = (before > 60) & (before <= 120)
    assert answer.loc["60 to 120"].pairs == long.sum()
    assert answer.loc["60 to 120"].mean_dep_delay == pytest.approx(after[long].mean(), rel=1e-3)


def test_picture_and_summary_are_written_and_nothing_else(output: Path, arrived: pd.DataFrame) -> None:
    assert (output / "delays.png").read_bytes().startswith(b"\x89PNG")
    summary = json.loads((output / "summary.json").read_text())
    assert summary["flights_read"] == 336776
    assert summary["flights_kept"] == len(arrived)
    assert summary["late_share"] == pytest.approx((arrived.arr_delay > 15).mean())
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_input_without_tables_is_refused_by_name(tmp_path: Path) -> None:
    completed = run_script("--input", str(tmp_path), "--output", str(tmp_path / "out"), cwd=tmp_path)
    assert completed.returncode == 1
    assert f"flights_analytics: --input {tmp_path} has neither flights.csv" in completed.stderr
    assert not list(tmp_path.iterdir())
