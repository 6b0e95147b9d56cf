"""playbooks/probe.yml where every node is a machine of its own: what only such nodes can tell is told, too."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from localcloud.podman.commands import CONFIGURATION
from tests.integration.conftest import WITHOUT_AIRFLOW
from tests.nodes.conftest import INVENTORY
from tests.yarn.jobs.cluster import running_cloud

pytestmark = pytest.mark.slow


def test_nodes_are_as_guessed(
    containers_can_be_nodes: None, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """In a cloud in which nothing is yet, as on the first day."""
    os.environ["CONTAINERS_CONF"] = str(CONFIGURATION)
    options = ("-i", INVENTORY, *WITHOUT_AIRFLOW, "-e", f"probe_file={tmp_path / 'report'}")
    with running_cloud(tmp_path_factory.mktemp("probe") / "home", "podman") as cloud:
        ended = cloud.run("ansible-playbook", "playbooks/probe.yml", *options, check=False, timeout=900)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    seen = {one["id"]: one["found"] for one in report["verdicts"] if one["verdict"] == "own guess"}
    assert (seen["account-numbers"], seen["container-user"], seen["job-user"]) == ("2001:2001", "yarn", "root")
    assert (seen["daemon-units"], seen["init-before-daemons"]) == ("active", "none")
    assert seen["configuration-directory"] == "/etc/hadoop/conf"
    assert {one["id"] for one in report["verdicts"] if one["verdict"] == "not observed"} == {"jobs-order"}
