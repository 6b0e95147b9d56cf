# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Wrong input is refused before any call, all of it at once, each finding with path, value and expectation."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.desired import check_desired
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds.registry import KINDS

POLICY = KINDS["dataproc_autoscaling_policy"]
TEMPLATE = KINDS["dataproc_workflow_template"]
CLUSTER = KINDS["dataproc_cluster"]
BUCKET = KINDS["storage_bucket"]
SECRET = KINDS["secret_manager_secret"]
PLACEMENT = {"managedCluster": {"clusterName": "work", "config": {}}}


def policy(**fields):
    return {"id": "standard", "workerConfig": {"maxInstances": 4}, **fields}


def template(jobs, **fields):
    return {"id": "nightly", "placement": PLACEMENT, "jobs": jobs, **fields}


def step(name, **fields):
    return {"stepId": name, "pysparkJob": {"mainPythonFileUri": "gs://b/x.py"}, **fields}


def problems_of(kind, *resources, ownership=None):
    with pytest.raises(ValidationError) as caught:
        check_desired(kind, list(resources), ownership or {})
    return caught.value.problems


@pytest.mark.parametrize(
    ("kind", "resource", "expected"),
    [
        (
            POLICY,
            policy(workerConfig={"maxInstnces": 4, "maxInstances": 4}),
            "workerConfig.maxInstnces is not a field of InstanceGroupAutoscalingPolicyConfig; "
            "did you mean 'maxInstances'?",
        ),
        (
            CLUSTER,
            {"clusterName": "a", "config": {"worker_config": {}}},
            "config.worker_config is not a field of ClusterConfig; did you mean 'workerConfig'?",
        ),
        (
            POLICY,
            policy(workerConfig={"maxInstances": "ten"}),
            "workerConfig.maxInstances is 'ten'; expected an integer",
        ),
        (POLICY, policy(workerConfig={"maxInstances": True}), "workerConfig.maxInstances is True; expected an integer"),
        (
            POLICY,
            policy(workerConfig={"maxInstances": 2**31}),
            "workerConfig.maxInstances is 2147483648; expected an integer between -2147483648 and 2147483647",
        ),
        (POLICY, policy(workerConfig=[4]), "workerConfig is [4]; expected a mapping with the fields of"),
        (POLICY, policy(workerConfig={}), "workerConfig.maxInstances is missing; InstanceGroupAutoscalingPolicyConfig"),
        (
            POLICY,
            policy(clusterType="STANDART"),
            "clusterType is 'STANDART'; expected one of STANDARD, ZERO_SCALE; did you mean 'STANDARD'?",
        ),
        (
            POLICY,
            policy(basicAlgorithm={"cooldownPeriod": "2m"}),
            "basicAlgorithm.cooldownPeriod is '2m'; expected a duration in seconds, such as \"120s\"; "
            "did you mean '120s'?",
        ),
        (POLICY, policy(basicAlgorithm={"cooldownPeriod": 300}), "did you mean '300s'?"),
        (POLICY, policy(basicAlgorithm={"cooldownPeriod": "30s"}), "cooldownPeriod is '30s'; expected 120s to 86400s"),
        (
            POLICY,
            policy(basicAlgorithm={"yarnConfig": {"scaleUpFactor": 1.5, "scaleDownFactor": 1}}),
            "basicAlgorithm.yarnConfig.gracefulDecommissionTimeout is missing",
        ),
        (
            POLICY,
            policy(workerConfig={"minInstances": 9, "maxInstances": 4}),
            "workerConfig.minInstances is 9; expected at most maxInstances (4)",
        ),
        (POLICY, policy(name="projects/p/x"), "name is set by Google or by this module; remove it"),
        (POLICY, policy(labels={"team": 7}), 'labels.team is 7; expected a string; write it in quotes: "7"'),
        (POLICY, policy(labels={"Team": "x"}), "labels has the key 'Team'; expected lower-case letters"),
        (POLICY, policy(labels={"owner": "anna@x.com"}), "labels.owner is 'anna@x.com'; expected lower-case letters"),
        (
            SECRET,
            {"name": "keytab", "replication": {"automatic": {}}, "expireTime": "2026-02-30T00:00:00Z"},
            "expireTime is '2026-02-30T00:00:00Z'; expected a time such as \"2026-01-31T12:00:00Z\"",
        ),
        (POLICY, policy(labels={"team": None}), "labels.team is null; expected a value"),
        (POLICY, policy(id="x"), "id is 'x'; expected 3 to 50 letters"),
        (POLICY, policy(id="standard\n"), "expected 3 to 50 letters"),
        (TEMPLATE, template([step("load\n")]), "expected 3 to 50 letters"),
        (
            POLICY,
            policy(basicAlgorithm={"yarnConfig": {"scaleUpFactor": float("nan")}}),
            "scaleUpFactor is nan; expected a finite number",
        ),
        (POLICY, {"ID": "standard", "workerConfig": {"maxInstances": 4}}, "id is missing; every dataproc_autoscaling"),
        (POLICY, "standard", "the resource is 'standard'; expected a mapping"),
        (
            TEMPLATE,
            template([step("load"), step("report", prerequisiteStepIds=["laod"])]),
            "jobs[1].prerequisiteStepIds names 'laod', which is no stepId of this template; did you mean 'load'?",
        ),
        (TEMPLATE, template([step("load"), step("load")]), "jobs[1].stepId 'load' is used already by jobs[0]"),
        (TEMPLATE, template([{"stepId": "load"}]), "jobs[0] has none; expected exactly one of"),
        (TEMPLATE, template([step("load", hiveJob={})]), "jobs[0] has hiveJob and pysparkJob; expected exactly one of"),
        (TEMPLATE, template([step("load")], placement={}), "placement has nothing; expected either managedCluster or"),
        (
            TEMPLATE,
            template([{"stepId": "load", "pysparkJob": {"mainPythonFileUri": "gs://b/x.py", "args": ["--n", 3]}}]),
            'jobs[0].pysparkJob.args[1] is 3; expected a string; write it in quotes: "3"',
        ),
        (CLUSTER, {"clusterName": "Etl_1"}, "clusterName is 'Etl_1'; expected up to 51 lower-case letters"),
        (
            CLUSTER,
            {"clusterName": "a", "config": {"gceClusterConfig": {"internalIpOnly": "true"}}},
            "config.gceClusterConfig.internalIpOnly is 'true'; expected true or false (without quotes)",
        ),
        (BUCKET, {"name": "my-google-bucket"}, "name is 'my-google-bucket'; expected one that does not begin with"),
        (BUCKET, {"name": "bucket-a", "acl": []}, "acl is not managed; expected iamConfiguration"),
        (BUCKET, {"name": "bucket-a", "lifecycle": {"rules": []}}, "did you mean 'rule'?"),
    ],
)
def test_one_finding(kind, resource, expected):
    assert any(expected in problem for problem in problems_of(kind, resource)), problems_of(kind, resource)


