"""Which image a cluster gets, and when there is none for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud.compute.images import Images
from localcloud.errors import ApiError

REGION = "projects/test-project/regions/europe-west4"
CLUSTERS = f"{REGION}/clusters"
OWN = "https://www.googleapis.com/compute/v1/projects/test-project/global/images"
PUBLIC = "https://www.googleapis.com/compute/v1/projects/cloud-dataproc/global/images"


def config(version: str = "", uri: str = "", **properties: str) -> dict[str, Any]:
    """Return a cluster's config that asks for a version, or for the image at an address."""
    software: dict[str, Any] = {"properties": properties} if properties else {}
    asked: dict[str, Any] = {"softwareConfig": software | ({"imageVersion": version} if version else {})}
    return asked | ({"masterConfig": {"imageUri": uri}, "workerConfig": {"imageUri": uri}} if uri else {})


def created(world: Any, **asked: str) -> dict[str, Any]:
    """Return the operation that creates a cluster."""
    return world.call("POST", CLUSTERS, {"clusterName": "c", "config": config(**asked)})


def refusal(world: Any, **asked: str) -> str:
    """Return why a cluster is refused as an invalid argument; there is none then."""
    with pytest.raises(ApiError) as refused:
        created(world, **asked)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert world.call("GET", CLUSTERS) == {}
    return refused.value.message


def no_longer(version: str) -> str:
    return (
        f"Selected software image version '{version}' can no longer be used to create new clusters. "
        "Please select a more recent image."
    )


def images(world: Any) -> Images:
    return Images(world.store, world.clock, "test-project")


@pytest.mark.parametrize(
    ("requested", "version", "image"),
    [
        ("", "2.2.84-debian12", "dataproc-2-2-deb12-20260619-045100-rc01"),
        ("2.3", "2.3.11-debian12", "dataproc-2-3-deb12-20260619-045100-rc01"),
        ("2.3-debian12", "2.3.11-debian12", "dataproc-2-3-deb12-20260619-045100-rc01"),
        ("2.3-ubuntu22", "2.3.11-ubuntu22", "dataproc-2-3-ubu22-20260619-045100-rc01"),
        ("2.3.10", "2.3.10-debian12", "dataproc-2-3-deb12-20260515-045100-rc01"),
        ("2.3.10-debian12", "2.3.10-debian12", "dataproc-2-3-deb12-20260515-045100-rc01"),
        ("2.1", "2.1.115-debian11", "dataproc-2-1-deb11-20260619-045100-rc01"),
    ],
)
def test_a_version_becomes_the_newest_that_fits(world: Any, requested: str, version: str, image: str) -> None:
    world.at(datetime(2026, 11, 29, tzinfo=UTC))
    operation = created(world, version=requested)
    assert any("No image specified" in text for text in operation["metadata"].get("warnings", ())) is (not requested)
    found = world.call("GET", f"{CLUSTERS}/c")["config"]
    assert found["softwareConfig"]["imageVersion"] == version
    assert {found[group]["imageUri"] for group in ("masterConfig", "workerConfig")} == {f"{PUBLIC}/{image}"}


def test_a_new_version_is_the_newest_at_once_and_a_withdrawn_one_no_more(world: Any) -> None:
    images(world).add("2.3.12-debian12")
    assert created(world, version="2.3-debian12")
    assert world.call("GET", f"{CLUSTERS}/c")["config"]["softwareConfig"]["imageVersion"] == "2.3.12-debian12"
    world.finished(world.call("DELETE", f"{CLUSTERS}/c"))
    images(world).withdraw("2.3.12-debian12")
    assert refusal(world, version="2.3.12-debian12") == no_longer("2.3.12-debian12")
    assert created(world, version="2.3-debian12")
    assert world.call("GET", f"{CLUSTERS}/c")["config"]["softwareConfig"]["imageVersion"] == "2.3.11-debian12"


def test_a_withdrawn_version_that_is_released_again_is_another_image(world: Any, tmp_path: Path) -> None:
    first = images(world).add("2.3.12-debian12", in_front={"PATH": str(tmp_path)})
    assert created(world, version="2.3.12-debian12")
    images(world).withdraw("2.3.12-debian12")
    second = images(world).add("2.3.12-debian12", created="2026-11-01")
    config_of_second = {"clusterName": "again", "config": config("2.3.12-debian12")}
    world.call("POST", CLUSTERS, config_of_second)
    masters = {name: world.call("GET", f"{CLUSTERS}/{name}")["config"]["masterConfig"] for name in ("c", "again")}
    assert {name: master["imageUri"] for name, master in masters.items()} == {"c": first.url, "again": second.url}
    assert images(world).at(first.url).in_front == {"PATH": str(tmp_path)}
    images(world).withdraw("2.3.12-debian12")
    world.finished(world.call("DELETE", f"{CLUSTERS}/c"))
    world.finished(world.call("DELETE", f"{CLUSTERS}/again"))
    assert refusal(world, version="2.3.12-debian12") == no_longer("2.3.12-debian12")


