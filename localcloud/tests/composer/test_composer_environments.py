"""Environments as the API shows them: shapes as recorded, defaults, updates, states and refusals."""

from __future__ import annotations

import time

import pytest

from localcloud.composer.images import IMAGE_VERSION, resolve
from localcloud.composer.names import parse_name
from localcloud.errors import ApiError

from .conftest import CREATE, PARENT, Desk

TYPE = "type.googleapis.com/google.cloud.orchestration.airflow.service.v1"
OVERRIDES = "config.softwareConfig.airflowConfigOverrides"


def software(**fields) -> dict:
    return {"config": {"softwareConfig": fields}}


def created(desk: Desk, identifier: str = "env", **body) -> dict:
    operation = desk.end(desk.create(identifier, **body))
    assert "error" not in operation, operation
    return desk.get(identifier)


def test_the_operation_of_a_creation_has_the_recorded_shape(desk):
    operation = desk.create()
    assert operation["name"].startswith(f"{PARENT}/operations/")
    assert "done" not in operation
    metadata = operation["metadata"]
    assert set(metadata) == {"@type", "createTime", "operationType", "resource", "resourceUuid", "state"}
    assert (metadata["@type"], metadata["state"]) == (f"{TYPE}.OperationMetadata", "PENDING")
    assert desk.get()["state"] == "CREATING"
    ended = desk.end(operation)
    assert ended["metadata"]["state"] == "SUCCEEDED"
    assert ended["metadata"]["endTime"] > metadata["createTime"]
    assert ended["response"]["@type"] == f"{TYPE}.Environment"
    assert "state" not in ended["response"]
    assert desk.get()["state"] == "RUNNING"


def test_a_new_environment_has_the_servers_defaults(desk):
    environment = created(desk, labels={"team": "growth"})
    config, bucket = environment["config"], environment["storageConfig"]["bucket"]
    assert bucket.startswith("europe-west1-env-")
    assert bucket.endswith("-bucket")
    assert config["dagGcsPrefix"] == f"gs://{bucket}/dags"
    assert config["softwareConfig"]["imageVersion"] == IMAGE_VERSION
    assert config["environmentSize"] == "ENVIRONMENT_SIZE_SMALL"
    assert config["workloadsConfig"]["worker"]["maxCount"] == 3
    assert environment["labels"] == {"team": "growth"}
    for marker in ("dags/", "data/", "dags/airflow_monitoring.py"):
        assert desk.storage.object_exists(bucket, marker)


def test_what_is_given_wins_over_defaults_and_aliases_are_resolved(desk):
    config = {
        "softwareConfig": {"imageVersion": "composer-2-airflow-2", "envVariables": {"A": "1"}},
        "nodeConfig": {"serviceAccount": "sa@example.iam.gserviceaccount.com"},
    }
    environment = created(desk, config=config)
    assert environment["config"]["softwareConfig"]["imageVersion"] == IMAGE_VERSION
    assert environment["config"]["nodeConfig"]["serviceAccount"] == "sa@example.iam.gserviceaccount.com"
    assert "network" in environment["config"]["nodeConfig"]
    assert desk.airflow.started[-1].variables == {"A": "1"}


@pytest.mark.parametrize(
    "version", ["composer-2-airflow-2", "composer-latest-airflow-2.11", "composer-2.17.9-airflow-2", IMAGE_VERSION]
)
def test_aliases_stand_for_the_image(version):
    assert resolve(version) == IMAGE_VERSION


@pytest.mark.parametrize("version", ["composer-3-airflow-2", "composer-2-airflow-2.1", "composer-2-airflow-20", "x"])
def test_other_images_are_refused(version):
    with pytest.raises(ApiError, match=f"Unsupported image version for new environment: '{version}'"):
        resolve(version)


