# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The calls each kind makes, and its own rules of comparison."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.bodies import update_body
from ansible_collections.dataplatform.compute.plugins.module_utils.compare import compare, same_url
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.base import Scope
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.dataproc_cluster import same_image_version
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS

SCOPE = Scope("example-project", "europe-west1")
DATAPROC = "https://dataproc.googleapis.com/v1/projects/example-project/regions/europe-west1"
MACHINE = "https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/n2-standard-4"


def paths(kind, desired, live):
    return [change.path for change in compare(kind, desired, live).changes]


def test_policy_put_keeps_what_google_filled_in():
    kind = KINDS["dataproc_autoscaling_policy"]
    desired = {"id": "standard", "workerConfig": {"maxInstances": 9}, "basicAlgorithm": {"yarnConfig": {}}}
    live = {
        "id": "standard",
        "workerConfig": {"maxInstances": 4, "minInstances": 2},
        "secondaryWorkerConfig": {"maxInstances": 3, "weight": 1},
        "basicAlgorithm": {"cooldownPeriod": "120s", "yarnConfig": {"scaleUpMinWorkerFraction": 0.5}},
    }
    body = update_body(kind, desired, live, paths(kind, desired, live))
    assert body == {
        "id": "standard",
        "workerConfig": {"maxInstances": 9, "minInstances": 2},
        "basicAlgorithm": {"cooldownPeriod": "120s", "yarnConfig": {"scaleUpMinWorkerFraction": 0.5}},
    }
    call = kind.update_call(SCOPE, "standard", body, live, [])
    assert (call.method, call.url) == ("PUT", f"{DATAPROC}/autoscalingPolicies/standard")
    assert call.json["name"] == "projects/example-project/regions/europe-west1/autoscalingPolicies/standard"
    assert desired["workerConfig"] == {"maxInstances": 9}, "the desired state must stay as it was"


def test_template_writes_under_the_version_it_read():
    kind = KINDS["dataproc_workflow_template"]
    call = kind.update_call(SCOPE, "nightly", {"id": "nightly"}, {"version": 7}, [])
    assert call.json["version"] == 7
    assert kind.delete_call(SCOPE, "nightly", {"version": 7}).params == {"version": 7}


def test_bucket_patch_holds_only_what_differs_under_its_metageneration():
    kind = KINDS["storage_bucket"]
    desired = {
        "name": "data-1",
        "labels": {"team": "x"},
        "versioning": {"enabled": True},
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 9}}]},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
    }
    live = {
        "name": "data-1",
        "labels": {"team": "x", "old": "1"},
        "versioning": {"enabled": True},
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 7}}]},
        "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    }
    body = update_body(kind, desired, live, paths(kind, desired, live))
    assert body == {
        "labels": {"old": None},
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 9}}]},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
    }
    call = kind.update_call(SCOPE, "data-1", body, {"metageneration": "5"}, [])
    assert (call.method, call.params) == ("PATCH", {"ifMetagenerationMatch": "5"})


def test_secret_patch_holds_whole_fields_under_its_etag():
    kind = KINDS["secret_manager_secret"]
    desired = {"name": "keytab", "labels": {"team": "x", "stage": "dev"}, "annotations": {}}
    live = {"name": "keytab", "labels": {"team": "y", "stage": "dev"}, "annotations": {"old": "1"}, "etag": '"7"'}
    changed = paths(kind, desired, live)
    call = kind.update_call(SCOPE, "keytab", update_body(kind, desired, live, changed), live, changed)
    assert call.method == "PATCH"
    assert call.params == {"updateMask": "annotations,labels"}
    assert call.json == {"labels": {"team": "x", "stage": "dev"}, "annotations": {}, "etag": '"7"'}
    assert kind.delete_call(SCOPE, "keytab", live).params == {"etag": '"7"'}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"automatic": {}}, {"userManaged": {"replicas": [{"location": "europe-west1"}]}}),
        ({"userManaged": {"replicas": [{"location": "europe-west1"}]}}, {"automatic": {}}),
        (
            {"userManaged": {"replicas": [{"location": "europe-west1"}]}},
            {"userManaged": {"replicas": [{"location": "europe-west4"}]}},
        ),
    ],
)
def test_a_secret_stays_where_it_is(desired, live):
    kind = KINDS["secret_manager_secret"]
    changed = paths(kind, {"name": "keytab", "replication": desired}, {"name": "keytab", "replication": live})
    assert changed
    assert not any(kind.can_update(path) for path in changed)


