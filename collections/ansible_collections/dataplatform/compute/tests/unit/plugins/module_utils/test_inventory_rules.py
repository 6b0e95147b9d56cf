# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every rule of the cross-check: one broken fact, one finding that names key, expectation and near miss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_rules import check_inventory
from ansible_collections.dataplatform.compute.plugins.module_utils.inventory_source import Finding, Source
from ansible_collections.dataplatform.compute.tests.unit.plugins.module_utils.inventory_facts import sound_facts

NOWHERE = Source(positions={}, duplicates=[], directory="inventories/test")
MISSING = object()


@pytest.fixture(name="jobs")
def jobs_directory(tmp_path: Path) -> Path:
    """A jobs directory with the one script of the sound facts."""
    script = tmp_path / "jobs" / "examples" / "flights.py"
    script.parent.mkdir(parents=True)
    script.write_text("")
    return tmp_path / "jobs"


def put(facts: dict[str, Any], path: str, value: object) -> None:
    """Set (or, for MISSING, remove) the value at a path whose parts are separated by '/'."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    target: Any = facts
    for parent in parents:
        target = target[parent]
    if value is MISSING:
        del target[last]
    else:
        target[last] = value


def findings_after(jobs: Path, *changes: tuple[str, object]) -> list[Finding]:
    """The findings once the changes are made to sound facts."""
    facts = sound_facts()
    for path, value in changes:
        put(facts, path, value)
    return check_inventory(facts, NOWHERE, jobs)


def test_sound_facts_have_no_finding(jobs: Path) -> None:
    assert findings_after(jobs) == []


# (path to break, value, key of the finding, part of what was expected, near miss)
CASES = [
    # Names and forms
    ("gcp_project", "Acme", "gcp_project", "project id", ""),
    ("gcp_region", "europe-west1-b", "gcp_region", "a region such as", ""),
    ("gcp_expected_principal", "deployer", "gcp_expected_principal", "e-mail", ""),
    ("gcp_login_hint", "", "gcp_login_hint", "not empty", ""),
    ("gcp_project", 7, "gcp_project", "project id", ""),
    ("gcp_project", MISSING, "gcp_project", "not set", ""),
    ("gcp_connection_ready", "no", "gcp_connection_ready", "true or false", ""),
    ("platform_environment", "Test", "platform_environment", "a-z", ""),
    ("platform_process_environment", {"A": 1}, "platform_process_environment.A", "a text", ""),
    ("platform_labels/Cost", "x", "platform_labels.Cost", "label key", ""),
    ("platform_labels/cost-center", "CC 1", "platform_labels.cost-center", "label value", ""),
    ("platform_service_account", "node@acme.com", "platform_service_account", "NAME@PROJECT", ""),
    ("platform_kms_key", "projects/p/key", "platform_kms_key", "cryptoKeys", ""),
    ("platform_buckets/data", "gs://acme-data", "platform_buckets.data", "no gs://", ""),
    ("platform_buckets/data", "Acme", "platform_buckets.data", "a-z", ""),
    ("platform_buckets/data", "my-google-data", "platform_buckets.data", "'google' nowhere", ""),
    ("platform_buckets/data", "192.168.1.1", "platform_buckets.data", "bucket name", ""),
    ("platform_pins/dataproc_image", "2.3-debian12", "platform_pins.dataproc_image", "full pin", ""),
    ("platform_pins/dataproc_image", "2.2.10-debian12", "platform_pins.dataproc_image", "2.3.", ""),
    ("platform_network/dns_zone", "corp", "platform_network.dns_zone", "corp.internal", ""),
    ("platform_network/tags", ["Node"], "platform_network.tags[0]", "a letter first", ""),
    ("platform_queues/Normal", {"weight": 1, "running_applications": 1, "users": []},
     "platform_queues.Normal", "queue name", ""),
    ("platform_users/ada.l", {"team": "growth"}, "platform_users.ada.l", "account name", ""),
    ("platform_teams/growth/cost_center", "CC", "platform_teams.growth.cost_center", "label value", ""),
    ("platform_autoscaling_policies/-x", sound_facts()["platform_autoscaling_policies"]["shared"],
     "platform_autoscaling_policies.-x", "policy id", ""),
    ("platform_cluster_templates/Etl", sound_facts()["platform_cluster_templates"]["etl"],
     "platform_cluster_templates.Etl", "2 to 35", ""),
    ("platform_workloads/no_underscores", sound_facts()["platform_workloads"]["flights"],
     "platform_workloads.no_underscores", "3 to 35", ""),
    ("platform_nfs/server", "nfs server", "platform_nfs.server", "host name", ""),
    ("platform_nfs/mounts/0/mountpoint", "shared/data", "platform_nfs.mounts[0].mountpoint", "absolute path", ""),
    ("platform_nfs/mounts/0/export", "/a b", "platform_nfs.mounts[0].export", "directory on the server", ""),
    ("platform_nfs/mounts/0/version", "4", "platform_nfs.mounts[0].version", "one of 3, 4.1", ""),
    ("platform_nfs/mounts/0/options", ["a,b"], "platform_nfs.mounts[0].options[0]", "one mount option", ""),
    ("platform_nfs/mounts", [], "platform_nfs.mounts", "at least one", ""),
    ("platform_nfs/share", "shared", "platform_nfs.share", "directory on the server", ""),
    ("platform_nfs/mounts/0/mode", "775", "platform_nfs.mounts[0].mode", "four octal digits", ""),
    ("platform_nfs/mounts/0/mode", 2775, "platform_nfs.mounts[0].mode", "in quotes", ""),
    ("platform_nfs/mounts/0/mode", "2777", "platform_nfs.mounts[0].mode", "the sticky bit", "3777"),
    ("platform_nfs/mounts/0/owner", "yarm", "platform_nfs.mounts[0].owner", "platform_accounts: yarn", "yarn"),
    ("platform_nfs/mounts/0/export", "/other/data", "platform_nfs.mounts[0].export", "such as /shared/data", ""),
    ("platform_nfs/mounts/0/export", "/shared", "platform_nfs.mounts[0].export", "in the share", ""),
    ("platform_accounts/yarn/uid", 0, "platform_accounts.yarn.uid", "1 to 60000", ""),
    ("platform_kerberos/realm", "corp.internal", "platform_kerberos.realm", "in capitals", ""),
    ("platform_kerberos/kdcs", ["ipa.corp.internal:port"], "platform_kerberos.kdcs[0]", "or HOST:PORT", ""),
    ("platform_job_account", None, "platform_job_account", "because platform_kerberos is set", ""),
    ("platform_kerberos/kdc", ["ipa"], "platform_kerberos.kdc", "unknown key", "kdcs"),
    ("platform_metrics/interval", 1, "platform_metrics.interval", "5 to 3600", ""),
    ("platform_metrics/groups", ["dask", "nodes"], "platform_metrics.groups[1]", "one of dask, node, yarn", "node"),
    ("platform_metrics/groups", [], "platform_metrics.groups", "at least one", ""),
    # Structure
    ("platform_workloads/flights/ower", "ada", "platform_workloads.flights.ower", "unknown key", "owner"),
    ("platform_workloads/flights/team", MISSING, "platform_workloads.flights", "the key 'team'", ""),
    ("platform_workloads/flights/placement", "share", "platform_workloads.flights.placement", "one of own", "shared"),
    ("platform_workloads/flights/timeout", "1800", "platform_workloads.flights.timeout", "600 to 86400", ""),
    ("platform_workloads/flights/timeout", 599, "platform_workloads.flights.timeout", "600 to 86400", ""),
    ("platform_workloads/flights/arguments", [1], "platform_workloads.flights.arguments[0]", "in quotes", ""),
    ("platform_workloads/flights/script", "/etc/x.py", "platform_workloads.flights.script", "a file under jobs/", ""),
    ("platform_queues", {}, "platform_queues", "at least one", ""),
    ("platform_sizes/worker/memory_mb", 12000, "platform_sizes.worker.memory_mb", "full 1024", ""),
    # What is named exists
    ("platform_users/ada/team", "groth", "platform_users.ada.team", "platform_teams", "growth"),
    ("platform_cluster_templates/etl/node", "n2-standard-8", "platform_cluster_templates.etl.node",
     "platform_sizes.nodes", "n2-standard-4"),
    ("platform_cluster_templates/etl/autoscaling/own", "own-spt", "platform_cluster_templates.etl.autoscaling.own",
     "platform_autoscaling_policies", "own-spot"),
    ("platform_cluster_templates/etl/autoscaling/shared", "x", "platform_cluster_templates.etl.autoscaling.shared",
     "own-spot, shared", ""),
    ("platform_workloads/flights/template", "elt", "platform_workloads.flights.template", "cluster_templates", "etl"),
    ("platform_workloads/flights/priority", "norml", "platform_workloads.flights.priority", "queues", "normal"),
    ("platform_workloads/flights/owner", "adda", "platform_workloads.flights.owner", "platform_users", "ada"),
    ("platform_workloads/flights/team", "platform", "platform_workloads.flights.team", "the team of ada: growth", ""),
    ("platform_workloads/flights/team", "grwth", "platform_workloads.flights.team", "platform_teams", "growth"),
    ("platform_workloads/flights/script", "examples/flight.py", "platform_workloads.flights.script",
     "a file under jobs/", "examples/flights.py"),
    ("platform_workloads/flights/script", "../outside.py", "platform_workloads.flights.script", "under jobs/", ""),
    ("platform_workloads/flights/arguments", ["gs://${dat_bucket}/x"], "platform_workloads.flights.arguments[0]",
     "placeholders", "data_bucket"),
    # Queues and who may use them
    ("platform_queues/default", {"weight": 1, "running_applications": 1, "users": []},
     "platform_queues.default", "not root or default", ""),
    ("platform_queues/low/weight", 0, "platform_queues.low.weight", "above 0", ""),
    ("platform_queues/low/weight", "3", "platform_queues.low.weight", "a number above 0", ""),
    ("platform_queues/low/weigth", 1, "platform_queues.low.weigth", "unknown key", "weight"),
    ("platform_queues/low", {"weight": 1, "running_applications": 1}, "platform_queues.low", "users or teams", ""),
    ("platform_queues/critical/users", ["grce"], "platform_queues.critical.users[0]", "ada, grace", "grace"),
    ("platform_queues/critical/users", ["grace", "grace"], "platform_queues.critical.users", "once", ""),
    ("platform_queues/critical/users", "grace", "platform_queues.critical.users", "a list", ""),
    ("platform_queues/normal/teams", ["growth", "platfrm"], "platform_queues.normal.teams[1]", "growth, platform",
     "platform"),
    ("platform_queues/critical/preemption/timeout", 0, "platform_queues.critical.preemption.timeout", "from 1", ""),
    ("platform_queues/critical/preemption", {"timout": 3}, "platform_queues.critical.preemption.timout",
     "unknown key", "timeout"),
    ("platform_users/root", {"team": "growth"}, "platform_users.root", "not root or yarn", ""),
    ("platform_users/a, b", {"team": "growth"}, "platform_users.a, b", "account name", ""),
    ("platform_workloads/flights/priority", "critical", "platform_workloads.flights.priority",
     "ada may use (normal, low); root.critical is for grace", ""),
    # What fits
    ("platform_sizes/nodes/n2-standard-4/yarn_memory_mb", 15360,
     "platform_sizes.nodes.n2-standard-4.yarn_memory_mb", "at most 14336", ""),
    ("platform_sizes/nodes/n2-standard-4/yarn_vcores", 6,
     "platform_sizes.nodes.n2-standard-4.yarn_vcores", "at most 5", ""),
    ("platform_sizes/nodes/n2-standard-4/yarn_vcores", 4, "platform_sizes.worker.vcores", "together 5", ""),
    ("platform_sizes/worker/memory_mb", 13312, "platform_sizes.worker.memory_mb", "together 14336", ""),
    ("platform_sizes/worker/memory_mb", 14336, "platform_sizes.worker.memory_mb", "fit its node", ""),
    ("platform_sizes/user/memory_mb", 36864, "platform_sizes.user.memory_mb", "at least 37888", ""),
    ("platform_sizes/user/vcores", 12, "platform_sizes.user.vcores", "at least 13", ""),
    ("platform_sizes/cluster/workers_min", 1, "platform_sizes.cluster.workers_min", "at least 2", ""),
    ("platform_autoscaling_policies/shared/workerConfig/maxInstances", 11,
     "platform_autoscaling_policies.shared.workerConfig.maxInstances", "allows 11", ""),
    ("platform_autoscaling_policies/own-spot/secondaryWorkerConfig/maxInstances", 9,
     "platform_autoscaling_policies.own-spot.secondaryWorkerConfig.maxInstances", "allows 11", ""),
    ("platform_autoscaling_policies/shared/workerConfig/minInstances", 1,
     "platform_autoscaling_policies.shared.workerConfig.minInstances", "at least 2", ""),
    ("platform_autoscaling_policies/own-spot/secondaryWorkerConfig/minInstances", 9,
     "platform_autoscaling_policies.own-spot.secondaryWorkerConfig.maxInstances", "at least minInstances, 9", ""),
    # Lifetimes
    ("platform_cluster_templates/etl/config/lifecycleConfig/idleDeleteTtl", "299s",
     "platform_cluster_templates.etl.config.lifecycleConfig.idleDeleteTtl", "300s to", ""),
    ("platform_cluster_templates/etl/config/lifecycleConfig/autoDeleteTtl", "1209601s",
     "platform_cluster_templates.etl.config.lifecycleConfig.autoDeleteTtl", "600s to 1209600s", ""),
    ("platform_cluster_templates/etl/config/lifecycleConfig/idleDeleteTtl", "14401s",
     "platform_cluster_templates.etl.config.lifecycleConfig.idleDeleteTtl", "at most autoDeleteTtl", ""),
    ("platform_cluster_templates/etl/config/lifecycleConfig/idleDeleteTtl", "10m",
     "platform_cluster_templates.etl.config.lifecycleConfig.idleDeleteTtl", "such as 600s", ""),
    ("platform_workloads/flights/timeout", 7200, "platform_workloads.flights.timeout", "after 14400 s", ""),
    ("platform_workloads/flights/workers", {"min": 3, "max": 2},
     "platform_workloads.flights.workers.min", "at most 2", ""),
    ("platform_workloads/flights/workers", {"min": 4, "max": 9},
     "platform_workloads.flights.workers.min", "at most 3", ""),
    ("platform_queues/normal/running_applications", 15, "platform_queues", "fewer than 20", ""),
    ("platform_prices/vcore_hour", 0, "platform_prices.vcore_hour", "above 0", ""),
    # Places
    ("platform_network/subnetworks/1/cidr", "10.10.3.7/24", "platform_network.subnetworks[1].cidr",
     "private network", "10.10.3.0/24"),
    ("platform_network/subnetworks/1/cidr", "ten", "platform_network.subnetworks[1].cidr", "private network", ""),
    ("platform_network/subnetworks/1/cidr", "8.8.8.0/24", "platform_network.subnetworks[1].cidr", "private", ""),
    ("platform_network/subnetworks/1/cidr", "10.10.0.0/16", "platform_network.subnetworks[1].cidr",
     "composer is 10.10.1.0/24", ""),
    ("platform_network/subnetworks/0/name", "nodes", "platform_network.subnetworks[1].name", "of its own", ""),
    ("platform_network/subnetworks/1/cidr", "10.10.3.0/29", "platform_network.dataproc_subnetwork",
     "addresses for 11 nodes", ""),
    ("platform_network/dataproc_subnetwork", "node", "platform_network.dataproc_subnetwork", "composer, nodes", ""),
    ("gcp_region", "us-east4", "platform_kms_key", "gcp_region us-east4",
     "projects/acme-data-test/locations/us-east4/keyRings/ring/cryptoKeys/key"),
    ("platform_cluster_templates/etl/config/gceClusterConfig", {"zoneUri": "us-east4-a"},
     "platform_cluster_templates.etl.config.gceClusterConfig.zoneUri", "a zone of gcp_region europe-west1", ""),
    ("platform_cluster_templates/etl/config/gceClusterConfig", {"zoneUri": "europe-west1"},
     "platform_cluster_templates.etl.config.gceClusterConfig.zoneUri", "a zone such as", ""),
    ("platform_buckets/temp", "acme-staging", "platform_buckets.temp", "of its own", ""),
    # Schedules
    ("platform_workloads/flights/schedule", "@dayly", "platform_workloads.flights.schedule", "@daily", "@daily"),
    ("platform_workloads/flights/schedule", "0 5 * *", "platform_workloads.flights.schedule", "found 4", ""),
    ("platform_workloads/flights/schedule", "60 5 * * *", "platform_workloads.flights.schedule", "0-59", ""),
    ("platform_workloads/flights/schedule", "0 5 * * mon-fr", "platform_workloads.flights.schedule", "day of week", ""),
    ("platform_workloads/flights/schedule", "*/0 5 * * *", "platform_workloads.flights.schedule", "minute", ""),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}={case[1]}"[:80] for case in CASES])
def test_one_broken_fact_is_one_finding(jobs: Path, case: tuple[str, object, str, str, str]) -> None:
    path, value, key, expected, suggestion = case
    findings = [finding for finding in findings_after(jobs, (path, value)) if finding.key == key]
    assert len(findings) == 1, findings_after(jobs, (path, value))
    assert expected in findings[0].expected
    assert findings[0].suggestion == suggestion


def test_braces_and_dollars_that_are_no_placeholders(jobs: Path) -> None:
    arguments = ['{"a": {"b": 1}}', "$HOME", "cost: 5$", "${data_bucket}/${project}"]
    assert findings_after(jobs, ("platform_workloads/flights/arguments", arguments)) == []


@pytest.mark.parametrize("schedule", [None, "@daily", "*/15 0-6,22 1 jan,jul mon-fri", "0 5 * * 7"])
def test_valid_schedules(jobs: Path, schedule: str | None) -> None:
    assert findings_after(jobs, ("platform_workloads/flights/schedule", schedule)) == []


def test_fourth_worker_must_not_fit_in_memory_and_vcores(jobs: Path) -> None:
    only_memory = findings_after(jobs, ("platform_sizes/user/memory_mb", 51200))
    assert only_memory == [], "the vcores still keep a 4th worker out"
    both = findings_after(jobs, ("platform_sizes/user/memory_mb", 51200), ("platform_sizes/user/vcores", 17))
    assert [finding.key for finding in both] == ["platform_sizes.user.memory_mb"]
    assert "4 and an application master fit" in both[0].expected


def test_a_user_in_no_queue_is_reported_with_the_queues_there_are(jobs: Path) -> None:
    findings = findings_after(
        jobs,
        ("platform_teams/sales", {"cost_center": "cc-9"}),
        ("platform_users/eve", {"team": "sales"}),
    )
    assert [str(finding) for finding in findings] == [
        "inventories/test: platform_users.eve: expected to be in a queue, or in a team that is: critical, normal, low"
    ]


def test_a_closed_queue_says_so_to_the_owner_of_a_workload(jobs: Path) -> None:
    findings = findings_after(jobs, ("platform_queues/low/teams", []), ("platform_workloads/flights/priority", "low"))
    assert [finding.expected for finding in findings] == [
        "expected a queue that ada may use (normal); root.low is closed"
    ]


def test_a_misspelt_owner_is_not_also_without_rights(jobs: Path) -> None:
    findings = findings_after(
        jobs, ("platform_workloads/flights/owner", "adda"), ("platform_workloads/flights/priority", "critical")
    )
    assert [finding.key for finding in findings] == ["platform_workloads.flights.owner"]


def test_a_misspelt_key_is_not_also_reported_as_missing(jobs: Path) -> None:
    findings = findings_after(
        jobs, ("platform_workloads/flights/owner", MISSING), ("platform_workloads/flights/ower", "ada")
    )
    assert [finding.key for finding in findings] == ["platform_workloads.flights.ower"]


def test_everything_is_reported_at_once(jobs: Path) -> None:
    findings = findings_after(
        jobs,
        ("platform_workloads/flights/template", "elt"),
        ("platform_workloads/flights/timeout", 1),
        ("platform_workloads/flights/script", "examples/x.py"),
        ("platform_network/subnetworks/1/cidr", "10.10.1.0/25"),
        ("platform_sizes/worker/vcores", 8),
        ("gcp_region", MISSING),
    )
    keys = {finding.key for finding in findings}
    assert keys >= {
        "gcp_region",
        "platform_network.subnetworks[1].cidr",
        "platform_sizes.worker.vcores",
        "platform_workloads.flights.script",
        "platform_workloads.flights.template",
        "platform_workloads.flights.timeout",
    }


def test_a_fact_that_cannot_be_resolved_is_reported_with_the_reason() -> None:
    facts = sound_facts()
    del facts["platform_kms_key"]
    findings = check_inventory(facts, NOWHERE, None, {"platform_kms_key": "'ring' is undefined"})
    assert [str(finding) for finding in findings] == [
        "inventories/test: platform_kms_key: cannot be resolved: 'ring' is undefined"
    ]


def test_directory_of_another_environment() -> None:
    findings = check_inventory(sound_facts(), Source({}, [], "inventories/prod"))
    assert [finding.key for finding in findings] == ["platform_environment"]
    assert "'prod'" in findings[0].expected


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("gpc_region", "gcp_region"), ("platform_wrkloads", "platform_workloads"), ("gcp_xyz", "")],
)
def test_unknown_facts(name: str, suggestion: str) -> None:
    source = Source({(name,): ("inventories/test/group_vars/all/a.yml", 3)}, [], "inventories/test")
    findings = check_inventory(sound_facts(), source)
    assert [(finding.key, finding.suggestion, finding.line) for finding in findings] == [(name, suggestion, 3)]


def test_variables_of_roles_and_of_the_site_are_left_alone() -> None:
    source = Source({("artifacts_sources",): ("a.yml", 1), ("localcloud_home",): ("a.yml", 2)}, [], "inventories/test")
    assert check_inventory(sound_facts(), source) == []
