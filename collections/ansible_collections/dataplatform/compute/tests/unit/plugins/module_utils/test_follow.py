# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run is followed: pauses, limits, who is told, and what a signal does."""

from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import follow
from ansible_collections.dataplatform.compute.plugins.module_utils.follow import Deadline, PollPace, TaskProgress
from ansible_collections.dataplatform.compute.plugins.module_utils.interruption import Interruption
from ansible_collections.dataplatform.compute.plugins.module_utils.run_errors import FollowerAloneError
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter


def test_pauses_grow_up_to_the_limit_and_are_short_again_after_news():
    pace = PollPace(longest=2)
    pauses = [pace.pause_after(news=news) for news in [False] * 6]
    assert pauses == sorted(pauses)
    assert pauses[0] == follow.FIRST_PAUSE
    assert pauses[-1] == 2
    assert pace.pause_after(news=True) == follow.FIRST_PAUSE


def test_a_limit_below_the_first_pause_holds_from_the_start():
    pace = PollPace(longest=0.1)
    assert [pace.pause_after(news=True), pace.pause_after(news=False)] == [0.1, 0.1]


def test_a_deadline_of_zero_never_passes():
    assert not Deadline(0).passed
    assert not Deadline(60).passed
    assert Deadline(-1).passed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_once_and_ends_the_pause(number):
    announced = []
    before = signal.getsignal(number)
    with Interruption(announce=lambda: announced.append(True)) as interruption:
        interruption.pause(0.01)
        assert not interruption.requested
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        start = time.monotonic()
        interruption.pause(30)
        assert time.monotonic() - start < 5
        assert interruption.requested
    assert announced == [True]
    assert signal.getsignal(number) is before


def test_no_signal_rushes_the_clean_up():
    with Interruption() as interruption:
        interruption.requested = True
        interruption.begin_clean_up()
        start = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        interruption.pause(0.3)
        assert time.monotonic() - start >= 0.3


def test_a_follower_whose_parent_died_stops(monkeypatch):
    with Interruption() as interruption:
        monkeypatch.setattr(os, "getppid", lambda: 1)
        with pytest.raises(FollowerAloneError):
            interruption.pause(0.01)


def test_after_an_interruption_the_terminal_is_told_and_ansible_is_not(monkeypatch):
    told, written = [], []
    monkeypatch.setattr(follow, "write_to_terminal", written.append)
    interruption = Interruption()
    progress = TaskProgress(Reporter(progress=told.append), interruption, show_output=True)
    progress.output("step", "before")
    interruption.requested = True
    progress.note("after")
    progress.output("", "nobody knows whether this may be shown")
    assert told == ["  step| before"]
    assert [line[9:] for line in written] == ["after"]


def test_output_can_be_left_out_but_states_cannot(monkeypatch):
    told = []
    progress = TaskProgress(Reporter(progress=told.append), Interruption(), show_output=False)
    progress.output("", "a line")
    progress.note("RUNNING")
    assert [line[9:] for line in told] == ["RUNNING"]
