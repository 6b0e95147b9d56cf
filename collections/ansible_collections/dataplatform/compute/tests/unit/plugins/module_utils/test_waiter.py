# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Waiting has a deadline, polls ever more slowly, and says what it saw last."""

from __future__ import annotations

from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import (
    LONGEST_INTERVAL,
    Deadline,
    operation_state,
    poll,
)


class Clock:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


def test_it_ends_at_once_when_it_has_ended():
    clock = Clock()
    assert poll(lambda: 1, lambda seen: seen == 1, Deadline(10, clock), clock.sleep) == (1, True)
    assert clock.pauses == []


def test_pauses_grow_to_the_longest():
    clock = Clock()
    seen, in_time = poll(lambda: clock.now, lambda now: now > 60, Deadline(100, clock), clock.sleep)
    assert in_time
    assert seen > 60
    assert clock.pauses[0] == 0.2
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[-1] == LONGEST_INTERVAL


def test_the_deadline_ends_it_with_the_last_state():
    clock = Clock()
    seen, in_time = poll(lambda: f"state at {clock.now:.1f}", lambda _seen: False, Deadline(7, clock), clock.sleep)
    assert (seen, in_time) == ("state at 7.0", False)
    assert sum(clock.pauses) == 7


def test_state_of_an_operation():
    operation = {"metadata": {"status": {"state": "RUNNING", "innerState": "DELETING", "details": "workers left"}}}
    assert operation_state(operation) == "RUNNING, DELETING, workers left"
    assert operation_state({"metadata": {"operationType": "UPDATE", "state": "PENDING"}}) == "PENDING"
    assert operation_state({}) == "unknown"
    assert operation_state({"done": True}) == "DONE"