@pytest.mark.parametrize("version", ["2.3.99-debian12", "2.3.11-debian11", "9.9-debian12", "2.3.11-deb12"])
def test_an_unknown_version_is_refused(world: Any, version: str) -> None:
    assert f"'{version}' was not found" in refusal(world, version=version)


def test_a_track_is_refused_after_its_last_day(world: Any) -> None:
    world.at(datetime(2026, 12, 31, 23, tzinfo=UTC))
    world.finished(created(world, version="2.1.115-debian11"))
    world.finished(world.call("DELETE", f"{CLUSTERS}/c"))
    world.at(datetime(2027, 1, 1, tzinfo=UTC))
    assert refusal(world, version="2.1.115-debian11") == no_longer("2.1.115-debian11")
    assert refusal(world, version="2.1-debian11") == no_longer("2.1-debian11")
    assert created(world, version="2.3-debian12")


def test_a_custom_image_stands_for_the_version_it_builds_on(world: Any) -> None:
    images(world).add("mine", base="2.3.10-debian12", created="2026-11-01")
    world.at(datetime(2026, 11, 29, tzinfo=UTC))
    assert "warnings" not in created(world, uri="mine")["metadata"]
    found = world.call("GET", f"{CLUSTERS}/c")["config"]
    assert found["softwareConfig"]["imageVersion"] == "2.3.10-debian12"
    assert found["masterConfig"]["imageUri"] == f"{OWN}/mine"


def test_a_custom_image_expires_after_a_year(world: Any) -> None:
    images(world).add("mine", base="2.3.10-debian12", created="2025-08-20")
    world.at(datetime(2026, 8, 20, 1, tzinfo=UTC))
    message = refusal(world, uri=f"{OWN}/mine")
    assert "projects/test-project/global/images/mine" in message
    # Google's way out: the property and value that the message names.
    name, _, token = message.split()[-1].partition("=")
    assert name == "dataproc:dataproc.custom.image.expiration.token"
    assert refusal(world, uri="mine", **{name: "another"}) == message
    assert created(world, uri="mine", **{name: token})
    world.finished(world.call("DELETE", f"{CLUSTERS}/c"))
    world.at(datetime(2026, 8, 15, tzinfo=UTC))
    (warning,) = created(world, uri="mine")["metadata"]["warnings"]
    assert "2026-08-20" in warning


def test_a_custom_image_goes_with_its_base(world: Any) -> None:
    images(world).add("mine", base="2.3.10-debian12")
    images(world).withdraw("2.3.10-debian12")
    assert refusal(world, uri="mine") == no_longer("2.3.10-debian12")


@pytest.mark.parametrize(
    "uri", ["none", f"{OWN}/family/mine", "projects/other/global/images/mine", "projects/x", f"{PUBLIC}/mine"]
)
def test_an_image_that_is_not_there_is_refused(world: Any, uri: str) -> None:
    images(world).add("mine", base="2.3.10-debian12")
    assert "was not found" in refusal(world, uri=uri)


def test_version_and_image_must_agree(world: Any) -> None:
    images(world).add("mine", base="2.3.10-debian12")
    assert "2.3.11-debian12" in refusal(world, version="2.3.11-debian12", uri="mine")
    assert created(world, version="2.3.10-debian12", uri="mine")


def test_a_workflow_tells_why_its_cluster_is_refused(world: Any) -> None:
    managed = {"clusterName": "w-cluster", "config": config("2.3.99-debian12")}
    template = {
        "placement": {"managedCluster": managed},
        "jobs": [{"stepId": "only", "pysparkJob": {"mainPythonFileUri": world.script("pass")}}],
    }
    operation = world.finished(world.call("POST", f"{REGION}/workflowTemplates:instantiateInline", template))
    assert operation["error"]["code"] == 3
    assert "'2.3.99-debian12' was not found" in operation["error"]["message"]
    assert world.call("GET", CLUSTERS) == {}
