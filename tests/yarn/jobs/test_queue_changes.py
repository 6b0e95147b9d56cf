"""A changed queue reaches a running cluster by ``playbooks/queues.yml``, without restart or login."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import REPOSITORY
from tests.integration.google import wait_for
from tests.yarn.jobs.cluster import Cluster

pytestmark = pytest.mark.slow

LIVE_WITHIN_SECONDS = 60


def weights(cluster: Cluster) -> dict[str, float]:
    """Steady fair share in MiB by priority, as the ResourceManager computes it from the weights."""
    root = cluster.yarn("scheduler")["scheduler"]["schedulerInfo"]["rootQueue"]
    queues = root["childQueues"]["queue"]
    return {queue["queueName"].removeprefix("root."): queue["steadyFairResources"]["memory"] for queue in queues}


def test_a_changed_weight_is_live_within_a_minute(cluster: Cluster, tmp_path: Path) -> None:
    before = weights(cluster)
    queues = yaml.safe_load((REPOSITORY / "inventories" / "common" / "queues.yml").read_text())["platform_queues"]
    queues["low"]["weight"] = queues["normal"]["weight"]
    changed = tmp_path / "queues.yml"
    changed.write_text(yaml.safe_dump({"platform_queues": queues}))
    play = ("ansible-playbook", "-i", str(REPOSITORY / "inventories" / "local"), "playbooks/queues.yml")

    cluster.cloud.run(*play, "-e", f"@{changed}")
    try:
        # The minute is counted from the publication, the last that the playbook does, not from its start.
        wait_for(lambda: weights(cluster)["low"] == weights(cluster)["normal"], "equal shares", LIVE_WITHIN_SECONDS)
        again = cluster.cloud.run(*play, "-e", f"@{changed}")
        assert "changed=0" in again.stdout
    finally:
        cluster.cloud.run(*play)
    wait_for(lambda: weights(cluster) == before, "the old shares again", LIVE_WITHIN_SECONDS)
