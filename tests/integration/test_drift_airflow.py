"""``playbooks/drift.yml`` with a real Airflow: silent after ``site.yml``, exact after changes by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.conftest import LocalCloud
from tests.integration.drift_support import DRIFT, NO_DRIFT, Look, look
from tests.integration.google import STORAGE, Google
from tests.integration.test_site import play
from tests.integration.test_site_airflow import ENVIRONMENTS, airflow

pytestmark = pytest.mark.slow

ENVIRONMENT = f"{ENVIRONMENTS}/dataplatform-local"
EMPTY_ARCHIVE = "PK\x05\x06" + "\0" * 18
RELEASED_BY_HAND = "0" * 12
# Put together here, so that no file of the repository holds anything that looks like a secret.
PASSWORD = "hand" + "made" + "password"


@pytest.fixture(scope="module", name="cloud")
def converged_cloud(localcloud: LocalCloud) -> Iterator[LocalCloud]:
    """A cloud that ``site.yml`` has converged once, for the tests of this file."""
    localcloud.cli("reset", "--yes")
    play(localcloud, "site.yml")
    yield localcloud
    localcloud.cli("reset", "--yes")


@pytest.fixture(scope="module", name="undrifted")
def look_after_site(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """The look right after ``site.yml``."""
    return look(cloud, tmp_path_factory.mktemp("undrifted"))


@pytest.fixture(scope="module", name="drifted")
def look_after_changes_by_hand(undrifted: Look, cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """The look after one change by hand of every kind; Airflow's metadata are changed with Google's command line."""
    google = Google(cloud.environment)
    airflow(cloud, "variables", "set", "dataplatform", f'{{"project": "local-project", "password": "{PASSWORD}"}}')
    airflow(cloud, "variables", "set", "of-nobody", "x")
    airflow(cloud, "pools", "delete", "user-ada")
    airflow(cloud, "pools", "set", "user-grace", "99", "by hand")
    google.call(
        "PATCH", ENVIRONMENT, params={"updateMask": "labels.cost-center"}, json={"labels": {"cost-center": "me"}}
    )
    change_releases(google)
    return look(cloud, tmp_path_factory.mktemp("drifted"))


def change_releases(google: Google) -> None:
    """Take one team's archive away, say another release of the other's, and leave one of a team that never was."""
    bucket = google.call("GET", ENVIRONMENT).json()["storageConfig"]["bucket"]
    growth, platform, gone = (
        f"{STORAGE}/storage/v1/b/{bucket}/o/{quote(f'dags/dataplatform-{team}.zip', safe='')}"
        for team in ("growth", "platform", "gone")
    )
    google.upload(bucket, "dags/dataplatform-gone.zip", EMPTY_ARCHIVE)
    google.call("PATCH", gone, json={"metadata": google.call("GET", platform).json()["metadata"]})
    google.call("PATCH", platform, json={"metadata": {"release": RELEASED_BY_HAND}})
    google.call("DELETE", growth)


def test_nothing_drifted_right_after_site(undrifted: Look) -> None:
    assert undrifted.code == NO_DRIFT, undrifted.output
    assert undrifted.report["drift"] == []
    assert undrifted.report["looked_at"][-3:] == ["Airflow environment", "metadata of Airflow", "DAG release"]


def test_nothing_is_written_and_every_collection_listed_once(undrifted: Look, drifted: Look) -> None:
    for one in (undrifted, drifted):
        assert one.writes == []
        # Airflow's own reaper may look at clusters and jobs at the same time.
        places = {place: count for place, count in one.lists.items() if not place.endswith(("/clusters", "/jobs"))}
        assert set(places.values()) == {1}, places


def test_drift_has_an_exit_code_of_its_own(drifted: Look) -> None:
    assert drifted.code == DRIFT, drifted.output
    assert drifted.report["unseen"] == []


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("pool of Airflow", "user-ada", "missing"),
        ("Airflow environment", "dataplatform-local", {"labels.cost-center": ("cc-1000", "me")}),
        ("DAG release", "growth", "missing"),
        ("DAG release", "gone", "not listed any more"),
    ],
)
def test_a_change_by_hand_is_named_exactly(drifted: Look, kind: str, name: str, expected: Any) -> None:
    assert drifted.drift[kind, name] == expected
    assert name in drifted.output


def test_a_changed_pool_tells_its_fields(drifted: Look) -> None:
    fields = drifted.drift["pool of Airflow", "user-grace"]
    assert fields["slots"] == (3, 99)
    assert fields["description"][1] == "by hand"


def test_a_changed_variable_tells_its_fields_and_no_secret(drifted: Look) -> None:
    fields = drifted.drift["variable of Airflow", "dataplatform"]
    assert fields["value.buckets"][1] is None
    assert fields["value.password"] == (None, "(not shown)")
    assert "value.project" not in fields
    assert PASSWORD not in drifted.output + str(drifted.report)


def test_a_changed_release_tells_which_is_live(drifted: Look) -> None:
    wanted, live = drifted.drift["DAG release", "platform"]["release"]
    assert live == RELEASED_BY_HAND
    assert wanted != live


def test_nothing_else_drifted(drifted: Look) -> None:
    """Above all not the variable that is none of ours."""
    assert len(drifted.drift) == 7


def test_looking_changed_nothing_in_airflow(drifted: Look, cloud: LocalCloud, tmp_path: Path) -> None:
    assert PASSWORD in airflow(cloud, "variables", "get", "dataplatform")
    assert "user-ada" not in airflow(cloud, "pools", "list")
    assert look(cloud, tmp_path).report == drifted.report
