"""The example workload on the real data, as a laptop runs it; its figures recomputed independently with pandas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.flights import assert_delays_match, packaged_flights_directory, recomputed_delays

SCRIPT = Path(__file__).parents[2] / "jobs" / "examples" / "flights_etl.py"


def run_script(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def laptop_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("laptop")
    completed = run_script(cwd=directory)
    assert completed.returncode == 0, completed.stderr
    return directory / "flights-etl-output"


def test_delays_are_what_pandas_computes(laptop_run: Path) -> None:
    assert_delays_match(str(laptop_run / "delays"), recomputed_delays(packaged_flights_directory()))


def test_flights_are_cleaned_and_joined_without_multiplying_rows(laptop_run: Path) -> None:
    flights = pd.read_parquet(laptop_run / "flights")
    raw = pd.read_csv(packaged_flights_directory() / "flights.csv.zip")
    arrived = raw[raw.arr_delay.notna() & raw.dep_delay.notna()]
    assert len(flights) == len(arrived)
    by_month = flights.month.astype(int).value_counts().to_dict()
    assert by_month == arrived.month.value_counts().to_dict()
    assert flights.temp.notna().mean() > 0.99
    assert flights.manufacturer.notna().mean() > 0.8


def test_summary_is_written_with_the_counts(laptop_run: Path) -> None:
    summary = json.loads((laptop_run / "summary.json").read_text())
    assert summary["flights_read"] == 336776
    assert summary["flights_kept"] == 327346


def test_input_without_tables_is_refused_by_name(tmp_path: Path) -> None:
    completed = run_script("--input", str(tmp_path), "--output", str(tmp_path / "out"), cwd=tmp_path)
    assert completed.returncode == 1
    assert f"{tmp_path} has neither flights.csv nor flights.csv.zip" in completed.stderr
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_repeated_lookup_key_is_refused(tmp_path: Path) -> None:
    for table in ("planes", "weather"):
        text = (packaged_flights_directory() / f"{table}.csv").read_text()
        (tmp_path / f"{table}.csv").write_text(text)
    planes = (tmp_path / "planes.csv").read_text().splitlines()
    (tmp_path / "planes.csv").write_text("\n".join([*planes, planes[1]]) + "\n")
    (tmp_path / "flights.csv.zip").write_bytes((packaged_flights_directory() / "flights.csv.zip").read_bytes())
    completed = run_script("--input", str(tmp_path), "--output", str(tmp_path / "out"), cwd=tmp_path)
    assert completed.returncode == 1
    assert "planes.csv has 1 rows that repeat tailnum" in completed.stderr
