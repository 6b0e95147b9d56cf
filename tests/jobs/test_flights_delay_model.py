"""The training example on the real data: its split, its scores recomputed from its predictions, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from tests.flights import packaged_flights_directory

SCRIPT = Path(__file__).parents[2] / "jobs" / "examples" / "flights_delay_model.py"


def run_script(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, timeout=500, check=False
    )


def area_under_curve(late: pd.Series, scores: pd.Series) -> float:
    """The probability that a late flight scores higher than a punctual one, from ranks (Mann-Whitney)."""
    positive = late.to_numpy() == 1
    ranks = rankdata(scores)
    pairs = positive.sum() * (~positive).sum()
    return (ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2) / pairs


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    completed = run_script(cwd=directory)
    assert completed.returncode == 0, completed.stderr
    return directory / "flights-delay-model-output"


@pytest.fixture(scope="module")
def arrived() -> pd.DataFrame:
    flights = pd.read_csv(packaged_flights_directory() / "flights.csv.zip").dropna(subset=["arr_delay"])
    return flights.assign(late=(flights.arr_delay > 15).astype(int))


def test_scores_follow_from_the_predictions(output: Path) -> None:
    summary = json.loads((output / "summary.json").read_text())
    predictions = pd.read_parquet(output / "predictions")
    assert summary["test_auc"] == pytest.approx(area_under_curve(predictions.late, predictions.probability))
    assert summary["baseline_test_auc"] == pytest.approx(area_under_curve(predictions.late, predictions.baseline))
    brier = np.mean((predictions.probability - predictions.late) ** 2)
    assert summary["test_brier_score"] == pytest.approx(brier)
    assert summary["test_auc"] > summary["baseline_test_auc"] + 0.05
    assert 0.65 < summary["test_auc"] < 0.8, "far better would mean that the answer leaked into the features"


def test_time_separates_training_from_test(output: Path, arrived: pd.DataFrame) -> None:
    summary = json.loads((output / "summary.json").read_text())
    assert summary["flights"] == {
        "training": int((arrived.month <= 8).sum()),
        "validation": int(arrived.month.isin([9, 10]).sum()),
        "test": int((arrived.month >= 11).sum()),
    }
    predictions = pd.read_parquet(output / "predictions")
    assert predictions.date.min() == pd.Timestamp("2013-11-01")
    assert predictions.late.sum() == arrived.late[arrived.month >= 11].sum()


def test_baseline_is_the_late_share_of_the_hour_before_the_test(output: Path, arrived: pd.DataFrame) -> None:
    predictions = pd.read_parquet(output / "predictions")
    before = arrived[arrived.month < 11]
    for hour, rows in predictions.groupby("hour"):
        assert np.allclose(rows.baseline, before.late[before.hour == hour].mean())


def test_best_candidate_on_validation_is_chosen(output: Path) -> None:
    summary = json.loads((output / "summary.json").read_text())
    candidates = pd.read_parquet(output / "candidates")
    assert len(candidates) == 6
    best = candidates.loc[candidates.validation_auc.idxmax()].dropna().to_dict()
    assert best == summary["chosen"] | {"validation_auc": summary["validation_auc"]}


def test_model_file_predicts_and_knows_nothing_of_delays(output: Path) -> None:
    model = joblib.load(output / "model.joblib")
    names = list(model.feature_names_in_)
    assert not {"dep_delay", "arr_delay", "air_time", "late", "date", "flight"} & set(names)
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert (output / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_predictions(output: Path, tmp_path: Path) -> None:
    completed = run_script("--output", "again", cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    again = pd.read_parquet(tmp_path / "again" / "predictions")
    pd.testing.assert_frame_equal(again, pd.read_parquet(output / "predictions"), check_exact=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--test-from", "2013-08-01"], "--validation-from 2013-09-01 has to be before --test-from 2013-08-01"),
        (["--test-from", "November"], "invalid iso_date value: 'November'"),
    ],
)
def test_impossible_dates_are_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    completed = run_script(*arguments, cwd=tmp_path)
    assert completed.returncode == 2
    assert message in completed.stderr


def test_an_empty_test_period_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    completed = run_script("--test-from", "2014-06-01", cwd=tmp_path)
    assert completed.returncode == 1
    assert "0 test flights" in completed.stderr
    assert not list(tmp_path.iterdir())
