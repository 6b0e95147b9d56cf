"""playbooks/probe.yml where its job cannot succeed: what needs no cluster is asked all the same, and nothing stays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import PROJECT, REGION, STORAGE, Google

INVENTORY = str(REPOSITORY / "inventories" / "local")


def probe(localcloud: LocalCloud, *options: str) -> tuple[int, str]:
    """Run the playbook; its exit code and what it showed."""
    play = ("ansible-playbook", "playbooks/probe.yml", "-i", INVENTORY, *WITHOUT_AIRFLOW, *options)
    ended = localcloud.run(*play, check=False)
    return ended.returncode, ended.stdout


def left(google: Google) -> dict[str, list[Any]]:
    """Everything that a probe makes, as far as it is there."""
    buckets = google.call("GET", f"{STORAGE}/storage/v1/b", params={"project": PROJECT}).json().get("items", [])
    kinds = {"clusters": "clusters", "autoscalingPolicies": "policies", "workflowTemplates": "templates"}
    found = {kind: google.get(kind).get(key, []) for kind, key in kinds.items()}
    return {**found, "buckets": [bucket["name"] for bucket in buckets if "probe" in bucket["name"]]}


# What a patch run has pinned, and this checkout no longer has: the probe brings its own.
PINS = {
    "dataproc_image": "2.3.10-debian12",
    "environment": None,
    "init_actions": {"node-bundle.sh": "a" * 64, "yarn_queues.py": "b" * 64, "node-metrics.sh": "c" * 64},
    "node_bundle": "d" * 64,
}
NOTHING: dict[str, list[Any]] = {"clusters": [], "autoscalingPolicies": [], "workflowTemplates": [], "buckets": []}


def test_check_mode_says_what_would_be_and_makes_nothing(empty_localcloud: LocalCloud) -> None:
    code, shown = probe(empty_localcloud, "--check")
    assert code == 0, shown
    assert "would create cluster probe-local: 3 workers" in shown
    assert "would delete cluster probe-local" in shown
    made = [one for one in empty_localcloud.requests() if one["method"] != "GET" and "token" not in one["method_id"]]
    assert [one["method_id"] for one in made if not one["method_id"].startswith(("oauth2", "iamcredentials"))] == []
    assert left(Google(empty_localcloud.environment)) == NOTHING


def test_what_needs_no_cluster_is_asked_where_the_job_fails(empty_localcloud: LocalCloud, tmp_path: Path) -> None:
    """Clusters of the process engine have no YARN and no metadata server."""
    # As seen from where it is run.
    prefix = os.path.relpath(tmp_path / "report", REPOSITORY)
    code, shown = probe(empty_localcloud, "-e", f"probe_file={prefix}", "-e", json.dumps({"platform_pins": PINS}))
    assert code == 2, shown
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert "look-around" in report["failure"]
    verdicts = {one["id"]: one["verdict"] for one in report["verdicts"]}
    assert verdicts["unknown-image-text"] == verdicts["exists-text"] == verdicts["cluster-times"] == "own guess"
    assert verdicts["account-numbers"] == verdicts["fair-scheduler"] == "not observed"
    assert "differs" not in verdicts.values()
    assert report["stand_in"] is True
    assert report["left"] == []
    assert left(Google(empty_localcloud.environment)) == NOTHING


def test_a_probe_cut_short_on_another_machine_is_waited_for_or_taken_over(empty_localcloud: LocalCloud) -> None:
    google = Google(empty_localcloud.environment)
    bucket = f"{PROJECT}-probe-local"
    labels = {"managed-by": "dataplatform-compute-probe", "environment": "local", "cost-center": "cc-1000"}
    url = f"{STORAGE}/storage/v1/b"
    body = {"name": bucket, "labels": labels, "location": REGION.upper()}
    google.call("POST", url, params={"project": PROJECT}, json=body)
    google.upload(bucket, "patching/local/lock", "")
    process = {"process": "elsewhere:1 boot/pid:[1] 1", "purpose": "probing"}
    google.call("PATCH", f"{url}/{bucket}/o/patching%2Flocal%2Flock", json={"metadata": process})
    code, shown = probe(empty_localcloud, "--check")
    assert code == 2, shown
    told = " ".join(shown.split())
    assert "belongs to a run (probing) by elsewhere:1, which may be alive. Nothing was changed." in told
    assert "with a shorter lease (-e patching_lease_seconds=1)" in told
    # The server tells ages in whole seconds.
    time.sleep(2.1)
    code, shown = probe(empty_localcloud, "--check", "-e", "patching_lease_seconds=1")
    assert code == 0, shown


def test_a_template_that_is_not_there_is_refused_first(localcloud: LocalCloud) -> None:
    code, shown = probe(localcloud, "-e", "template=elt")
    assert code == 2
    assert "template is 'elt'" in shown
    assert "did you mean 'etl'?" in shown
