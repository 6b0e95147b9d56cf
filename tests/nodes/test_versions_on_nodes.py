"""A patching run whose canary is a cluster of nodes with systemd: all initialization actions, and packages.

The last file by name: containers share the machine's loop devices, and its clusters take some and give them back.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import REPOSITORY, TOOLS, LocalCloud, run
from tests.integration.google import Google

pytestmark = pytest.mark.slow

NEW = "2.3.90-debian12"
COMMITTED = REPOSITORY / "requirements/cluster-environment.txt"


@pytest.mark.timeout(1500)
def test_a_canary_boots_through_everything_and_newer_packages_are_promoted(
    nodes_cloud: LocalCloud, tmp_path: Path
) -> None:
    inventories = tmp_path / "inventories"
    shutil.copytree(REPOSITORY / "inventories", inventories, symlinks=True)
    pins = inventories / "local/group_vars/all/pins.yml"
    shutil.copy(nodes_cloud.home / "pin.yml", pins)
    before = yaml.safe_load(pins.read_text())["platform_pins"]
    # As if what is pinned had been built from a lock with an older package.
    pins.write_text(pins.read_text().replace(before["environment"]["lock_sha256"], "0" * 63 + "a"))
    lock = tmp_path / "lock.txt"
    lock.write_text(re.sub(r"^toolz==.*? ", "toolz==0.9.0 ", COMMITTED.read_text(), flags=re.MULTILINE))
    nodes_cloud.cli("image", "add", NEW)
    summary = tmp_path / "summary.json"
    options = {
        "patching_lock": str(lock),
        "patching_summary_file": str(summary),
        "patching_smoke_rows": 24_000,
        "environment_image_allow_unchecked": True,
    }
    command = [str(TOOLS / "ansible-playbook"), "-i", str(inventories / "local"), "playbooks/patch.yml"]
    command += ["-e", f"@{nodes_cloud.home}/facts.json", "-e", json.dumps(options)]
    # What leads to the local cloud leads to no package index.
    done = run(command, nodes_cloud.environment_without_proxy(), check=False, timeout=1400)
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
    # The newer package in its range is built, tried and pinned, and the lock it was built from takes its place.
    told = json.loads(summary.read_text())
    assert any("toolz 0.9.0 -> " in change for change in told["changes"])
    assert after["environment"]["lock_sha256"] == hashlib.sha256(lock.read_bytes()).hexdigest()
    assert "toolz==0.9.0" not in lock.read_text()
    assert f"Commit {pins} and {lock}" in " ".join(done.stdout.split())
    clusters = Google(nodes_cloud.environment).get("clusters").get("clusters", [])
    assert [one["clusterName"] for one in clusters if one["clusterName"].startswith("canary-")] == []
