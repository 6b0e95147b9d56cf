"""The facts of a release: what is wrong is named with its key; the library says what the inventory's renderer says."""

from __future__ import annotations

from typing import Any

import facts
import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.launcher import launcher_arguments, workflow_seconds
from dataplatform_dask import cloud, job_body, platform_dag, zones
from dataplatform_dask import release as releases
from dataplatform_dask.factory import workload_dags

RELEASE = {"release": "0123456789ab", "team": "growth", "environment": "local"}


def _changed(path: str, value: Any) -> dict[str, Any]:
    document = facts.document()
    *parents, last = path.split("/")
    place = document
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("project", None, "workloads.json: project is missing, expected a text"),
        ("schedules", "yes", "workloads.json: schedules is 'yes', expected true or false"),
        ("zones", "europe-west1-b", "workloads.json: zones is 'europe-west1-b', expected a list"),
        ("users/ada/slots", "3", "workloads.json: users.ada.slots is '3', expected a whole number"),
        ("users/ada/slots", True, "workloads.json: users.ada.slots is True, expected a whole number"),
        ("clusters/etl/own", None, "workloads.json: clusters.etl.own is missing, expected a mapping"),
        (
            "environment",
            "prod",
            "workloads.json: environment is 'prod', but release.json is of the environment 'local'",
        ),
    ],
)
def test_bad_facts_name_the_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(releases.ReleaseError, match=message.replace("(", r"\(")):
        releases.load(RELEASE, _changed(path, value))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("owner", "adaa", r"workloads.flights-etl: owner 'adaa' is not one of .*did you mean 'ada'"),
        ("template", "elt", r"workloads.flights-etl: template 'elt' .*did you mean 'etl'"),
        ("placement", "both", r"workloads.flights-etl: placement 'both' .*there are: own, shared"),
        ("priority", "high", r"workloads.flights-etl: priority 'high' .*there are: critical, low, normal"),
        ("slots", 4, r"workloads.flights-etl: .*workers is 4, expected 1 to 3, the worker slots of ada"),
        ("timeout", None, r"workloads.flights-etl.timeout is missing"),
        ("job", {"sparkJob": {}}, r"workloads.flights-etl.job.pysparkJob is missing"),
    ],
)
def test_bad_workloads_name_workload_and_key(key: str, value: Any, message: str) -> None:
    with pytest.raises(releases.ReleaseError, match=message):
        workload_dags(releases.load(RELEASE, _changed(f"workloads/flights-etl/{key}", value)))


@pytest.mark.parametrize(("schedules", "always", "schedule"), [(True, False, "0 5 * * *"), (False, True, "0 5 * * *")])
def test_schedules_count_where_the_inventory_lets_them(schedules: bool, always: bool, schedule: str) -> None:
    release = releases.load(RELEASE, _changed("schedules", schedules))
    dag = platform_dag("d", owner="ada", schedule="0 5 * * *", always_scheduled=always, release=release)
    assert dag.timetable.summary == schedule


def test_without_schedules_a_dag_waits_to_be_asked() -> None:
    dags = workload_dags(releases.load(RELEASE, _changed("schedules", False)))
    assert dags["flights-etl"].timetable.summary == "None"


def test_command_line_is_that_of_rendered_workloads() -> None:
    workload = facts.workload(queue_timeout=900, workers={"min": 2, "max": 3}, idle_timeout=60)
    expected = launcher_arguments(
        "flights-etl",
        workload,
        script_uri="gs://artifacts/0123/jobs/examples/flights_etl.py",
        script_arguments=["--a", "b c"],
        settings=facts.LAUNCHER,
    )
    options = job_body.JobOptions("examples/flights_etl.py", ["--a", "b c"], 1800, 900, 60, (2, 3))
    job = job_body.pyspark_job(facts.release(), "flights-etl", "ada", "normal", options)
    assert job["args"] == expected
    assert job_body.job_seconds(1800, 900) == workflow_seconds(workload)


def test_configs_become_messages_and_unknown_fields_are_named() -> None:
    assert cloud.check_configs([("etl", facts.CONFIG)]) == []
    wrong = cloud.check_configs([("etl", {**facts.CONFIG, "workerConfg": {}})])
    assert len(wrong) == 1
    assert "etl" in wrong[0]
    assert "workerConfg" in wrong[0]


def test_durations_and_map_keys_survive_the_conversion() -> None:
    from google.cloud.dataproc_v1 import ClusterConfig

    message = cloud._message(ClusterConfig, facts.CONFIG)
    assert message.lifecycle_config.idle_delete_ttl.total_seconds() == 600
    assert dict(message.gce_cluster_config.metadata) == {"someKey": "v"}
    assert "yarn:yarn.nodemanager.resource.memory-mb" in message.software_config.properties


def test_lifetime_is_always_set() -> None:
    bare = zones.with_lifetime({}, idle_seconds=1800, age_seconds=86400)
    assert bare["lifecycleConfig"] == {"idleDeleteTtl": "1800s", "autoDeleteTtl": "86400s"}
    kept = zones.with_lifetime(facts.CONFIG, idle_seconds=1, age_seconds=1)
    assert kept["lifecycleConfig"] == facts.CONFIG["lifecycleConfig"]


def test_zones_in_order_and_what_a_stock_out_is() -> None:
    others = ["europe-west1-b", "europe-west1-c"]
    assert zones.places({}, others) == [None, *others]
    own = {"gceClusterConfig": {"zoneUri": "projects/p/zones/europe-west1-c"}}
    assert zones.places(own, others) == ["europe-west1-c", "europe-west1-b"]
    assert zones.placed(own, "europe-west1-b")["gceClusterConfig"]["zoneUri"] == "europe-west1-b"
    assert zones.is_stock_out("The zone 'projects/p/zones/z' does not have enough resources available to fulfill it.")
    assert zones.is_stock_out("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS")
    assert not zones.is_stock_out("Insufficient 'CPUS' quota. Requested 12.0, available 4.0.")
    assert not zones.is_stock_out("Initialization action failed. Failed action 'gs://b/a.sh'")
