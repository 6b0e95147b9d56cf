"""The autoscaler: its rules as a table, and once on real YARN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.dataproc.autoscaling import Sample, groups_of, wanted_sizes

NODE_MB = 1000


def policy(up: float = 1.0, down: float = 1.0, **fields: Any) -> dict[str, Any]:
    yarn = {"scaleUpFactor": up, "scaleDownFactor": down, **fields.pop("yarn", {})}
    groups = {"workerConfig": {"minInstances": 2, "maxInstances": 10, "weight": 1}, **fields}
    return {"basicAlgorithm": {"yarnConfig": yarn}, **groups}


SECONDARY = {"maxInstances": 10, "weight": 1}


@pytest.mark.parametrize(
    ("rules", "sizes", "samples", "wanted"),
    [
        pytest.param(policy(), (2, 0), [], (2, 0), id="nothing seen, nothing done"),
        pytest.param(policy(), (2, 0), [(3000, 0)], (5, 0), id="all pending memory"),
        pytest.param(policy(0.5), (2, 0), [(5000, 0)], (5, 0), id="half of five is rounded up"),
        pytest.param(policy(0.5), (2, 0), [(800, 0)], (3, 0), id="a little is one worker"),
        pytest.param(policy(0), (2, 0), [(9000, 0)], (2, 0), id="factor 0 never adds"),
        pytest.param(policy(), (2, 0), [(4000, 0), (0, 0)], (4, 0), id="the average counts"),
        pytest.param(policy(), (2, 0), [(3000, 3000)], (2, 0), id="available memory serves what is pending"),
        pytest.param(policy(), (2, 0), [(99000, 0)], (10, 0), id="up to the maximum"),
        pytest.param(policy(), (5, 0), [(0, 2000)], (3, 0), id="down by what is available"),
        pytest.param(policy(down=0.5), (7, 0), [(0, 5000)], (5, 0), id="down is rounded towards nothing"),
        pytest.param(policy(down=0.5), (5, 0), [(0, 1500)], (5, 0), id="less than one worker stays"),
        pytest.param(policy(), (5, 0), [(0, 5000)], (2, 0), id="down to the minimum"),
        pytest.param(policy(down=0), (5, 0), [(0, 5000)], (5, 0), id="factor 0 never removes"),
        pytest.param(policy(yarn={"scaleUpMinWorkerFraction": 0.5}), (4, 0), [(1000, 0)], (4, 0), id="too few to add"),
        pytest.param(
            policy(yarn={"scaleDownMinWorkerFraction": 1.0}), (4, 0), [(0, 2000)], (4, 0), id="too few to remove"
        ),
        pytest.param(policy(), (1, 0), [(0, 0)], (2, 0), id="a lost worker below the minimum is replaced"),
        pytest.param(policy(), (12, 0), [(0, 0)], (10, 0), id="more than the maximum shrink"),
        pytest.param(policy(secondaryWorkerConfig=SECONDARY), (2, 0), [(3000, 0)], (3, 2), id="equal weights"),
        pytest.param(
            policy(secondaryWorkerConfig={"maxInstances": 10, "weight": 0}), (2, 0), [(3000, 0)], (5, 0), id="weight 0"
        ),
        pytest.param(
            policy(workerConfig={"minInstances": 2, "maxInstances": 2}, secondaryWorkerConfig=SECONDARY),
            (2, 0),
            [(3000, 0)],
            (2, 3),
            id="primary at its maximum",
        ),
        pytest.param(policy(secondaryWorkerConfig=SECONDARY), (4, 4), [(0, 3000)], (3, 2), id="secondary go first"),
        pytest.param(policy(secondaryWorkerConfig=SECONDARY), (2, 2), [(0, 9000)], (2, 0), id="both to their minimum"),
    ],
)
def test_wanted_sizes(
    rules: dict[str, Any], sizes: tuple[int, int], samples: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    seen = [Sample(pending, available) for pending, available in samples]
    assert wanted_sizes(rules, *groups_of(rules, *sizes), seen, NODE_MB) == wanted


@pytest.fixture
def cluster(yarn: Any) -> Iterator[str]:
    rules = {
        "id": "elastic",
        "workerConfig": {"minInstances": 2, "maxInstances": 2},
        "secondaryWorkerConfig": {"maxInstances": 1},
        "basicAlgorithm": {
            "cooldownPeriod": "120s",
            "yarnConfig": {
                "scaleUpFactor": 1,
                "scaleDownFactor": 1,
                "scaleUpMinWorkerFraction": 0,
                "scaleDownMinWorkerFraction": 0,
                "gracefulDecommissionTimeout": "600s",
            },
        },
    }
    url = yarn.region_url.replace("/v1/projects", "/v1/projects") + "/autoscalingPolicies"
    yarn.http.post(url, json=rules).raise_for_status()
    config = {"autoscalingConfig": {"policyUri": "elastic"}, "secondaryWorkerConfig": {"numInstances": 0}}
    assert "error" not in yarn.finished(yarn.start_cluster("elastic", **config))
    yield "elastic"
    assert "error" not in yarn.delete("elastic")


def test_pending_memory_brings_a_worker_and_idleness_takes_it_away(yarn: Any, cluster: str) -> None:
    sleepers = [yarn.occupy(cluster, 4096) for _ in range(3)]
    nodes = yarn.until(lambda: len(found := yarn.nodes(cluster)) == 3 and found)
    (added,) = [name for name, node in nodes.items() if node["group"] == "secondary"]
    yarn.until(lambda: all(yarn.application(cluster, each)["allocatedMB"] == 4096 for each in sleepers))
    # YARN has the node before the update of the cluster that brings it is done.
    yarn.until(lambda: yarn.cluster(cluster)["config"]["secondaryWorkerConfig"].get("instanceNames") == [added])
    yarn.end(cluster, *sleepers)
    yarn.until(lambda: added not in yarn.nodes(cluster))
    yarn.until(lambda: yarn.cluster(cluster)["config"]["secondaryWorkerConfig"]["numInstances"] == 0)
