"""A patching run whose canary is a cluster of nodes with systemd: all initialization actions, and packages.

The last file by name: containers share the machine's loop devices, and its clusters take some and give them back.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud
from tests.integration.google import Google

pytestmark = pytest.mark.slow

NEW = "2.3.90-debian12"


@pytest.mark.timeout(1500)
def test_a_canary_boots_through_everything_and_newer_packages_are_promoted(
    nodes_cloud: LocalCloud, tmp_path: Path
) -> None:
    inventories = tmp_path / "inventories"
    shutil.copytree(REPOSITORY / "inventories", inventories, symlinks=True)
    pins = inventories / "local/group_vars/all/pins.yml"
    shutil.copy(nodes_cloud.home / "pin.yml", pins)
    before = yaml.safe_load(pins.read_text())["platform_pins"]
    lock = tmp_path / "lock.txt"
    shutil.copy(REPOSITORY / "requirements/cluster-environment.txt", lock)
    nodes_cloud.cli("image", "add", NEW)
    summary = tmp_path / "summary.json"
    options = {
        "patching_lock": str(lock),
        "patching_summary_file": str(summary),
        "patching_smoke_rows": 24_000,
        "environment_image_allow_unchecked": True,
    }
    done = nodes_cloud.run(
        *(str(TOOLS / "ansible-playbook"), "-i", str(inventories / "local"), "playbooks/patch.yml"),
        *("-e", f"@{nodes_cloud.home}/facts.json", "-e", json.dumps(options)),
        check=False,
        timeout=1400,
    )
    assert done.returncode == 10, f"{done.stdout}\n{done.stderr}"

    facts = yaml.safe_load(pins.read_text())
    after, record = facts["platform_pins"], facts["platform_pin_record"]
    assert after["dataproc_image"] == NEW
    assert set(after["init_actions"]) == {
        "dask-environment.sh",
        "nfs-mounts.sh",
        "node-bundle.sh",
        "node-metrics.sh",
        "service-principal.sh",
        "yarn_queues.py",
    }
    for smoke in record["canary"]["jobs"].values():
        assert smoke["workers"] == {"first": 3, "last": 2}
        assert smoke["versions"]["python"].startswith("3.11.")
    # Newer packages in the ranges, where there are any, are built, tried and pinned, and their lock takes its place.
    raised = lock.read_text() != (REPOSITORY / "requirements/cluster-environment.txt").read_text()
    assert (after["environment"] != before["environment"]) is raised
    clusters = Google(nodes_cloud.environment).get("clusters").get("clusters", [])
    assert [one["clusterName"] for one in clusters if one["clusterName"].startswith("canary-")] == []
