# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the plan decides: actions, ownership, what is refused, and what it shows."""

from __future__ import annotations

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.dataplatform.compute.plugins.module_utils.plan import (
    PlanOptions,
    plan_absent,
    plan_present,
)

POLICY = KINDS["dataproc_autoscaling_policy"]
TEMPLATE = KINDS["dataproc_workflow_template"]
CLUSTER = KINDS["dataproc_cluster"]
BUCKET = KINDS["storage_bucket"]
OURS = {"managed-by": "dataplatform-compute", "environment": "dev"}
OPTIONS = PlanOptions(OURS)


def live_policy(name="standard", labels=None, **worker):
    return {
        "id": name,
        "name": f"projects/p/regions/r/autoscalingPolicies/{name}",
        "labels": OURS if labels is None else labels,
        "workerConfig": {"maxInstances": 4, "minInstances": 2, "weight": 1, **worker},
    }


def wanted_policy(**fields):
    return {"id": "standard", "workerConfig": {"maxInstances": 4}, **fields}


def plan(kind, desired, live, options=OPTIONS, **more):
    return plan_present(kind, {one[kind.id_field]: one for one in desired}, live, options, **more)


def one(kind, desired, live, options=OPTIONS):
    [item] = plan(kind, [desired], {kind.live_id(live): live} if live else {}, options)
    return item


def test_create_adds_the_ownership_labels():
    item = one(POLICY, wanted_policy(), None)
    assert (item.action, item.before) == ("create", {})
    assert item.after == {**wanted_policy(), "labels": OURS}


def test_nothing_to_do():
    item = one(POLICY, wanted_policy(), live_policy())
    assert (item.action, item.changed, item.message) == ("none", False, "in the desired state")


def test_update_shows_only_the_difference():
    item = one(POLICY, wanted_policy(), live_policy(maxInstances=9))
    assert item.action == "update"
    assert item.message == "workerConfig.maxInstances: 9 -> 4"
    assert item.before == {**item.after, "workerConfig": {"maxInstances": 9}}


def test_a_field_that_is_not_stated_any_more_is_drift_for_a_strict_kind():
    live = {**live_policy(), "secondaryWorkerConfig": {"maxInstances": 5}}
    assert one(POLICY, wanted_policy(), live).message == 'secondaryWorkerConfig: {"maxInstances": 5} -> (absent)'


def test_an_explicit_null_removes_a_field():
    live = {"clusterName": "etl", "labels": OURS, "config": {"autoscalingConfig": {"policyUri": "p"}}}
    item = one(CLUSTER, {"clusterName": "etl", "config": {"autoscalingConfig": None}}, live)
    assert [change.path for change in item.changes] == [("config", "autoscalingConfig")]
    assert item.action == "update"


def test_an_unlabelled_resource_is_adopted_and_said_so():
    item = one(POLICY, wanted_policy(), live_policy(labels={}))
    assert item.action == "adopt"
    assert item.message.startswith("exists already without the labels environment=dev, managed-by=dataplatform-compute")


@pytest.mark.parametrize(
    ("labels", "adopt", "problem"),
    [
        ({"managed-by": "terraform"}, "unlabelled", "belongs to somebody else (managed-by=terraform)"),
        ({**OURS, "environment": "prod"}, "unlabelled", "belongs to somebody else (environment=prod)"),
        ({}, "never", "and adopt is never"),
    ],
)
def test_what_is_not_ours_is_refused(labels, adopt, problem):
    with pytest.raises(ValidationError) as caught:
        one(POLICY, wanted_policy(), live_policy(labels=labels), PlanOptions(OURS, adopt=adopt))
    assert problem in str(caught.value)


def test_adopt_always_takes_over():
    item = one(POLICY, wanted_policy(), live_policy(labels={"managed-by": "x"}), PlanOptions(OURS, adopt="always"))
    assert item.action == "adopt"


def test_stated_labels_are_the_whole_truth_but_for_googles():
    live = live_policy(labels={**OURS, "team": "old", "extra": "1", "goog-x": "y"})
    item = one(POLICY, wanted_policy(labels={"team": "new"}), live)
    assert item.after["labels"] == {**OURS, "team": "new", "goog-x": "y"}
    assert sorted(str(change) for change in item.changes) == ["labels.extra: 1 -> (absent)", "labels.team: old -> new"]


def test_labels_that_are_not_stated_stay():
    assert one(POLICY, wanted_policy(), live_policy(labels={**OURS, "team": "x"})).action == "none"


def test_purge_takes_only_what_carries_every_label():
    live = {
        "standard": live_policy(),
        "old": live_policy("old"),
        "other-environment": live_policy("other-environment", labels={**OURS, "environment": "prod"}),
        "half": live_policy("half", labels={"managed-by": "dataplatform-compute"}),
        "strange": live_policy("strange", labels={}),
    }
    items = plan(POLICY, [wanted_policy()], live, purge=True)
    assert [(item.id, item.action) for item in items] == [("standard", "none"), ("old", "delete")]
    assert items[1].before["workerConfig"]["maxInstances"] == 4
    assert items[1].after == {}


