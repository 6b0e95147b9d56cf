"""``playbooks/drift.yml`` without Airflow: silent after ``site.yml``, exact after changes by hand, never writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.benchmarks.bench_converge import many_facts
from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.drift_support import DRIFT, ERROR, NO_DRIFT, Look, look
from tests.integration.google import DATAPROC, STORAGE, Google
from tests.integration.test_site import remove_object, site, stored

ARTIFACTS = "local-project-artifacts"
QUEUES = f"gs://{ARTIFACTS}/live/local/fair-scheduler.xml"
OURS = {"managed-by": "dataplatform-compute", "environment": "local"}
TEMPLATE = f"{DATAPROC}/workflowTemplates"
# Put together here, so that no file of the repository holds anything that looks like a secret.
SECRET = "AIza" + "x" * 35
KINDS = ["bucket", "queues", "node bundle", "artefact", "autoscaling policy", "workflow template"]


@pytest.fixture(scope="module", name="cloud")
def converged_cloud(localcloud: LocalCloud) -> Iterator[LocalCloud]:
    """A cloud that ``site.yml`` has converged once, for the tests of this file, which follow one another."""
    localcloud.cli("reset", "--yes")
    site(localcloud)
    yield localcloud
    localcloud.cli("reset", "--yes")


@pytest.fixture(scope="module", name="undrifted")
def look_after_site(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """The look right after ``site.yml``."""
    return look(cloud, tmp_path_factory.mktemp("undrifted"), *WITHOUT_AIRFLOW)


@pytest.fixture(scope="module", name="bundle")
def name_of_the_bundle(undrifted: Look, cloud: LocalCloud) -> str:
    """The name of the node bundle's object."""
    return next(name for name in stored(cloud) if name.endswith("/node-bundle.tar"))


@pytest.fixture(scope="module", name="job")
def name_of_a_job(undrifted: Look, cloud: LocalCloud) -> str:
    """The name of the object of one job's script."""
    return next(name for name in stored(cloud) if name.endswith("/flights_etl.py"))


@pytest.fixture(scope="module", name="drifted")
def look_after_changes_by_hand(
    undrifted: Look, cloud: LocalCloud, job: str, bundle: str, tmp_path_factory: pytest.TempPathFactory
) -> Look:
    """The look after one change by hand of every kind."""
    google = Google(cloud.environment)
    google.call("PATCH", f"{STORAGE}/storage/v1/b/local-project-data", json={"labels": {"cost-center": "mine"}})
    url = f"{STORAGE}/storage/v1/b/{ARTIFACTS}/o/live%2Flocal%2Ffair-scheduler.xml"
    queues = google.call("GET", url, params={"alt": "media"}).text
    google.upload(ARTIFACTS, "live/local/fair-scheduler.xml", queues.replace("<weight>3<", "<weight>7<"))
    remove_object(cloud, job)
    remove_object(cloud, bundle)
    google.call("DELETE", f"{DATAPROC}/autoscalingPolicies/shared-spot")
    change_template(google)
    extra = google.get("workflowTemplates/flights-analytics")
    google.post("workflowTemplates", {"id": "extra", **{key: extra[key] for key in ("jobs", "placement", "labels")}})
    google.post("workflowTemplates", {"id": "of-nobody", **{key: extra[key] for key in ("jobs", "placement")}})
    labels = {**OURS, "cluster-template": "etl", "placement": "shared"}
    config = {"softwareConfig": {"imageVersion": "2.3.9-debian12"}}
    google.post("clusters", {"clusterName": "older", "labels": labels, "config": config})
    google.post("clusters", {"clusterName": "of-nobody", "config": config})
    return look(cloud, tmp_path_factory.mktemp("drifted"), *WITHOUT_AIRFLOW)


def change_template(google: Google) -> None:
    """Change the image of one template, and put a secret where an argument was."""
    template = google.get("workflowTemplates/flights-etl")
    template["placement"]["managedCluster"]["config"]["softwareConfig"]["imageVersion"] = "2.2.1-debian12"
    template["jobs"][0]["pysparkJob"]["args"][1] = SECRET
    google.call("PUT", f"{TEMPLATE}/flights-etl", json=template)


def test_nothing_drifted_right_after_site(undrifted: Look) -> None:
    assert undrifted.code == NO_DRIFT, undrifted.output
    assert undrifted.report["drift"] == []
    assert undrifted.report["looked_at"] == KINDS
    assert f"No drift in local: {', '.join(KINDS)}" in undrifted.output


def test_nothing_is_written_and_every_collection_listed_once(undrifted: Look, drifted: Look, bundle: str) -> None:
    places = {
        "/storage/v1/b",
        f"/storage/v1/b/{ARTIFACTS}/o",
        f"/storage/v1/b/{ARTIFACTS}/o live/local/",
        f"/storage/v1/b/{ARTIFACTS}/o {bundle.partition('/')[0]}/",
        *(
            f"/v1/projects/local-project/regions/europe-west1/{name}"
            for name in ("autoscalingPolicies", "workflowTemplates", "clusters")
        ),
    }
    for one in (undrifted, drifted):
        assert one.writes == []
        assert one.lists == dict.fromkeys(places, 1)


