"""What the tests of Google's own Dask init action do, here on workers in YARN containers."""

from __future__ import annotations

import json

import pytest

from tests.yarn.jobs.cluster import Cluster

pytestmark = pytest.mark.slow

SCENARIO = """
import json, sys
import dask.array as da
import numpy as np
from dask.distributed import Client

with Client() as client:
    if int(sys.argv[1]):
        client.wait_for_workers(int(sys.argv[1]), timeout=90)
    workers = len(client.scheduler_info(n_workers=-1)["workers"])
    ones = float(da.ones(5).sum().compute())
    also_ones = float(da.sum(np.ones(5)).compute())
    x = da.random.default_rng(1).random((10000, 10000), chunks=(1000, 1000))
    z = (x + x.T)[::2, 5000:].mean(axis=1).compute()
    print("ANSWER " + json.dumps([workers, ones, also_ones, z.shape, float(z.mean())]))
"""


def answer(output: str) -> list:
    """What the script printed."""
    (line,) = [line for line in output.splitlines() if "ANSWER " in line]
    return json.loads(line.partition("ANSWER ")[2])


def test_a_client_connects_and_arrays_compute_on_two_workers_and_again(cluster: Cluster) -> None:
    for _run in ("first", "second"):
        job = cluster.submit(SCENARIO, "2", min_workers=2, max_workers=2)
        workers, ones, also_ones, shape, mean = answer(job.succeeds())
        assert (workers, ones, also_ones, shape) == (2, 5.0, 5.0, [5000])
        # The mean of 25 million pairs of uniform numbers is 1 to four digits.
        assert abs(mean - 1) < 1e-3
        cluster.assert_nothing_is_left()


def test_no_worker_to_begin_with_is_enough(cluster: Cluster) -> None:
    job = cluster.submit(SCENARIO, "0", min_workers=0, max_workers=1)
    assert answer(job.succeeds())[1] == 5.0
    cluster.assert_nothing_is_left()