def test_all_findings_come_together_and_name_their_resource():
    problems = problems_of(
        POLICY,
        policy(workerConfig={"maxInstances": "ten"}),
        policy(id="other", clusterTyp="STANDARD"),
        policy(),
        {"workerConfig": {"maxInstances": 1}},
    )
    assert problems == [
        "resources[0] (standard): workerConfig.maxInstances is 'ten'; expected an integer",
        "resources[1] (other): clusterTyp is not a field of AutoscalingPolicy; did you mean 'clusterType'?",
        "resources[2] (standard): id 'standard' is used already by resources[0]",
        "resources[3]: id is missing; every dataproc_autoscaling_policy needs one",
    ]


def test_the_message_says_that_nothing_was_changed():
    with pytest.raises(ValidationError, match="1 problem in resources of kind storage_bucket; nothing was changed"):
        check_desired(BUCKET, [{"name": "UPPER"}], {})


def test_a_label_that_contradicts_ownership_is_refused():
    [problem] = problems_of(POLICY, policy(labels={"managed-by": "me"}), ownership={"managed-by": "platform"})
    assert "labels.managed-by is 'me', but ownership_labels says 'platform'" in problem


def test_values_are_brought_into_one_form():
    resource = policy(
        workerConfig={"maxInstances": "4", "weight": 1.0},
        basicAlgorithm={
            "cooldownPeriod": "120.500s",
            "yarnConfig": {"gracefulDecommissionTimeout": "60s", "scaleUpFactor": "0.5", "scaleDownFactor": 1},
        },
    )
    checked = check_desired(POLICY, [resource], {})["standard"]
    assert checked["workerConfig"] == {"maxInstances": 4, "weight": 1}
    assert checked["basicAlgorithm"]["cooldownPeriod"] == "120.5s"
    assert checked["basicAlgorithm"]["yarnConfig"]["scaleUpFactor"] == 0.5


def test_a_yaml_time_is_a_time():
    moment = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
    cluster = {"clusterName": "a", "config": {"lifecycleConfig": {"autoDeleteTime": moment}}}
    checked = check_desired(CLUSTER, [cluster], {})["a"]
    assert checked["config"]["lifecycleConfig"]["autoDeleteTime"] == "2026-05-01T12:00:00Z"


def test_only_the_id_matters_for_deletion():
    assert list(check_desired(POLICY, [{"id": "standard"}], {}, required=False)) == ["standard"]