def test_drift_has_an_exit_code_of_its_own(drifted: Look) -> None:
    assert drifted.code == DRIFT, drifted.output
    assert "Drift in local: 7 are not as the inventory says." in drifted.output
    assert drifted.report["unseen"] == []


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("bucket", "local-project-data", {"labels.cost-center": ("cc-1000", "mine")}),
        ("queues", QUEUES, {"root.normal.weight": ("3", "7")}),
        ("autoscaling policy", "shared-spot", "missing"),
        ("workflow template", "extra", "not listed any more"),
    ],
)
def test_a_change_by_hand_is_named_exactly(drifted: Look, kind: str, name: str, expected: Any) -> None:
    assert drifted.drift[kind, name] == expected
    assert name in drifted.output


def test_removed_objects_are_missing(drifted: Look, job: str, bundle: str) -> None:
    assert drifted.drift["artefact", f"gs://{ARTIFACTS}/{job}"] == "missing"
    assert drifted.drift["node bundle", f"gs://{ARTIFACTS}/{bundle}"] == "missing"


def test_a_changed_template_tells_its_fields_and_no_secret(drifted: Look, job: str) -> None:
    assert drifted.drift["workflow template", "flights-etl"] == {
        "placement.managedCluster.config.softwareConfig.imageVersion": ("2.3.10-debian12", "2.2.1-debian12"),
        "jobs[0].pysparkJob.args[1]": (f"gs://{ARTIFACTS}/{job}", "(not shown)"),
    }
    assert SECRET not in drifted.output + json.dumps(drifted.report)


def test_nothing_else_drifted(drifted: Look) -> None:
    """Above all not the template and the cluster that carry no labels of ours."""
    assert len(drifted.drift) == 7


def test_a_cluster_with_earlier_pins_is_told_and_no_drift(undrifted: Look, drifted: Look) -> None:
    assert undrifted.report["clusters"] == []
    (cluster,) = drifted.report["clusters"]
    assert cluster["name"] == "older"
    assert cluster["differs"][0] == {"field": "image", "wanted": "2.3.10-debian12", "live": "2.3.9-debian12"}


def test_check_mode_says_the_same(drifted: Look, cloud: LocalCloud, tmp_path: Path) -> None:
    checked = look(cloud, tmp_path, *WITHOUT_AIRFLOW, "--check", "--diff")
    assert (checked.code, checked.report, checked.writes) == (DRIFT, drifted.report, [])
    assert SECRET not in checked.output


def test_what_cannot_be_looked_at_is_an_error_beside_the_rest(drifted: Look, cloud: LocalCloud, tmp_path: Path) -> None:
    method = "dataproc.projects.regions.autoscalingPolicies.list"
    cloud.cli("fault", "add", "--method", method, "--status", "403", "--count", "0")
    facts = {"environment": "of-terraform", "location": "europe-west1", "managed_by": "terraform"}
    airflow = json.dumps({"platform_composer": {**facts, "image_version": "composer-2.17.9-airflow-2.11.1"}})
    failed = look(cloud, tmp_path, "-e", airflow)
    cloud.cli("fault", "clear")
    assert failed.code == ERROR
    assert [one["what"] for one in failed.report["unseen"]] == ["autoscaling policies", "Airflow environment"]
    assert "PERMISSION_DENIED" in failed.report["unseen"][0]["error"]
    assert "of-terraform" in failed.report["unseen"][1]["error"]
    others = {key: value for key, value in drifted.drift.items() if key[0] != "autoscaling policy"}
    assert failed.drift == others
    assert "Could not be looked at: autoscaling policies, Airflow environment" in " ".join(failed.output.split())


def test_what_nodes_fetch_and_no_role_uploads_is_missing(undrifted: Look, cloud: LocalCloud, tmp_path: Path) -> None:
    """An environment that is pinned and was built nowhere; node bundle and templates differ with it."""
    hashes = {"lock_sha256": "1" * 64, "squashfs_sha256": "2" * 64, "archive_sha256": "3" * 64}
    pins = yaml.safe_load((REPOSITORY / "inventories/local/group_vars/all/pins.yml").read_text())
    facts = json.dumps({"platform_pins": {**pins["platform_pins"], "environment": hashes}})
    found = look(cloud, tmp_path, *WITHOUT_AIRFLOW, "-e", facts)
    assert found.code == DRIFT
    assert found.drift["artefact", f"gs://{ARTIFACTS}/{'2' * 64}/environment.sqfs"] == "missing"
    assert found.drift["artefact", f"gs://{ARTIFACTS}/{'3' * 64}/environment.tar.zst"] == "missing"
    assert found.report["unseen"] == []


def test_a_wrong_inventory_is_refused_before_anything_is_asked(cloud: LocalCloud, tmp_path: Path) -> None:
    wrong = json.dumps({"platform_pins": {"dataproc_image": "2.3"}})
    refused = look(cloud, tmp_path, *WITHOUT_AIRFLOW, "-e", wrong)
    assert (refused.code, refused.report, refused.requests) == (ERROR, {}, [])


def test_site_puts_it_right(drifted: Look, cloud: LocalCloud, tmp_path: Path) -> None:
    site(cloud)
    assert look(cloud, tmp_path, *WITHOUT_AIRFLOW).code == NO_DRIFT


@pytest.mark.slow
def test_hundreds_of_resources_take_no_more_calls(undrifted: Look, cloud: LocalCloud, tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(many_facts(260)))
    site(cloud, "-e", f"@{facts}")
    many = look(cloud, tmp_path, "-e", f"@{facts}")
    assert (many.code, many.writes) == (NO_DRIFT, [])
    assert many.lists == undrifted.lists
