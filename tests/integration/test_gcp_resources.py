"""gcp_resources against a local cloud: every kind through its whole life, ownership, and the cost of a run in calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.kinds import dataproc

from tests.integration.resources_support import (
    BUCKETS,
    CHANGED,
    CLUSTERS,
    MAKERS,
    POLICIES,
    SECRETS,
    TEMPLATES,
    Resources,
    bucket,
    cluster,
    fresh_resources,
    policy,
    template,
)

LISTS = {
    POLICIES: "dataproc.projects.regions.autoscalingPolicies.list",
    TEMPLATES: "dataproc.projects.regions.workflowTemplates.list",
    CLUSTERS: "dataproc.projects.regions.clusters.list",
    BUCKETS: "storage.buckets.list",
    SECRETS: "secretmanager.projects.secrets.list",
}
ALL_KINDS = pytest.mark.parametrize("kind", sorted(MAKERS))


@pytest.fixture
def resources(empty_localcloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    yield from fresh_resources(empty_localcloud, monkeypatch)


@ALL_KINDS
def test_life_of_a_resource(resources: Resources, kind: str) -> None:
    make = MAKERS[kind]
    wanted, changed = make("first-one"), make("first-one", CHANGED[kind])

    foretold = resources.apply(kind, [wanted], check=True)
    assert (foretold["changed"], resources.live(kind)) == (True, {})
    created = resources.apply(kind, [wanted])
    assert [one["action"] for one in created["results"]] == ["create"]
    assert created["diff"] == foretold["diff"], "check mode and the run show the same change"
    assert resources.live(kind)["first-one"]["labels"]["managed-by"] == "dataplatform-compute"

    resources.cloud.clear_requests()
    again = resources.apply(kind, [wanted])
    assert (again["changed"], again["diff"], again["summary"]) == (False, [], "1 resources: 1 unchanged")
    assert resources.calls() == [("GET", LISTS[kind])], "what is as wanted costs one list call"

    foretold = resources.apply(kind, [changed], check=True)
    assert [one["action"] for one in foretold["results"]] == ["update"]
    assert resources.actions(kind, [wanted], check=True) == ["none"], "check mode changed something"
    updated = resources.apply(kind, [changed])
    assert updated["diff"] == foretold["diff"]
    assert resources.actions(kind, [changed]) == ["none"]

    listed = [{key: wanted[key] for key in ("id", "clusterName", "name") if key in wanted}]
    assert resources.actions(kind, listed, state="absent", check=True) == ["delete"]
    assert "first-one" in resources.live(kind)
    assert resources.actions(kind, listed, state="absent") == ["delete"]
    assert resources.live(kind) == {}
    assert resources.actions(kind, listed, state="absent") == ["none"]


@ALL_KINDS
def test_what_somebody_deleted_comes_back(resources: Resources, kind: str) -> None:
    make = MAKERS[kind]
    both = [make("first-one"), make("second-one")]
    assert resources.actions(kind, both) == ["create", "create"]
    resources.delete_outside(kind, "second-one")
    assert resources.actions(kind, both, check=True) == ["none", "create"]
    assert resources.actions(kind, both) == ["none", "create"]


@ALL_KINDS
def test_an_existing_resource_is_adopted_and_said_so(resources: Resources, kind: str) -> None:
    wanted = MAKERS[kind]("first-one")
    resources.create_outside(kind, wanted)
    result = resources.apply(kind, [wanted])
    assert [one["action"] for one in result["results"]] == ["adopt"], result
    assert "without the labels managed-by=dataplatform-compute; adopted" in result["results"][0]["message"]
    assert resources.live(kind)["first-one"]["labels"]["managed-by"] == "dataplatform-compute"
    assert resources.actions(kind, [wanted]) == ["none"]


@pytest.mark.parametrize("kind", [POLICIES, TEMPLATES, BUCKETS, SECRETS])
def test_purge_deletes_only_what_is_ours(resources: Resources, kind: str) -> None:
    make = MAKERS[kind]
    ours = {"managed-by": "dataplatform-compute", "environment": "dev"}
    others = {**ours, "environment": "prod"}
    assert resources.actions(kind, [make("kept-one"), make("old-one")], ownership_labels=ours) == ["create"] * 2
    assert resources.actions(kind, [make("prod-one")], ownership_labels=others) == ["create"]
    resources.create_outside(kind, make("strange-one"))
    options = {"purge": True, "ownership_labels": ours}
    assert resources.actions(kind, [make("kept-one")], check=True, **options) == ["none", "delete"]
    assert resources.actions(kind, [make("kept-one")], **options) == ["none", "delete"]
    assert sorted(resources.live(kind)) == ["kept-one", "prod-one", "strange-one"]


def test_a_hundred_policies_and_templates_that_are_as_wanted_cost_two_calls(resources: Resources) -> None:
    policies = [policy(f"policy-{number:03d}") for number in range(100)]
    templates = [template(f"template-{number:03d}") for number in range(100)]
    assert resources.actions(POLICIES, policies, concurrency=16) == ["create"] * 100
    assert resources.actions(TEMPLATES, templates, concurrency=16) == ["create"] * 100
    resources.cloud.clear_requests()
    assert resources.actions(POLICIES, policies) == ["none"] * 100
    assert resources.actions(TEMPLATES, templates) == ["none"] * 100
    assert resources.calls() == [("GET", LISTS[POLICIES]), ("GET", LISTS[TEMPLATES])]


def test_pages_are_followed(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataproc, "PAGE_SIZE", 3)
    policies = [policy(f"policy-{number}") for number in range(7)]
    resources.actions(POLICIES, policies)
    resources.cloud.clear_requests()
    assert resources.actions(POLICIES, policies) == ["none"] * 7
    assert resources.calls() == [("GET", LISTS[POLICIES])] * 3


def test_wrong_input_makes_no_call_at_all(resources: Resources) -> None:
    resources.cloud.clear_requests()
    wrong = [policy("good-one"), {**policy("bad-one"), "workerConfig": {"maxInstnces": "x"}}, policy("good-one")]
    result = resources.apply(POLICIES, wrong)
    assert result["failed"]
    assert len(result["error"]["problems"]) == 3
    assert "did you mean 'maxInstances'?" in result["msg"]
    assert resources.calls() == []


def test_names_and_values_with_quotes_spaces_and_unicode(resources: Resources) -> None:
    odd = template("odd-values")
    odd["jobs"][0]["pysparkJob"]["args"] = ["it's", 'say "hi"', "Grüße ☃", "a b", "", "${x}"]
    odd["labels"] = {"team": "größe", "empty": ""}
    assert resources.actions(TEMPLATES, [odd]) == ["create"]
    assert resources.live(TEMPLATES)["odd-values"]["jobs"] == odd["jobs"]
    assert resources.actions(TEMPLATES, [odd]) == ["none"]


def test_labels_of_a_bucket_can_go_away(resources: Resources) -> None:
    assert resources.actions(BUCKETS, [{**bucket(), "labels": {"team": "a", "cost": "b"}}]) == ["create"]
    assert resources.actions(BUCKETS, [{**bucket(), "labels": {"team": "a"}}]) == ["update"]
    assert resources.live(BUCKETS)["data-of-tests"]["labels"] == {"team": "a", "managed-by": "dataplatform-compute"}


def test_a_fixed_field_of_a_cluster_is_refused_before_anything_is_written(resources: Resources) -> None:
    assert resources.actions(CLUSTERS, [cluster()]) == ["create"]
    bigger = cluster()
    bigger["config"]["masterConfig"]["machineTypeUri"] = "n2-standard-8"
    resources.cloud.clear_requests()
    result = resources.apply(CLUSTERS, [bigger, cluster("another")])
    assert "etl: config.masterConfig.machineTypeUri cannot be changed in place" in result["msg"]
    assert resources.writes() == []
    before = resources.live(CLUSTERS)["etl"]["clusterUuid"]
    assert resources.actions(CLUSTERS, [bigger, cluster("another")], allow_replace=True) == ["replace", "create"]
    after = resources.live(CLUSTERS)["etl"]
    assert after["clusterUuid"] != before
    assert after["config"]["masterConfig"]["machineTypeUri"].endswith("n2-standard-8")


def test_a_cluster_that_is_not_waited_for_is_waited_for_by_the_next_run(resources: Resources) -> None:
    result = resources.apply(CLUSTERS, [cluster()], wait=False)
    assert "started, not waited for: projects/" in result["results"][0]["message"]
    assert resources.actions(CLUSTERS, [cluster()]) == ["none"]
    assert resources.live(CLUSTERS)["etl"]["status"]["state"] == "RUNNING"


def test_an_autoscaled_cluster_keeps_its_workers(resources: Resources) -> None:
    resources.actions(POLICIES, [policy()])
    uri = "projects/local-project/regions/europe-west1/autoscalingPolicies/standard"
    scaled = cluster()
    scaled["config"]["autoscalingConfig"] = {"policyUri": uri}
    assert resources.actions(CLUSTERS, [scaled]) == ["create"]
    scaled["config"]["workerConfig"]["numInstances"] = 7
    assert resources.actions(CLUSTERS, [scaled]) == ["none"]
    scaled["config"]["autoscalingConfig"] = None
    assert resources.actions(CLUSTERS, [scaled]) == ["update"]
    assert resources.live(CLUSTERS)["etl"]["config"]["workerConfig"]["numInstances"] == 7
    assert resources.actions(CLUSTERS, [scaled]) == ["none"]