JANUARY, APRIL = "2026-01-01T00:00:00Z", "2026-04-01T00:00:00.5Z"
QUARTERLY = {"rotationPeriod": "7776000s", "nextRotationTime": JANUARY}


@pytest.mark.parametrize(
    ("desired", "live", "expected"),
    [
        (QUARTERLY, {"nextRotationTime": APRIL}, []),
        ({**QUARTERLY, "nextRotationTime": APRIL}, {"nextRotationTime": JANUARY}, ["nextRotationTime"]),
        ({"nextRotationTime": JANUARY}, {"nextRotationTime": APRIL}, ["nextRotationTime"]),
        (QUARTERLY, {"nextRotationTime": APRIL, "rotationPeriod": "86400s"}, ["rotationPeriod"]),
    ],
    ids=["moved by google", "moved by the user", "no period", "another period"],
)
def test_the_next_rotation_is_googles_once_it_has_moved_it(desired, live, expected):
    kind = KINDS["secret_manager_secret"]
    found = {"name": "keytab", "rotation": {**QUARTERLY, **live}}
    changed = paths(kind, {"name": "keytab", "rotation": desired}, found)
    assert changed == [("rotation", name) for name in expected]


def test_another_rotation_period_is_not_written_with_a_time_that_is_past():
    kind = KINDS["secret_manager_secret"]
    desired = {"name": "keytab", "rotation": QUARTERLY}
    live = {"name": "keytab", "rotation": {"rotationPeriod": "86400s", "nextRotationTime": APRIL}}
    changed = paths(kind, desired, live)
    call = kind.update_call(SCOPE, "keytab", update_body(kind, desired, live, changed), live, changed)
    assert call.json == {"rotation": {"rotationPeriod": "7776000s", "nextRotationTime": APRIL}}


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ({"replication": {}}, "replication has nothing; expected either automatic or userManaged"),
        ({"replication": {"automatic": {}, "userManaged": {"replicas": []}}}, "automatic and userManaged"),
        ({"replication": {"userManaged": {"replicas": []}}}, "replicas is empty; expected at least one location"),
        ({"replication": {"automatic": {}}, "ttl": "60s"}, "ttl is not managed, because Google does not show it"),
    ],
)
def test_what_no_secret_can_be_is_refused(secret, problem):
    [found] = KINDS["secret_manager_secret"].checks(secret)
    assert problem in found


def test_an_account_is_made_by_its_short_name_and_changed_under_a_mask():
    kind = KINDS["iam_service_account"]
    email = "dataproc-node@example-project.iam.gserviceaccount.com"
    call = kind.create_call(SCOPE, email, {"email": email, "displayName": "Nodes"})
    assert call.json == {"accountId": "dataproc-node", "serviceAccount": {"displayName": "Nodes"}}
    call = kind.update_call(SCOPE, email, {"email": email, "description": "x"}, {}, [("description",)])
    assert call.json == {"serviceAccount": {"description": "x"}, "updateMask": "description"}
    assert call.url.endswith(f"/projects/example-project/serviceAccounts/{email}")


def test_an_account_of_another_project_is_refused():
    kind = KINDS["iam_service_account"]
    assert kind.wrong_scope(SCOPE, "dataproc-node@example-project.iam.gserviceaccount.com") == ""
    problem = kind.wrong_scope(SCOPE, "dataproc-node@other-project.iam.gserviceaccount.com")
    assert "expected dataproc-node@example-project.iam.gserviceaccount.com in project example-project" in problem
    scoped = Scope("example.com:data")
    assert kind.wrong_scope(scoped, "dataproc-node@data.example.com.iam.gserviceaccount.com") == ""
    assert "expected node-1@data.example.com.iam" in kind.wrong_scope(
        scoped, "node-1@example.com.iam.gserviceaccount.com"
    )