@pytest.mark.parametrize(
    ("identifier", "body", "text"),
    [
        ("Env", {}, "Environment id 'Env' is invalid"),
        ("env-", {}, "Environment id 'env-' is invalid"),
        ("e" * 65, {}, "is invalid"),
        ("env", {"labels": {"Team": "x"}}, "Label 'Team'"),
        ("env", software(pypiPackages={"numpy": ""}), "User-provided PyPi dependencies forbidden"),
        ("env", software(envVariables={"GCS_BUCKET": "x"}), "'GCS_BUCKET' is reserved"),
        ("env", software(envVariables={"AIRFLOW__CORE__PARALLELISM": "9"}), "overrides an Airflow configuration"),
        ("env", software(airflowConfigOverrides={"core.x": "1"}), "expected the form 'section-property_name'"),
        ("env", software(airflowConfigOverrides={"core-dags_folder": "/"}), "cannot be overridden"),
    ],
)
def test_a_wrong_request_is_refused_and_leaves_nothing(desk, identifier, body, text):
    with pytest.raises(ApiError, match=r"Found 1 problem:\n\t1\) ") as caught:
        desk.create(identifier, **body)
    assert text in caught.value.message
    assert desk.environments.list() == []
    assert desk.airflow.started == []


def test_a_bucket_of_ones_own_must_exist(desk):
    with pytest.raises(ApiError, match="Bucket 'mine' does not exist"):
        desk.create(storageConfig={"bucket": "mine"})
    desk.storage.ensure_bucket("mine", "local-project", "europe-west1")
    assert created(desk, storageConfig={"bucket": "mine"})["config"]["dagGcsPrefix"] == "gs://mine/dags"


@pytest.mark.parametrize("location", ["..", "Europe", "europe-west1_x"])
def test_a_location_that_is_none_is_refused(desk, location):
    parent = f"projects/local-project/locations/{location}"
    with pytest.raises(ApiError, match=r"Location .* is invalid"):
        desk.environments.create(parent, {"name": f"{parent}/environments/env"}, CREATE)


def test_the_name_is_below_the_parent(desk):
    with pytest.raises(ApiError, match=r"expected 'projects/.*/environments/ENVIRONMENT_ID'"):
        desk.environments.create(PARENT, {"name": f"{PARENT}x/environments/env"}, CREATE)


def test_all_problems_are_listed_at_once(desk):
    with pytest.raises(ApiError, match="Found 2 problems:") as caught:
        desk.create("Env", labels={"Team": "x"})
    assert "\n\t2) Label" in caught.value.message


def test_without_airflow_the_message_names_make_setup(desk):
    desk.airflow.absent = "Airflow is not installed: Run `make setup`"
    with pytest.raises(ApiError, match="make setup") as caught:
        desk.create()
    assert caught.value.status == "FAILED_PRECONDITION"
    assert desk.environments.list() == []


def test_what_there_is_not_is_a_404_and_what_there_is_a_409(desk):
    with pytest.raises(ApiError, match=f"No such environment found: {PARENT}/environments/env") as caught:
        desk.get()
    assert caught.value.code == 404
    created(desk)
    with pytest.raises(ApiError) as caught:
        desk.create()
    assert (caught.value.code, caught.value.status) == (409, "ALREADY_EXISTS")


def test_an_airflow_that_does_not_start_is_an_error_of_the_operation(desk):
    desk.airflow.broken = "no memory"
    ended = desk.end(desk.create())
    assert ended["metadata"]["state"] == "FAILED"
    assert "no memory" in ended["error"]["message"]
    assert desk.get()["state"] == "ERROR"


def test_an_injected_error_ends_a_creation(desk):
    desk.faults.add({"method": CREATE, "kind": "operation-error", "status": "INTERNAL", "message": "broken"})
    ended = desk.end(desk.create())
    assert ended["error"] == {"code": 13, "message": "broken"}
    assert desk.get()["state"] == "ERROR"


# updates


def test_a_label_is_set_beside_the_others_and_removed(desk):
    created(desk, labels={"a": "1", "b": "2"})
    desk.end(desk.patch("labels.c", labels={"c": "3"}))
    assert desk.get()["labels"] == {"a": "1", "b": "2", "c": "3"}
    desk.end(desk.patch("labels.a,labels.b", labels={"b": "4"}))
    assert desk.get()["labels"] == {"b": "4", "c": "3"}
    desk.end(desk.patch("labels"))
    assert "labels" not in desk.get()
    assert len(desk.airflow.started) == 1


