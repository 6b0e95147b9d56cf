# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release has to do, which releases stay, what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import dag_release
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_archive import build_archive
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_artifacts import named_objects
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_loose_files import LOOSE, LooseReleases
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_present import Present
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_records import (
    describe_change,
    new_record,
    record_from_bytes,
    vanished,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_plan import (
    NONE,
    RELEASE,
    VERIFY,
    VERIFY_AGAIN,
    plan_pruning,
    plan_team,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_release_report import release_result
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_store import (
    KeptRelease,
    LiveRelease,
    LiveReleases,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_switch import Target
from ansible_collections.dataplatform.compute.plugins.module_utils.dag_verification import (
    Asked,
    Expected,
    Seen,
    is_one_of,
    taken_ids,
    verify,
)
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ComputeError, ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.release_summary import release_summary
from ansible_collections.dataplatform.compute.plugins.module_utils.task import Reporter
from ansible_collections.dataplatform.compute.plugins.module_utils.waiter import Deadline

LIVE = LiveRelease("growth", "7", "a", True, "before", "ada", "2026-01-01")


@pytest.mark.parametrize(
    ("release", "live", "action", "previous"),
    [
        ("a", None, RELEASE, ""),
        ("a", LIVE, NONE, "before"),
        ("a", replace(LIVE, verified=False), VERIFY, "before"),
        ("b", LIVE, RELEASE, "a"),
        # Nobody saw it working, so it is no place to go back to.
        ("b", replace(LIVE, verified=False), RELEASE, "before"),
    ],
)
def test_the_action_follows_from_what_is_live(
    release: str, live: LiveRelease | None, action: str, previous: str
) -> None:
    plan = plan_team("growth", release, live)
    assert (plan.action, plan.previous) == (action, previous)


def test_what_is_live_and_unchanged_is_verified_again_on_request_only() -> None:
    assert plan_team("growth", "a", LIVE, again=True).action == VERIFY_AGAIN
    assert plan_team("growth", "a", replace(LIVE, verified=False), again=True).action == VERIFY
    assert plan_team("growth", "b", LIVE, again=True).action == RELEASE


def kept(*releases: str) -> dict[str, KeptRelease]:
    """Kept releases, oldest first."""
    return {name: KeptRelease(name, f"2026-01-{day:02d}") for day, name in enumerate(releases, 1)}


@pytest.mark.parametrize(
    ("keep", "wanted", "live", "previous", "gone"),
    [
        (10, "e", "d", "d", []),
        (3, "e", "d", "d", ["a", "b"]),
        (1, "e", "d", "d", ["a", "b", "c"]),
        # The live one and the one before it stay, however old they are.
        (1, "a", "a", "b", ["c", "d"]),
        (2, "d", "d", "c", ["a", "b"]),
    ],
)
def test_the_newest_releases_and_what_is_in_use_stay(
    keep: int, wanted: str, live: str, previous: str, gone: list[str]
) -> None:
    now = replace(LIVE, release=live, previous=previous)
    pruned = plan_pruning(kept("a", "b", "c", "d"), keep, live=now, wanted=wanted, previous=previous)
    assert [one.release for one in pruned] == gone


def test_a_difference_names_dags_files_and_workloads() -> None:
    def record(files: dict[str, bytes], workloads: str, *dags: str):
        archive = build_archive("growth", "test", files, workloads)
        return new_record(
            archive, dict.fromkeys(dags, "x.py"), released_by="ada", released_at="2026-01-01", previous=""
        )

    before = record({"a.py": b"1", "b.py": b"1"}, '{"workloads": {"w": 1, "v": 1}, "zones": []}', "a", "b")
    after = record({"a.py": b"2", "c.py": b"1"}, '{"workloads": {"w": 2, "v": 1}, "zones": []}', "a", "c")
    diff = describe_change("gs://b/dags/x.zip", before, after)
    gone = set(diff["before"].splitlines()) - set(diff["after"].splitlines())
    new = set(diff["after"].splitlines()) - set(diff["before"].splitlines())
    first_words = [sorted(" ".join(line.split()[:2]) for line in lines) for lines in (gone, new)]
    assert first_words == [
        ["DAG b", "file a.py", "file b.py", f"release {before.release}", "workload w"],
        ["DAG c", "file a.py", "file c.py", f"release {after.release}", "workload w"],
    ]
    assert vanished(before, after) == ["b"]
    assert vanished(None, after) == []
    assert record_from_bytes(before.to_bytes()) == before
    with pytest.raises(ValueError, match="not a record"):
        record_from_bytes(b'{"something": 1}')


def test_only_the_platforms_own_artefacts_are_asked_for() -> None:
    digest = "0" * 64
    document = f'{{"a": "gs://acme/{digest}/run_dask.py", "b": "gs://acme/live/x", "c": "gs://other/{digest}/y"}}'
    assert named_objects("acme", [document, document]) == [f"{digest}/run_dask.py"]


def test_a_path_belongs_to_a_release_by_its_place_in_the_dag_folder() -> None:
    names = frozenset({"dataplatform-growth.zip", "lib/x.py"})
    assert is_one_of("/home/airflow/gcs/dags/dataplatform-growth.zip/flights.py", names)
    assert is_one_of("/home/airflow/gcs/dags/lib/x.py", names)
    assert not is_one_of("/home/airflow/gcs/dags/lib/y.py", names)
    assert not is_one_of("/home/airflow/gcs/dags/other/dataplatform-growth.zip", names)
    assert is_one_of("/home/airflow/gcs/dags/lib/dags/z.py", frozenset({"lib/dags/z.py"}))
    assert not is_one_of("/home/airflow/gcs/dags/somebody/dags/dataplatform-growth.zip", names)
    seen = Seen(tags={}, files={"a": "/x/dags/somebody.py", "b": "/x/dags/dataplatform-growth.zip/b.py"}, errors={})
    assert taken_ids(seen, ["a", "b", "c"], names) == {"a": "/x/dags/somebody.py"}


def test_a_dag_may_move_to_another_loose_file_but_not_to_that_of_somebody() -> None:
    store = LooseReleases(None, "bucket", "dags")
    present = Present({}, {}, store, "gs://bucket/dags")
    before, after = (
        new_record(
            build_archive(LOOSE, "test", {file: b""}, "{}"), {"a": file}, released_by="", released_at="", previous=""
        )
        for file in ("old.py", "new.py")
    )
    target = Target(after, b"", before.release, None, None)
    origins = {LOOSE: {"new.py": "dags/teams/growth/new.py"}}
    ours = Seen({}, {"a": "/home/airflow/gcs/dags/old.py"}, {})
    dag_release.require_free_ids([target], ours, present, {LOOSE: before}, origins)
    theirs = Seen({}, {"a": "/home/airflow/gcs/dags/theirs.py"}, {})
    with pytest.raises(ValidationError, match=r"teams/growth/new.py: DAG a: .*/theirs.py in the environment"):
        dag_release.require_free_ids([target], theirs, present, {LOOSE: before}, origins)


def test_no_team_is_called_as_the_loose_files_of_all_are() -> None:
    params = {"layout": "archive", "teams": None, "keep": 1, "documents": {LOOSE: "{}", "growth": "{}"}}
    with pytest.raises(ValidationError, match="documents has the team 'files'"):
        dag_release.run(params, None, Reporter())


def test_what_is_live_of_a_team_that_is_gone_is_said() -> None:
    store = LiveReleases(None, "bucket", "dags")
    present = Present({}, {"growth": LIVE, "gone": replace(LIVE, team="gone")}, store, "gs://bucket/dags")
    said: list[str] = []
    dag_release.warn_of_teams_that_are_gone(present, ["growth", "platform"], Reporter(warn=said.append))
    (warning,) = said
    assert warning.startswith("gs://bucket/dags/dataplatform-gone.zip is of team gone, which")
    dag_release.warn_of_teams_that_are_gone(Present({}, {}, None, "x"), ["growth"], Reporter(warn=said.append))
    assert len(said) == 1


def test_the_result_tells_what_is_live_and_what_no_team_has() -> None:
    present = Present({}, {"growth": LIVE, "gone": replace(LIVE, team="gone")}, None, "gs://bucket/dags")
    plans = [plan_team("growth", "b", LIVE), plan_team("platform", "c", None)]
    archives = {team: {"dags": {}, "seconds": {}} for team in ("growth", "platform")}
    report = {"airflow": "2.11.1", "remembered": True, "archives": archives}
    result = release_result(plans, [], present, {}, report=report, pruning={})
    live = {team: (one["live"], one["release"]) for team, one in result["releases"].items()}
    assert live == {"growth": ("a", "b"), "platform": ("", "c")}
    assert list(result["unlisted"]) == ["gone"]


def test_a_look_at_the_bucket_that_fails_once_is_repeated() -> None:
    seen = Seen({"a": frozenset({"release:b"})}, {}, {})
    answers: list[Callable[[], str]] = [lambda: _raise(ComputeError("the bucket did not answer")), lambda: ""]
    said: list[str] = []
    asked = Asked(lambda: seen, lambda _team: answers.pop(0)(), lambda _seconds: None, said.append)
    assert verify(asked, [Expected("growth", "b", frozenset(), ("a",))], None, Deadline(60)) == {}
    assert said[0] == "growth: Airflow cannot be asked: the bucket did not answer"


def _raise(error: Exception) -> str:
    raise error


def test_a_release_and_a_rollback_are_said_in_lines() -> None:
    gate = {"airflow": "2.11.1", "remembered": False, "import_seconds": 0.5, "slowest": {"x.py of growth": 0.4}}
    one = {"release": "b", "action": RELEASE, "previous": "a", "dags": ["x", "y"]}
    result = {"releases": {"growth": one}, "vanished": {"growth": ["z"]}, "gate": gate}
    assert release_summary(result) == [
        "growth: release b is live in place of a, 2 DAGs",
        "growth: no longer there: z",
        "gate: nothing wrong with Airflow 2.11.1, imported in 0.50 s, longest x.py of growth: 0.40 s",
    ]
    assert release_summary(result, check_mode=True)[0] == "growth: release b would replace a, 2 DAGs"
    entry = {"release": "a", "released_at": "then", "released_by": "ada", "verified": True, "live": True}
    back = {"team": "growth", "release": "a", "replaced": "b", "changed": True}
    back["kept"] = [entry, {**entry, "release": "c", "verified": False, "live": False}]
    assert release_summary(back) == [
        "growth: release a is live in place of b",
        "kept releases, newest first (-e release=ID):",
        "a  then  ada  (live)",
        "c  then  ada  (Airflow was never seen to run it)",
    ]