def test_absent():
    live = {"standard": live_policy(), "strange": live_policy("strange", labels={})}
    items = plan_absent(POLICY, ["standard", "gone"], live, OPTIONS)
    assert [(item.id, item.action) for item in items] == [("standard", "delete"), ("gone", "none")]
    with pytest.raises(ValidationError, match="strange exists, but does not carry the labels"):
        plan_absent(POLICY, ["strange"], live, OPTIONS)
    [item] = plan_absent(POLICY, ["strange"], live, PlanOptions(OURS, adopt="always"))
    assert item.action == "delete"


def live_cluster(state="RUNNING", **config):
    return {
        "clusterName": "etl",
        "labels": OURS,
        "config": {"masterConfig": {"machineTypeUri": "x/machineTypes/n2-standard-4"}, **config},
        "status": {"state": state, "detail": "no quota"},
    }


def wanted_cluster(machine="n2-standard-4"):
    return {"clusterName": "etl", "config": {"masterConfig": {"machineTypeUri": machine}}}


def test_a_fixed_field_is_refused_and_named():
    with pytest.raises(ValidationError) as caught:
        one(CLUSTER, wanted_cluster("n2-standard-8"), live_cluster())
    assert "config.masterConfig.machineTypeUri cannot be changed in place" in str(caught.value)
    assert "Set allow_replace: true" in str(caught.value)


def test_a_fixed_field_is_replaced_when_allowed():
    item = one(CLUSTER, wanted_cluster("n2-standard-8"), live_cluster(), PlanOptions(OURS, allow_replace=True))
    assert item.action == "replace"


def test_a_bucket_is_never_replaced():
    live = {"name": "data-1", "location": "US", "labels": OURS}
    with pytest.raises(ValidationError, match=r"location cannot be changed in place .* another name"):
        one(BUCKET, {"name": "data-1", "location": "eu"}, live, PlanOptions(OURS, allow_replace=True))


def test_all_refusals_come_together():
    live = {"etl": live_cluster(), "ml": {**live_cluster(), "clusterName": "ml", "labels": {"managed-by": "x"}}}
    with pytest.raises(ValidationError) as caught:
        plan(CLUSTER, [wanted_cluster("n2-standard-8"), {"clusterName": "ml"}], live)
    assert len(caught.value.problems) == 2


def test_a_cluster_in_error_is_not_called_fine():
    with pytest.raises(ValidationError, match=r"etl is in the state ERROR \(no quota\)"):
        one(CLUSTER, wanted_cluster(), live_cluster("ERROR"))


def test_a_cluster_whose_update_failed_is_fine_until_it_has_to_change():
    live = live_cluster("ERROR_DUE_TO_UPDATE")
    assert one(CLUSTER, wanted_cluster(), live).action == "none"
    relabelled = {**wanted_cluster(), "labels": {"team": "growth"}}
    with pytest.raises(ValidationError, match=r"etl is in the state ERROR_DUE_TO_UPDATE \(no quota\)"):
        one(CLUSTER, relabelled, live)
    assert one(CLUSTER, relabelled, live, PlanOptions(OURS, allow_replace=True)).action == "replace"


def test_a_cluster_that_is_being_deleted_is_created_anew():
    item = one(CLUSTER, wanted_cluster(), live_cluster("DELETING"))
    assert (item.action, item.message) == ("create", "is being deleted; created anew when it is gone")


def test_a_changed_step_of_a_template_is_seen():
    job = {"stepId": "run", "pysparkJob": {"mainPythonFileUri": "gs://b/x.py", "args": ["--day", "1"]}}
    fewer = {"stepId": "run", "pysparkJob": {"mainPythonFileUri": "gs://b/x.py"}}
    live = {"id": "nightly", "version": 3, "labels": OURS, "jobs": [job], "placement": {"managedCluster": {}}}
    item = one(TEMPLATE, {"id": "nightly", "jobs": [fewer], "placement": {"managedCluster": {}}}, live)
    assert item.message == 'jobs[0].pysparkJob.args: ["--day", "1"] -> (absent)'


def test_diff_names_the_resource_and_what_happens():
    diff = one(POLICY, wanted_policy(), live_policy(maxInstances=9)).diff()
    assert diff["before_header"] == "dataproc_autoscaling_policy standard (live)"
    assert diff["after_header"] == "dataproc_autoscaling_policy standard (update)"


def test_what_looks_like_a_secret_is_neither_in_the_message_nor_in_the_diff():
    # Put together here, so that no file of the repository holds anything that looks like a secret.
    secrets = ["AIza" + "x" * 35, "AIza" + "y" * 35]
    step = {"stepId": "run", "pysparkJob": {"mainPythonFileUri": "gs://b/x.py", "args": ["--key", secrets[0]]}}
    desired = {"id": "etl", "jobs": [step], "placement": {"clusterSelector": {"clusterLabels": {"a": "b"}}}}
    live = {**desired, "labels": OURS}
    job = {**step["pysparkJob"], "args": ["--key", secrets[1]]}
    live["jobs"] = [{**step, "pysparkJob": job}]
    item = one(TEMPLATE, desired, live)
    assert item.action == "update"
    shown = f"{item.message} {item.diff()}"
    assert not any(secret in shown for secret in secrets)
    assert "jobs[0].pysparkJob.args[1]: (not shown) -> (not shown, but another)" in item.message
    # What is sent is the whole truth all the same.
    assert item.desired["jobs"][0]["pysparkJob"]["args"][1] == secrets[0]
