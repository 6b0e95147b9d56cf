"""``playbooks/queues.yml`` against a local cloud: looks, publishes one object, says who takes it, then rests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import STORAGE, Google
from tests.integration.test_site import changed, play, writes

PLAYBOOK = "playbooks/queues.yml"
OBJECT = f"{STORAGE}/storage/v1/b/local-project-artifacts/o/live%2Flocal%2Ffair-scheduler.xml"


def queues_with(path: Path, **weights: int) -> str:
    """The inventory's queues with other weights, as an argument of ansible-playbook."""
    queues = yaml.safe_load((REPOSITORY / "inventories/common/queues.yml").read_text())
    for name, weight in weights.items():
        queues["platform_queues"][name]["weight"] = weight
    path.write_text(json.dumps(queues))
    return f"@{path}"


def published(cloud: LocalCloud) -> dict[str, Any]:
    """The object as Cloud Storage knows it."""
    return Google(cloud.environment).call("GET", OBJECT).json()


@pytest.fixture(name="converged")
def converged_cloud(empty_localcloud: LocalCloud) -> Iterator[LocalCloud]:
    """A cloud that ``site.yml`` has converged once."""
    play(empty_localcloud, "site.yml", *WITHOUT_AIRFLOW)
    yield empty_localcloud


def test_a_weight_is_shown_then_published_once(converged: LocalCloud, tmp_path: Path) -> None:
    heavier = queues_with(tmp_path / "queues.json", normal=5)
    before = published(converged)["generation"]
    converged.clear_requests()
    shown = play(converged, PLAYBOOK, "-e", heavier, "--check", "--diff")
    assert "fair-scheduler.xml would change" in shown.stdout
    assert "-      <weight>3</weight>" in shown.stdout
    assert "+      <weight>5</weight>" in shown.stdout
    assert (changed(shown), writes(converged)) == (1, [])

    done = play(converged, PLAYBOOK, "-e", heavier)
    assert "fair-scheduler.xml has changed" in done.stdout
    after = published(converged)["generation"]
    assert int(after) > int(before)

    converged.clear_requests()
    again = play(converged, PLAYBOOK, "-e", heavier)
    assert "is as the inventory says" in again.stdout
    assert (changed(again), writes(converged)) == (0, [])
    assert published(converged)["generation"] == after


def test_clusters_that_take_it_and_that_do_not_are_named(converged: LocalCloud, tmp_path: Path) -> None:
    google = Google(converged.environment)
    labels = {"managed-by": "dataplatform-compute", "environment": "local"}
    uri = "gs://local-project-artifacts/live/local/fair-scheduler.xml"
    for name, metadata in (("with-queues", {"fair-scheduler-uri": uri}), ("older", {})):
        config = {"gceClusterConfig": {"metadata": metadata}}
        google.post("clusters", {"clusterName": name, "labels": labels, "config": config})
    google.post("clusters", {"clusterName": "of-somebody-else", "config": {}})
    run = play(converged, PLAYBOOK, "-e", queues_with(tmp_path / "queues.json", low=2), "--check")
    assert "with-queues takes it " in run.stdout
    assert "with-queues takes it never" not in run.stdout
    assert "older takes it never: it was made without fair-scheduler-uri" in run.stdout
    assert "of-somebody-else" not in run.stdout


def test_a_workload_of_somebody_without_the_right_is_refused_before_anything_is_sent(
    converged: LocalCloud, tmp_path: Path
) -> None:
    workloads = yaml.safe_load((REPOSITORY / "inventories/common/workloads.yml").read_text())
    workloads["platform_workloads"]["flights-etl"]["priority"] = "critical"
    file = tmp_path / "workloads.json"
    file.write_text(json.dumps(workloads))
    converged.clear_requests()
    run = play(converged, "playbooks/run_workload.yml", "-e", f"@{file}", "-e", "workload=flights-etl", check=False)
    assert run.returncode != 0
    assert "expected a queue that ada may use (normal, low); root.critical is for grace" in " ".join(run.stdout.split())
    assert converged.requests() == []
