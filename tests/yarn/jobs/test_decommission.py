"""Nodes that leave gracefully: the data on them moves first, and nothing is computed twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.integration.google import DATAPROC, wait_for
from tests.yarn.jobs.cluster import Cluster
from tests.yarn.jobs.scripts import SHUFFLE

pytestmark = pytest.mark.slow

ROWS, PARTS = 200_000, 24


def expected_answer() -> list[int]:
    """The sum of all values and the number of keys, without Dask."""
    total, keys = 0, set()
    for number in range(PARTS):
        generator = np.random.default_rng(number)
        keys |= set(generator.integers(0, 1000, ROWS).tolist())
        total += int(generator.integers(0, 100, ROWS).sum())
    return [total, len(keys)]


def resize(cluster: Cluster, workers: int) -> None:
    """Ask for another number of workers, with time for the work on a node that leaves."""
    cluster.google.call(
        "PATCH",
        f"{DATAPROC}/clusters/{cluster.name}",
        params={"updateMask": "config.worker_config.num_instances", "gracefulDecommissionTimeout": "300s"},
        json={"config": {"workerConfig": {"numInstances": workers}}},
    )


def test_a_node_leaves_during_a_shuffle(cluster: Cluster, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    job = cluster.submit(SHUFFLE, "3", "1", str(marks), min_workers=3, max_workers=3)
    job.wait_for_output("IN MEMORY")
    master = job.application()["amHostHttpAddress"].partition(":")[0]
    before = {node["nodeHostName"] for node in cluster.nodes()}
    resize(cluster, 2)
    output = job.succeeds()

    (line,) = [line for line in output.splitlines() if "ANSWER " in line]
    assert json.loads(line.partition("ANSWER ")[2]) == expected_answer()
    made = Counter(int(path.name.partition("-")[0]) for path in marks.iterdir())
    assert made == Counter(range(PARTS))
    wait_for(lambda: cluster.body["status"]["state"] == "RUNNING", "the resize to end", 120)
    left = {node["nodeHostName"] for node in cluster.nodes() if node["state"] == "RUNNING"}
    assert len(left) == 2
    assert left < before
    assert job.application()["amHostHttpAddress"].partition(":")[0] in {master, *left}
    cluster.assert_nothing_is_left()
