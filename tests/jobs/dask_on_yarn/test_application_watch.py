"""What a waiting run says, and when it gives up."""

from dataclasses import replace

import pytest
from dask_on_yarn import application_watch
from dask_on_yarn.application_watch import ApplicationWatch
from dask_on_yarn.exit_codes import CLUSTER_LOST, RunEnded
from dask_on_yarn.resource_manager import Application, ResourceManagerError

WAITS = "Application is added to the scheduler and is not yet activated. The user has reached the maximum limit of "
OWN = Application.from_json(
    {"id": "application_1_0009", "name": "etl", "state": "ACCEPTED", "user": "ada", "queue": "root.normal.ada"}
)


class ResourceManager:
    def __init__(self, *applications):
        self.all = list(applications)
        self.fails = False

    def applications(self, user=None, states=(), tag=None):
        if self.fails:
            raise ResourceManagerError("no answer")
        if tag:
            return [found for found in self.all if tag in found.tags]
        return [found for found in self.all if found.user == user and found.state in states]

    def application(self, application_id):
        if self.fails:
            raise ResourceManagerError("no answer")
        return next(found for found in self.all if found.id == application_id)


def watch(*applications):
    own = replace(applications[0], tags=frozenset({"tag"}))
    manager = ResourceManager(own, *applications[1:])
    made = ApplicationWatch(manager, "tag", "ada", str, "a worker container of 1 MiB")
    made.ask()
    return made, manager


def test_a_run_that_waits_for_the_users_other_run_says_which():
    own = replace(OWN, diagnostics=WAITS + "runnable applications.")
    first = replace(OWN, id="application_1_0003", name="report", state="RUNNING")
    ahead = replace(OWN, id="application_1_0005", name="train")
    behind = replace(OWN, id="application_1_0010", name="later")
    line = watch(own, first, ahead, behind)[0].waiting_line()
    assert 'ada already runs application_1_0003 "report"' in line
    assert 'before this one waits application_1_0005 "train"' in line
    assert "later" not in line


def test_a_run_that_waits_for_room_says_so():
    assert "for room on the cluster" in watch(OWN)[0].waiting_line()


def test_a_run_whose_application_runs_waits_for_a_worker():
    assert "waiting for a worker container of 1 MiB" in watch(replace(OWN, state="RUNNING"))[0].waiting_line()


@pytest.mark.parametrize("state", ["KILLED", "FAILED", "FINISHED"])
def test_an_application_that_ended_ends_the_run_with_yarns_reason(state):
    made, _ = watch(replace(OWN, state=state, diagnostics="AM Container\nexited"))
    with pytest.raises(RunEnded) as caught:
        made.check()
    assert caught.value.exit_code == CLUSTER_LOST
    assert "AM Container exited" in caught.value.reason


def test_a_resource_manager_that_stays_away_ends_the_run(monkeypatch):
    made, manager = watch(OWN)
    manager.fails = True
    made.check()
    monkeypatch.setattr(application_watch, "SILENCE_SECONDS", -1.0)
    with pytest.raises(RunEnded) as caught:
        made.check()
    assert caught.value.exit_code == CLUSTER_LOST


def test_waiting_for_the_end_tells_whether_it_came():
    made, manager = watch(replace(OWN, state="RUNNING"))
    assert not made.wait_final(0)
    manager.all = [replace(OWN, state="FINISHED")]
    assert made.wait_final(0)
    manager.fails = True
    assert not made.wait_final(0)
