"""The clocks of a run."""

import pytest
from dask_on_yarn.deadlines import Deadlines
from dask_on_yarn.exit_codes import IDLE_TIMEOUT, QUEUE_TIMEOUT, TIMEOUT, RunEnded


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def ends_with(deadlines):
    with pytest.raises(RunEnded) as caught:
        deadlines.check()
    return caught.value.exit_code


def test_queueing_counts_until_the_first_worker():
    clock = Clock()
    deadlines = Deadlines(10, 20, None, clock)
    clock.now += 10
    deadlines.check()
    clock.now += 0.1
    assert ends_with(deadlines) == QUEUE_TIMEOUT


def test_running_counts_from_the_first_worker_not_from_submission():
    clock = Clock()
    deadlines = Deadlines(1000, 20, None, clock)
    clock.now += 900
    deadlines.running()
    clock.now += 20
    deadlines.check()
    assert deadlines.queued_seconds == 900
    clock.now += 0.1
    assert ends_with(deadlines) == TIMEOUT


def test_idle_time_starts_again_with_every_bit_of_work():
    clock = Clock()
    deadlines = Deadlines(None, None, 5, clock)
    deadlines.running()
    clock.now += 4
    deadlines.busy()
    clock.now += 4
    deadlines.check()
    clock.now += 2
    assert ends_with(deadlines) == IDLE_TIMEOUT


def test_without_limits_nothing_ends():
    clock = Clock()
    deadlines = Deadlines(None, None, None, clock)
    clock.now += 1e6
    deadlines.check()
    deadlines.running()
    clock.now += 1e6
    deadlines.check()