def test_cluster_patch_masks_what_changed():
    kind = KINDS["dataproc_cluster"]
    desired = {
        "clusterName": "etl",
        "labels": {"team": "x"},
        "config": {
            "workerConfig": {"numInstances": 5},
            "secondaryWorkerConfig": {"numInstances": 0},
            "autoscalingConfig": None,
        },
    }
    live = {
        "clusterName": "etl",
        "labels": {"team": "y"},
        "config": {
            "workerConfig": {"numInstances": 2},
            "secondaryWorkerConfig": {"numInstances": 3},
            "autoscalingConfig": {"policyUri": "p"},
        },
    }
    changed = paths(kind, desired, live)
    call = kind.update_call(SCOPE, "etl", update_body(kind, desired, live, changed), live, changed)
    assert call.params["updateMask"].split(",") == [
        "config.autoscaling_config.policy_uri",
        "config.secondary_worker_config.num_instances",
        "config.worker_config.num_instances",
        "labels",
    ]
    assert call.json == {
        "labels": {"team": "x"},
        "config": {"workerConfig": {"numInstances": 5}, "secondaryWorkerConfig": {"numInstances": 0}},
    }
    assert call.params["requestId"]


def test_cluster_patch_leaves_googles_labels_out():
    kind = KINDS["dataproc_cluster"]
    desired = {"clusterName": "etl", "labels": {"team": "x", "goog-dataproc-location": "europe-west1"}}
    live = {"clusterName": "etl", "labels": {"goog-dataproc-location": "europe-west1"}}
    assert update_body(kind, desired, live, paths(kind, desired, live)) == {"labels": {"team": "x"}}


def test_cluster_create_names_project_and_request():
    call = KINDS["dataproc_cluster"].create_call(SCOPE, "etl", {"clusterName": "etl"})
    assert call.json == {"clusterName": "etl", "projectId": "example-project"}
    assert len(call.params["requestId"]) <= 40


def test_cluster_delete_spares_a_namesake():
    call = KINDS["dataproc_cluster"].delete_call(SCOPE, "etl", {"clusterUuid": "u-1"})
    assert call.params["clusterUuid"] == "u-1"


def test_a_cluster_without_a_policy_has_the_stated_number_of_workers():
    kind = KINDS["dataproc_cluster"]
    desired = {"clusterName": "etl", "config": {"workerConfig": {"numInstances": 2}}}
    live = {"clusterName": "etl", "config": {"workerConfig": {"numInstances": 7}}}
    assert paths(kind, desired, live) == [("config", "workerConfig", "numInstances")]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_lists_with_one_call(kind):
    call = kind.list_call(SCOPE)
    assert call.method == "GET"
    assert SCOPE.project in call.url or call.params["project"] == SCOPE.project


@pytest.mark.parametrize(
    ("short", "long", "same"),
    [
        ("n2-standard-4", MACHINE, True),
        ("zones/z/machineTypes/n2-standard-4", MACHINE, True),
        ("standard-4", MACHINE, False),
        ("n2-standard-8", MACHINE, False),
        ("projects/p/regions/r/autoscalingPolicies/x", "projects/p/locations/r/autoscalingPolicies/x", True),
        ("projects/p/regions/r/autoscalingPolicies/x", "projects/q/regions/r/autoscalingPolicies/x", False),
        ("cloud-platform", "https://www.googleapis.com/auth/cloud-platform", True),
        ("", MACHINE, False),
    ],
)
def test_same_url(short, long, same):
    assert same_url(short, long) is same
    assert same_url(long, short) is same


@pytest.mark.parametrize(
    ("desired", "live", "same"),
    [
        ("2.3-debian12", "2.3.10-debian12", True),
        ("2.3", "2.3.10-debian12", True),
        ("2.3.10-debian12", "2.3.10-debian12", True),
        ("latest", "2.3.10-debian12", True),
        ("2.3.9-debian12", "2.3.10-debian12", False),
        ("2.3-ubuntu22", "2.3.10-debian12", False),
        ("2.2-debian12", "2.3.10-debian12", False),
        ("2.3-debian12", "", False),
    ],
)
def test_same_image_version(desired, live, same):
    assert same_image_version(desired, live) is same
