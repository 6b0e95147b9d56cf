"""The smoke workload: right answers, the same whatever the number of workers, and with one that leaves in mid-run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client, LocalCluster

SCRIPT = Path(__file__).parents[2] / "jobs" / "smoke" / "smoke.py"
ROWS = 60_000


@contextmanager
def workers(count: int) -> Iterator[LocalCluster]:
    """A Dask cluster of single-threaded workers that the script finds as it finds one in a job."""
    with LocalCluster(
        n_workers=count, threads_per_worker=1, memory_limit="1GB", dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def start(cluster: LocalCluster, directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, str(SCRIPT), "--rows", str(ROWS), "--workers", str(len(cluster.workers))),
            *("--results", str(directory / "results.json"), "--temporary", str(directory / "temporary"), *arguments),
        ],
        env={**os.environ, "DASK_SCHEDULER_ADDRESS": cluster.scheduler_address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ends(process: subprocess.Popen[str], exit_code: int, seconds: float = 180) -> str:
    """Wait for the end; the output since the last line that was read."""
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == exit_code, output
    return output


def results_in(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "results.json").read_text())


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script writes on one worker."""
    directory = tmp_path_factory.mktemp("one")
    with workers(1) as cluster:
        ends(start(cluster, directory), 0)
    assert list((directory / "temporary").iterdir()) == [], "the Parquet is removed"
    return results_in(directory)


def test_the_answers_are_right(one_worker: dict[str, Any]) -> None:
    number = np.arange(ROWS, dtype="int64")

    def scrambled(values: np.ndarray) -> np.ndarray:
        return (values * 2654435761 + 12345) % 2**31

    table = pd.DataFrame({"id": number, "key": scrambled(number) % 997, "value": scrambled(number + 7) % 4096 / 8})
    side = 244  # the root of 60,000
    matrix = (scrambled(np.arange(side * side)) % 64).reshape(side, side).astype(float)
    product = matrix @ matrix.T
    by_key = table.groupby("key").value.sum()
    by_name = table.groupby(table.key % 50)
    lines = [f"name-{name:02d} {part.value.sum()} {part.id.max()} {part.key.nunique()}" for name, part in by_name]
    thirds = table[table.id % 3 == 0]
    tenth = table[table.id % 10 == 3]
    found = dict(one_worker["results"])
    digest = found.pop("table_names_digest")
    assert found == {
        "array_sum": matrix.sum(),
        "array_standard_deviation": pytest.approx(matrix.std(), rel=1e-8),
        "array_medians": np.median(matrix, axis=0).sum(),
        "matrix_trace": np.trace(product),
        "matrix_corner": product[-1, -1],
        "table_rows": ROWS,
        "table_names": 50,
        "table_mean_of_names": pytest.approx(by_name.value.sum().mean(), rel=1e-8),
        "shuffle_groups": 997,
        "shuffle_largest_key": by_key.idxmax(),
        "shuffle_largest_total": pytest.approx(by_key.max(), rel=1e-8),
        "join_rows": len(thirds),
        "join_product": pytest.approx((thirds.id % 10 * thirds.value).sum(), rel=1e-8),
        "table_quantile": 5,
        "parquet_files": 24,
        "parquet_rows": len(tenth),
        "parquet_total": pytest.approx(tenth.value.sum(), rel=1e-8),
        "parquet_last_name": f"name-{tenth.key.mod(50).max():02d}",
        "delayed_total": scrambled(number).sum(),
        "held_total": scrambled(np.arange(2_400_000)).sum(),
    }
    assert digest == hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert one_worker["workload"] == "smoke 1: 60000 rows"
    assert one_worker["workers"] == {"first": 1, "last": 1}
    assert one_worker["versions"]["pandas"] == pd.__version__
    assert one_worker["seconds"] == pytest.approx(sum(one_worker["parts"].values()))


def test_a_worker_that_leaves_changes_no_answer(one_worker: dict[str, Any], tmp_path: Path) -> None:
    with workers(3) as cluster, Client(cluster) as client:
        process = start(cluster, tmp_path, "--scale-in-seconds", "120")
        _read_until(process, lambda line: "holding state on 3 workers" in line)
        client.retire_workers([next(iter(client.nthreads()))])
        ends(process, 0)
    found = results_in(tmp_path)
    assert found["results"] == one_worker["results"]
    assert found["workers"] == {"first": 3, "last": 2}


def test_without_a_worker_that_leaves_there_are_no_results(tmp_path: Path) -> None:
    with workers(2) as cluster:
        output = ends(start(cluster, tmp_path, "--scale-in-seconds", "0.1"), 1)
    assert "none of 2 workers left within 0.1 s; one was to leave" in output
    assert not (tmp_path / "results.json").exists()


def test_state_that_was_lost_is_no_success(tmp_path: Path) -> None:
    with workers(2) as cluster, Client(cluster) as client:
        process = start(cluster, tmp_path, "--scale-in-seconds", "120")
        _read_until(process, lambda line: "holding state" in line)
        victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        ends(process, 1)
    assert not (tmp_path / "results.json").exists()


def test_a_terminated_run_removes_its_parquet(tmp_path: Path) -> None:
    with workers(1) as cluster:
        process = start(cluster, tmp_path, "--scale-in-seconds", "120")
        _read_until(process, lambda line: "arrays took" in line or "tables took" in line)
        process.terminate()
        ends(process, 143)
    assert not (tmp_path / "temporary" / "table").exists()
    assert not (tmp_path / "results.json").exists()


def _read_until(process: subprocess.Popen[str], found: Callable[[str], bool]) -> None:
    read = []
    for line in process.stdout or ():
        read.append(line)
        if found(line):
            return
    pytest.fail(f"the script ended before: {''.join(read)}")
