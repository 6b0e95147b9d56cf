"""``playbooks/drift.yml`` with a realm: service principals, secrets, keytabs and who may read them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.ipa_service_principals import DEFINITION

from tests.freeipa.conftest import execute, options
from tests.freeipa.publishing import NODE, SECRETS, SITE, Publishing
from tests.freeipa.stand_in import REALM, USER, StandIn
from tests.integration.conftest import REPOSITORY, LocalCloud
from tests.integration.google import PROJECT

DRIFT = REPOSITORY / "playbooks" / "drift.yml"
READER = "roles/secretmanager.secretAccessor"
# Names of their own: the realm is shared with tests that begin without any.
NAMES = ("-e", "service_principals_environment=drift")
SERVICE = f"dask/etl-drift.corp.internal@{REALM}"


@pytest.fixture(scope="module", name="world")
def converged_world(
    server: StandIn, localcloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Publishing]:
    """A realm and a cloud that ``site.yml`` has converged once."""
    localcloud.cli("reset", "--yes")
    world = Publishing(server, localcloud, tmp_path_factory.mktemp("drift"))
    accounts = f"https://iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"
    world.google.call("POST", accounts, json={"accountId": NODE.partition("@")[0]})
    world.play(SITE, *NAMES)
    yield world
    localcloud.cli("reset", "--yes")


def look(world: Publishing, *arguments: str, code: int, **variables: str) -> dict:
    """Run the playbook; its report. It ends with ``code``."""
    file = Path(world.directory, "drift.json")
    process = world.start(DRIFT, *NAMES, "-e", f"drift_file={file}", *arguments, **variables)
    said, _errors = process.communicate(timeout=300)
    assert process.returncode == code, said
    return json.loads(file.read_text())


def test_nothing_drifted_right_after_site(world: Publishing) -> None:
    report = look(world, code=0)
    assert report["drift"] == []
    assert {"service principal", "secret", "keytab", "IAM policy"} <= set(report["looked_at"])


def test_changes_by_hand_are_named_exactly(world: Publishing, ipa: StandIn) -> None:
    # One secret goes, another gets a version of somebody's and a reader too many, and a third an annotation of its own.
    world.google.call("DELETE", f"{SECRETS}/keytab-ml-drift")
    payload = {"payload": {"data": base64.b64encode(b"no keytab").decode()}}
    world.google.call("POST", f"{SECRETS}/keytab-etl-drift:addVersion", json=payload)
    members = ["user:eve@example.com", f"serviceAccount:{NODE}"]
    policy = {"policy": {"bindings": [{"role": READER, "members": members}]}}
    world.google.call("POST", f"{SECRETS}/keytab-etl-drift:setIamPolicy", json=policy)
    labels = {"labels": {"managed-by": "dataplatform-compute", "environment": "local", "cost-center": "mine"}}
    world.google.call("PATCH", f"{SECRETS}/keytab-analytics-drift", params={"updateMask": "labels"}, json=labels)
    service = {"name": SERVICE, "allow_retrieve_keytab": {"users": [USER], "groups": ["admins"]}}
    assert execute(DEFINITION, options(ipa, principals=[service]))["changed"]

    found = {(one["kind"], one["name"].rpartition("/secrets/")[2]): one for one in look(world, code=10)["drift"]}
    states = {key: one["state"] for key, one in found.items()}
    assert states == {
        ("service principal", SERVICE): "differs",
        ("secret", "keytab-analytics-drift"): "differs",
        ("secret", "keytab-ml-drift"): "missing",
        ("keytab", "keytab-etl-drift"): "differs",
        ("keytab", "keytab-ml-drift"): "differs",
        ("IAM policy", "keytab-etl-drift"): "differs",
        ("IAM policy", "keytab-ml-drift"): "differs",
    }
    (group,) = found["service principal", SERVICE]["fields"]
    assert group == {"field": "allow_retrieve_keytab.groups", "wanted": None, "live": ["admins"]}
    (label,) = found["secret", "keytab-analytics-drift"]["fields"]
    assert label == {"field": "labels.cost-center", "wanted": "cc-1000", "live": "mine"}
    (reader,) = found["IAM policy", "keytab-etl-drift"]["fields"]
    assert reader == {"field": READER, "wanted": None, "live": "user:eve@example.com"}


def test_without_a_login_the_rest_is_reported(world: Publishing) -> None:
    report = look(world, code=2, IPA_PASS="")
    assert [one["what"] for one in report["unseen"]] == ["service principals", "keytabs"]
    assert "IAM policy" in {one["kind"] for one in report["drift"]}


def test_who_has_no_login_may_leave_freeipa_out(world: Publishing) -> None:
    report = look(world, "-e", "drift_freeipa=false", code=10, IPA_PASS="")
    assert report["unseen"] == []
    assert {one["kind"] for one in report["drift"]} == {"secret", "IAM policy"}
