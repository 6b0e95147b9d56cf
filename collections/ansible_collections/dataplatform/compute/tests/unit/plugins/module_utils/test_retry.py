# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When a call is repeated, how long the pauses are, and what is raised at the end."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.retry import (
    RetryableFailure,
    RetryPolicy,
    parse_retry_after,
)


class Work:
    """Fails a number of times, then returns its result."""

    def __init__(self, failures, retry_after=None):
        self.failures = failures
        self.retry_after = retry_after
        self.attempts = []

    def __call__(self, number):
        self.attempts.append(number)
        if len(self.attempts) <= self.failures:
            raise RetryableFailure(ValueError(f"failure {number}"), self.retry_after)
        return "done"


def policy(pauses, **options):
    return RetryPolicy(sleep=pauses.append, **options)


def test_it_stops_at_the_first_success():
    pauses, work = [], Work(2)
    assert policy(pauses).call(work) == "done"
    assert work.attempts == [1, 2, 3]
    assert len(pauses) == 2


def test_the_last_error_is_raised():
    pauses = []
    with pytest.raises(ValueError, match="failure 4"):
        policy(pauses, attempts=4).call(Work(99))
    assert len(pauses) == 3


def test_pauses_grow_are_random_and_capped():
    pauses = []
    with pytest.raises(ValueError):
        policy(pauses, attempts=12, longest_wait=4, give_up_after=1000).call(Work(99))
    ceilings = [0.25, 0.5, 1, 2, 4, 4, 4, 4, 4, 4, 4]
    assert all(ceiling / 4 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True))
    assert len({round(pause, 6) for pause in pauses}) > 5


@pytest.mark.parametrize(("asked", "expected"), [(3.0, 3.0), (500.0, 16.0)])
def test_retry_after_is_honoured_up_to_the_cap(asked, expected):
    pauses = []
    policy(pauses).call(Work(1, retry_after=asked))
    assert pauses == [expected]


def test_another_error_is_not_repeated():
    attempts = []

    def work(number):
        attempts.append(number)
        raise KeyError("no")

    with pytest.raises(KeyError):
        policy([]).call(work)
    assert attempts == [1]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("7", 7.0), ("-1", 0.0), ("soon", None), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0)],
)
def test_parse_retry_after(value, seconds):
    assert parse_retry_after(value, now=10.0) == seconds
