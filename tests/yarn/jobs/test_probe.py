"""playbooks/probe.yml on a real ResourceManager: it passes, and claims nothing about Google."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, WITHOUT_AIRFLOW, LocalCloud
from tests.integration.google import PROJECT, STORAGE, Google

pytestmark = pytest.mark.slow

# What only a node that is a machine of its own can tell; tests/nodes has those.
OF_MACHINES = {"account-numbers", "container-user", "daemon-units", "init-before-daemons", "kinit", "squashfs"}


def probe(cloud: LocalCloud, directory: Path, expect: int, *more: str) -> dict[str, Any]:
    """Run the playbook, which has to end with this code; its report."""
    inventory = str(REPOSITORY / "inventories" / "local")
    options = ("-i", inventory, *WITHOUT_AIRFLOW, "-e", f"probe_file={directory / 'report'}", *more)
    ended = cloud.run("ansible-playbook", "playbooks/probe.yml", *options, check=False, timeout=900)
    assert ended.returncode == expect, f"{ended.stdout}\n{ended.stderr}"
    return json.loads((directory / "report.json").read_text(encoding="utf-8"))


def test_what_differs_is_named_and_ends_with_ten(yarn_cloud: LocalCloud, tmp_path: Path) -> None:
    questions = yaml.safe_load((REPOSITORY / "docs/guesses.yml").read_text())
    (asked,) = [one for one in questions["guesses"] if one["id"] == "fair-scheduler"]
    asked["expected"] = "capacityScheduler"
    (tmp_path / "questions.json").write_text(json.dumps({"questions": questions}))
    report = probe(yarn_cloud, tmp_path, 10, "-e", f"@{tmp_path / 'questions.json'}")
    assert [(one["id"], one["found"]) for one in report["verdicts"] if one["verdict"] == "differs"] == [
        ("fair-scheduler", "fairScheduler")
    ]
    assert "capacityScheduler" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_stand_in_does_as_guessed_and_is_never_taken_for_google(yarn_cloud: LocalCloud, tmp_path: Path) -> None:
    report = probe(yarn_cloud, tmp_path, 0)
    verdicts = {one["id"]: one["verdict"] for one in report["verdicts"]}
    assert set(verdicts.values()) == {"own guess", "not observed"}
    assert {name for name in OF_MACHINES if verdicts[name] != "not observed"} == set()
    seen = {one["id"]: one["found"] for one in report["verdicts"] if one["verdict"] == "own guess"}
    assert seen["fair-scheduler"] == "fairScheduler"
    assert seen["owner-of-application"] == "grace"
    assert seen["queue-of-application"] == "root.normal.grace"
    assert (seen["node-memory"], seen["node-vcores"]) == ("13312", "5")
    assert (seen["worker-removal"], seen["worker-removal-harmless"]) == ("yes", "RUNNING")
    assert seen["leaving-node"].endswith("-w-2")

    issue = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "a stand-in's, not Google's" in issue
    google = Google(yarn_cloud.environment)
    assert "probe-local" not in google.clusters()
    buckets = google.call("GET", f"{STORAGE}/storage/v1/b", params={"project": PROJECT}).json()["items"]
    assert [bucket["name"] for bucket in buckets if "probe" in bucket["name"]] == []
