"""A canary on real YARN: three workers and the application master on three nodes, one of which leaves in mid-run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import REPOSITORY, LocalCloud
from tests.integration.google import Google
from tests.yarn.jobs.cluster import STAGING_BUCKET

pytestmark = pytest.mark.slow

NAME = "canary-yarn"
ROWS = 240_000


def expected_answers() -> dict[str, int]:
    """Some of the smoke workload's answers, without Dask and without its own code."""
    numbers = range(ROWS)
    scrambled = [(number * 2654435761 + 12345) % 2**31 for number in numbers]
    return {
        "table_rows": ROWS,
        "shuffle_groups": len({value % 997 for value in scrambled}),
        "join_rows": len(range(0, ROWS, 3)),
        "parquet_rows": len(range(3, ROWS, 10)),
        "delayed_total": sum(scrambled),
        "held_total": sum((number * 2654435761 + 12345) % 2**31 for number in range(2_400_000)),
    }


@pytest.mark.timeout(1200)  # a cloud, its convergence and a whole canary, on a machine that may be busy
def test_the_smoke_workload_survives_the_loss_of_a_node(yarn_cloud: LocalCloud, tmp_path: Path) -> None:
    returned = tmp_path / "canary.json"
    yarn_cloud.run(
        *("ansible-playbook", "-i", str(REPOSITORY / "inventories" / "local"), "tests/yarn/jobs/canary.yml"),
        *("-e", f"canary_name={NAME}", "-e", f"canary_rows={ROWS}", "-e", f"canary_result={returned}"),
        timeout=900,
    )
    canary = json.loads(returned.read_text())["canary"]
    smoke = canary["jobs"]["smoke"]
    assert expected_answers().items() <= smoke["results"].items()
    assert smoke["workers"] == {"first": 3, "last": 2}
    assert smoke["seconds"] > 0
    assert smoke["memory_mb"] > 0
    assert smoke["versions"]["dask"]
    assert len(canary["scale_in"]["nodes_left"]) == 1
    # Nothing is left: no cluster, and of what the job wrote its results and its run record only.
    google = Google(yarn_cloud.environment)
    assert NAME not in google.clusters()
    assert google.delete_objects(f"gs://local-project-dataproc-temp/canaries/{NAME}/") == 1
    assert google.delete_objects(f"gs://{STAGING_BUCKET}/runs/smoke/{smoke['job_id']}/run.json") == 1
