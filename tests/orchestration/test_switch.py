"""Releases in a real bucket: replaced, verified, put back; stopped at every write; two at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import dag_rollback
from ansible_collections.dataplatform.compute.plugins.module_utils.client import GoogleClient
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import LiveReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import AirflowEnvironment
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import OwnershipError

from tests.orchestration.release_support import (
    ARTIFACTS,
    COMPOSER,
    Releaser,
    SmallAirflow,
    archive,
    create_buckets,
    objects,
)

LIVE = "dags/dataplatform-growth.zip"
FIRST, SECOND = archive("a", "b"), archive("a", "c")


@pytest.fixture(name="releaser")
def releaser_with_buckets(client: GoogleClient) -> Releaser:
    """Somebody who releases to an environment that runs nothing yet."""
    create_buckets(client)
    return Releaser(client, SmallAirflow(client))


def live(releaser: Releaser) -> tuple[str, str, str]:
    """Release, whether it is verified, and what is before it."""
    metadata = objects(releaser.client, COMPOSER)[LIVE]["metadata"]
    return metadata["release"], metadata["verified"], metadata["previous"]


def test_a_release_is_kept_made_live_and_verified(releaser: Releaser) -> None:
    outcome = releaser.release(FIRST)
    assert (outcome.verified, outcome.failed) == (["growth"], {})
    assert live(releaser) == (FIRST.release, "true", "")
    names = objects(releaser.client, ARTIFACTS)
    assert set(names) == {f"dag-releases/test/growth/{FIRST.release}.{kind}" for kind in ("zip", "json")}
    assert releaser.targets({"growth": FIRST}) == []

    releaser.release(SECOND)
    assert live(releaser) == (SECOND.release, "true", FIRST.release)
    kept = releaser.kept.list()["growth"]
    record = releaser.kept.record("growth", kept[SECOND.release])
    assert (record.previous, record.released_by, sorted(record.dags)) == (FIRST.release, "ada@example.com", ["a", "c"])
    assert releaser.kept.archive(record, kept[SECOND.release]) == SECOND.data


def test_what_airflow_cannot_import_is_put_back(releaser: Releaser) -> None:
    releaser.release(FIRST)
    broken = archive("a", broken="ModuleNotFoundError: No module named 'pandaz'")
    outcome = releaser.release(broken)
    assert "No module named 'pandaz'" in outcome.failed["growth"]
    # Before the deadline: the error was not there before the upload.
    assert "(after" not in outcome.failed["growth"]
    assert outcome.put_back["growth"] == f"release {FIRST.release}, which Airflow runs again"
    assert live(releaser) == (FIRST.release, "true", "")
    assert broken.release in releaser.kept.list()["growth"]


def test_a_first_release_that_fails_is_taken_out_again(releaser: Releaser) -> None:
    outcome = releaser.release(archive("a", broken="ImportError: x"))
    assert "taken out again" in outcome.put_back["growth"]
    assert LIVE not in objects(releaser.client, COMPOSER)


def test_dags_that_never_show_the_release_are_named_at_the_deadline(releaser: Releaser) -> None:
    releaser.release(FIRST)
    releaser.airflow.delay, releaser.deadline = 10**6, 0.3
    outcome = releaser.release(SECOND)
    assert f"2 of 2 DAGs do not show release {SECOND.release}: a, c (after 0.3 s)" in outcome.failed["growth"]


def test_one_teams_failure_leaves_the_others_release(releaser: Releaser) -> None:
    outcome = releaser.switch(
        releaser.targets({"growth": archive("a", broken="ImportError: x"), "platform": archive("p", team="platform")})
    )
    assert (outcome.verified, list(outcome.failed)) == (["platform"], ["growth"])
    assert set(objects(releaser.client, COMPOSER)) == {"dags/dataplatform-platform.zip"}


def test_an_error_of_the_release_before_is_none_of_this_one(releaser: Releaser) -> None:
    releaser.release(FIRST)
    # The environment lost a package, and shows that until it has fetched the next release.
    releaser.airflow.fetched["dataplatform-growth.zip"] = archive("a", broken="ImportError: pandas").data
    assert releaser.release(SECOND).failed == {}
    assert any("ImportError: pandas" in line for line in releaser.said)


def test_two_at_once_one_wins_and_the_other_is_told_who(releaser: Releaser, client: GoogleClient) -> None:
    releaser.release(FIRST)
    other = Releaser(client, releaser.airflow, by="grace@example.com")
    mine, theirs = releaser.targets({"growth": SECOND}), other.targets({"growth": archive("z")})
    assert other.switch(theirs).failed == {}
    outcome = releaser.switch(mine)
    assert "Another release of team growth came first" in outcome.failed["growth"]
    assert "by grace@example.com" in outcome.failed["growth"]
    assert outcome.put_back == {}
    assert live(releaser)[0] == archive("z").release


def test_a_release_that_is_overtaken_while_it_is_verified_is_not_put_back(
    releaser: Releaser, client: GoogleClient
) -> None:
    releaser.release(FIRST)
    other = Releaser(client, SmallAirflow(client, delay=0), by="grace@example.com")

    def overtake(number: int) -> None:
        if number == releaser.airflow.looks and live(releaser)[0] == SECOND.release:
            releaser.airflow.on_look = lambda _number: None
            other.release(archive("z"))

    releaser.airflow.on_look = overtake
    outcome = releaser.release(SECOND)
    assert "came first" in outcome.failed["growth"]
    assert "came first" in outcome.put_back["growth"]
    assert live(releaser)[:2] == (archive("z").release, "true")


def test_what_is_live_and_no_longer_runs_gives_way_to_the_release_before(releaser: Releaser) -> None:
    for one in (FIRST, SECOND):
        releaser.release(one)
    assert releaser.switch(releaser.targets({"growth": SECOND}, again=True)).verified == ["growth"]
    assert live(releaser) == (SECOND.release, "true", FIRST.release)
    releaser.airflow.lost, releaser.deadline = "c.py", 1.0
    outcome = releaser.switch(releaser.targets({"growth": SECOND}, again=True))
    assert "a lost package" in outcome.failed["growth"]
    assert outcome.put_back["growth"] == f"release {FIRST.release}, which Airflow runs again"
    assert live(releaser)[:2] == (FIRST.release, "true")


def test_what_no_longer_runs_and_has_no_release_before_it_is_looked_for_by_the_next_run(releaser: Releaser) -> None:
    releaser.release(FIRST)
    releaser.airflow.lost, releaser.deadline = "b.py", 1.0
    outcome = releaser.switch(releaser.targets({"growth": FIRST}, again=True))
    assert "so it stays" in outcome.put_back["growth"]
    # The next run does not know that there was a reason to look.
    assert "a lost package" in releaser.switch(releaser.targets({"growth": FIRST})).failed["growth"]
    releaser.airflow.lost = ""
    assert releaser.switch(releaser.targets({"growth": FIRST})).verified == ["growth"]
    assert live(releaser) == (FIRST.release, "true", "")


class Killed(BaseException):
    """The process is gone."""


def kill_at(client: GoogleClient, write: int, after: bool) -> Callable[[], None]:
    """Make a client stop at its n-th write, before or after the server has done it; returns how to undo that."""
    request, seen = client.request, [0]

    def stopping(method: str, url: str, **options: Any) -> Any:
        if method == "GET":
            return request(method, url, **options)
        seen[0] += 1
        if seen[0] == write and not after:
            raise Killed
        answer = request(method, url, **options)
        if seen[0] == write:
            raise Killed
        return answer

    client.request = stopping

    def undo() -> None:
        client.request = request

    return undo


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_killed_at_a_write_the_next_run_completes(releaser: Releaser, write: int, after: bool) -> None:
    """The writes: keep the archive, keep its record, make it live, mark it verified."""
    releaser.release(FIRST)
    undo = kill_at(releaser.client, write, after)
    with pytest.raises(Killed):
        releaser.release(SECOND)
    undo()
    # Whatever is there is whole.
    assert live(releaser)[0] in (FIRST.release, SECOND.release)
    assert live(releaser)[0] == (FIRST if (write, after) < (3, True) else SECOND).release
    outcome = releaser.release(SECOND)
    assert outcome.failed == {}
    assert live(releaser) == (SECOND.release, "true", FIRST.release)
    assert releaser.targets({"growth": SECOND}) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_killed_at_a_write_the_release_before_can_be_had_again(releaser: Releaser, write: int, after: bool) -> None:
    releaser.release(FIRST)
    undo = kill_at(releaser.client, write, after)
    with pytest.raises(Killed):
        releaser.release(SECOND)
    undo()
    assert releaser.release(FIRST).failed == {}
    assert live(releaser)[:2] == (FIRST.release, "true")


def roll_back(releaser: Releaser, monkeypatch: pytest.MonkeyPatch, release: str = "") -> dict[str, Any]:
    """Run dag_rollback against the small Airflow."""
    monkeypatch.setattr(dag_rollback, "ComposerApi", lambda *_arguments: releaser.airflow)
    no_pauses = partial(AirflowEnvironment, sleep=lambda _seconds: None)
    monkeypatch.setattr(dag_rollback, "AirflowEnvironment", no_pauses)
    params = {name: option.get("default") for name, option in dag_rollback.ARGUMENTS.items()}
    place = {
        "composer_environment": "etl",
        "location": "europe-west1",
        "environment": "test",
        "verify_timeout": releaser.deadline,
    }
    asked = {"artifacts_bucket": ARTIFACTS, "team": "growth", "release": release or None}
    return dag_rollback.run({**params, **place, **asked}, releaser.client, Reporter())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
@pytest.mark.parametrize("named", [True, False], ids=["named", "the one before"])
def test_killed_at_a_write_a_rollback_works(
    releaser: Releaser, monkeypatch: pytest.MonkeyPatch, write: int, after: bool, named: bool
) -> None:
    oldest = archive("old")
    for one in (oldest, FIRST):
        releaser.release(one)
    undo = kill_at(releaser.client, write, after)
    with pytest.raises(Killed):
        releaser.release(SECOND)
    undo()
    was_live = live(releaser)[0]
    before_it = FIRST if was_live == SECOND.release else oldest
    result = roll_back(releaser, monkeypatch, oldest.release if named else "")
    wanted = oldest if named else before_it
    assert (result["replaced"], result["release"], result["put_back"]) == (was_live, wanted.release, {})
    assert live(releaser)[:2] == (wanted.release, "true")
    assert releaser.airflow.fetched["dataplatform-growth.zip"] == wanted.data
    # What is live and verified is not switched again.
    assert roll_back(releaser, monkeypatch, wanted.release)["changed"] is False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [4, 5])
def test_killed_while_putting_back_a_rollback_works(
    releaser: Releaser, monkeypatch: pytest.MonkeyPatch, write: int, after: bool
) -> None:
    releaser.release(FIRST)
    undo = kill_at(releaser.client, write, after)
    with pytest.raises(Killed):
        releaser.release(archive("a", broken="ImportError: x"))
    undo()
    # After the last write there is nothing left to do.
    assert roll_back(releaser, monkeypatch, FIRST.release).get("put_back", {}) == {}
    assert live(releaser)[:2] == (FIRST.release, "true")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [4, 5])
def test_killed_while_putting_back_the_next_run_goes_on(releaser: Releaser, write: int, after: bool) -> None:
    """The writes: keep, record, live; then put back, mark verified."""
    releaser.release(FIRST)
    broken = archive("a", broken="ImportError: x")
    undo = kill_at(releaser.client, write, after)
    with pytest.raises(Killed):
        releaser.release(broken)
    undo()
    if write == 4:
        # What is live is no news to the next run, which gives it its time.
        releaser.deadline = 1.0
    outcome = releaser.release(broken)
    assert "ImportError: x" in outcome.failed["growth"]
    assert live(releaser)[:2] == (FIRST.release, "true")


def test_an_archive_that_no_release_wrote_is_left_alone(releaser: Releaser, client: GoogleClient) -> None:
    releaser.live._storage.upload("growth.zip", {}, lambda: b"somebody's", "0")
    with pytest.raises(OwnershipError, match="was not written by a release"):
        releaser.targets({"growth": FIRST})
    # Another team's release is not in the way.
    assert LiveReleases(client, COMPOSER, "dags").list(["platform"]) == {}


def test_airflow_that_cannot_be_asked_for_a_while_is_asked_again(releaser: Releaser) -> None:
    from ansible_collections.dataplatform.compute.plugins.module_utils.composer_api import AirflowCommandError

    def restart(number: int) -> None:
        if number == 3:
            raise AirflowCommandError("the pod is gone")

    releaser.airflow.on_look = restart
    assert releaser.release(FIRST).failed == {}
    assert any("cannot be asked: the pod is gone" in line for line in releaser.said)
