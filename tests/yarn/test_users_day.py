"""A day of twenty-five users on one ResourceManager: everyone gets on, nobody ever has more than the limit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcloud.hadoop import HadoopRuntime
from tests.yarn.load.day import PRIORITIES, USERS, jobs
from tests.yarn.load.plots import plot_day
from tests.yarn.support import inventory
from tests.yarn.users_day import run_day

pytestmark = pytest.mark.slow

SEED = 20130101


def test_a_day_of_twenty_five_users(hadoop: HadoopRuntime, load_classes: Path, tmp_path: Path) -> None:
    """Jobs of three priorities, all at once in the morning: each is finished, limits hold at every sample."""
    sizes = inventory("sizes")
    limit, worker, master = sizes["user"], sizes["worker"], sizes["application_master"]

    record, observed = run_day(jobs(SEED), tmp_path / "yarn", hadoop, load_classes)
    (tmp_path / "users-day.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    plot_day(record, tmp_path / "users-day.png")
    print(f"{tmp_path}: {record['seconds']} s, {record['preempted']} preempted, waits {record['waits']}")

    unfinished = [job["name"] for job in record["jobs"] if job["finished_after"] is None]
    assert not unfinished
    assert {job["user"] for job in record["jobs"]} == set(USERS)
    assert observed.samples > 50
    assert not observed.strays
    assert max(observed.running.values()) <= limit["applications"]
    assert max(observed.memory_mb.values()) <= limit["workers"] * worker["memory_mb"] + master["memory_mb"]
    assert max(observed.vcores.values()) <= limit["workers"] * worker["vcores"] + master["vcores"]
    assert max(sum(sample[priority] for priority in PRIORITIES) for sample in record["used"]) <= record["vcores"]

    assert set(record["waits"]) == set(PRIORITIES)
    assert record["waits"]["critical"]["median"] <= record["waits"]["low"]["median"]
    assert (tmp_path / "users-day.png").stat().st_size > 10_000