def test_an_override_restarts_airflow_with_it(desk):
    created(desk, config={"softwareConfig": {"airflowConfigOverrides": {"core-parallelism": "2"}}})
    operation = desk.patch(
        f"{OVERRIDES}.webserver-dag_orientation", **software(airflowConfigOverrides={"webserver-dag_orientation": "TB"})
    )
    assert desk.get()["state"] == "UPDATING"
    assert desk.end(operation)["metadata"]["operationType"] == "UPDATE"
    assert desk.airflow.started[-1].overrides == {"core-parallelism": "2", "webserver-dag_orientation": "TB"}
    assert desk.get()["state"] == "RUNNING"


def test_environment_variables_are_replaced_as_a_whole(desk):
    created(desk, config={"softwareConfig": {"envVariables": {"A": "1", "B": "2"}}})
    desk.end(desk.patch("config.software_config.env_variables", **software(envVariables={"C": "3"})))
    assert desk.get()["config"]["softwareConfig"]["envVariables"] == {"C": "3"}
    with pytest.raises(ApiError, match="cannot be updated"):
        desk.patch("config.softwareConfig.envVariables.C", **software(envVariables={"C": "4"}))


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        ("", "Request must not contain an empty update_mask."),
        ("config", "Field 'config' of the update mask cannot be updated"),
        (f"labels.a,{OVERRIDES}", "Only one update type may be included"),
        ("labels,labels.a", "both 'labels' and single keys"),
        ("labels", "No change in configuration"),
        ("config.softwareConfig.imageVersion", "No change in configuration"),
    ],
)
def test_a_wrong_mask_is_refused(desk, mask, text):
    created(desk)
    with pytest.raises(ApiError) as caught:
        desk.patch(mask, **software(imageVersion="composer-2-airflow-2"))
    assert text in caught.value.message
    assert (caught.value.code, desk.get()["state"]) == (400, "RUNNING")


def test_an_environment_that_is_updated_refuses_another_update_and_deletion(desk):
    created(desk)
    desk.patch("labels.a", labels={"a": "1"})
    with pytest.raises(ApiError, match="Cannot update environment in state UPDATING") as caught:
        desk.patch("labels.b", labels={"b": "1"})
    assert (caught.value.code, caught.value.status) == (400, "FAILED_PRECONDITION")
    with pytest.raises(ApiError, match="Cannot delete environment in state UPDATING"):
        desk.environments.delete(parse_name(f"{PARENT}/environments/env"), "m")


def test_a_failed_update_leaves_what_was_there(desk):
    created(desk)
    desk.airflow.broken = "bad configuration"
    ended = desk.end(desk.patch(OVERRIDES, **software(airflowConfigOverrides={"core-x": "y"})))
    assert "bad configuration" in ended["error"]["message"]
    assert desk.get()["state"] == "RUNNING"
    assert "airflowConfigOverrides" not in desk.get()["config"]["softwareConfig"]


def test_packages_that_are_not_installed_fail_the_update(desk, monkeypatch):
    created(desk)
    monkeypatch.setattr("localcloud.composer.environments.missing_packages", lambda wanted: str(sorted(wanted)))
    ended = desk.end(desk.patch("config.softwareConfig.pypiPackages", **software(pypiPackages={"nothing": ""})))
    assert "Failed to install Python packages" in ended["error"]["message"]
    assert "pypiPackages" not in desk.get()["config"]["softwareConfig"]


# deletion


def test_deleting_keeps_the_bucket(desk):
    bucket = created(desk)["storageConfig"]["bucket"]
    operation = desk.environments.delete(parse_name(f"{PARENT}/environments/env"), "m")
    assert desk.get()["state"] == "DELETING"
    ended = desk.end(operation)
    assert ended["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert desk.airflow.removed == ["europe-west1_env"]
    assert desk.environments.list() == []
    assert desk.storage.object_exists(bucket, "dags/")


def test_a_new_server_starts_the_airflow_of_environments_that_run(desk):
    created(desk)
    desk.airflow.started.clear()
    desk.environments.resume()
    for _attempt in range(100):
        if not desk.airflow.started:
            time.sleep(0.01)
    assert [spec.name for spec in desk.airflow.started] == ["env"]
