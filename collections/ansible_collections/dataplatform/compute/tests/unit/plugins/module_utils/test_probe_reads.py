# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is seen in lists, operations, jobs and the outputs of initialization actions."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.dataplatform.compute.plugins.module_utils.probe_reads import (
    boot_facts,
    canary_facts,
    creation_facts,
    job_facts,
    jobs_facts,
    operation_facts,
)

from .dataproc_answers import ago, job

UUID = "1a2b"


def operation(kind: str, began: float, ended: float, **more: Any) -> dict[str, Any]:
    """An operation on the cluster, begun and ended so many seconds ago."""
    metadata = {
        "operationType": kind,
        "clusterUuid": UUID,
        "status": {"state": "DONE", "stateStartTime": ago(seconds=ended)},
        "statusHistory": [{"state": "PENDING", "stateStartTime": ago(seconds=began)}],
    }
    return {"done": True, "metadata": metadata, **more}


def test_operations_tell_their_order_and_how_long_they_took() -> None:
    newest, oldest = operation("DELETE", 50, 10), operation("CREATE", 200, 110)
    workflow = {"metadata": {"graph": {}, "startTime": ago(seconds=300)}}
    found = operation_facts([newest, oldest, workflow], UUID)
    assert found == {
        "operations.order": "newest first",
        "operations.delete_seconds": "40.0",
        "operations.create_seconds": "90.0",
    }
    assert operation_facts([oldest, newest], UUID)["operations.order"] == "oldest first"
    assert operation_facts([newest, oldest, newest], "other") == {}
    assert operation_facts([oldest, newest, operation("UPDATE", 100, 90)], "other") == {
        "operations.order": "in no order of time"
    }


def test_a_cluster_says_what_became_of_its_properties() -> None:
    config = {"softwareConfig": {"properties": {"yarn:a": "1", "yarn:b": "3", "more": "x"}}, "gceClusterConfig": {}}
    created = operation("CREATE", 200, 110, response={"config": config})
    assert creation_facts([created], UUID, {"yarn:a": "1"}) == {
        "cluster.properties": "all",
        "cluster.network_uri": "none",
    }
    assert creation_facts([created], UUID, {"yarn:b": "2", "yarn:c": "4"})["cluster.properties"] == (
        "yarn:b=3, yarn:c=none"
    )
    assert creation_facts([created], "other", {}) == {}
    assert creation_facts([operation("CREATE", 200, 110)], UUID, {}) == {}


def test_a_job_and_its_output_are_looked_at() -> None:
    ended = {**job("j", ("DONE", 9.0)), "yarnApplications": [{"progress": 0.5}, {"progress": 1.0}]}
    assert job_facts(ended, [262144, 100, 0]) == {"job.progress": "1.0", "output.part_bytes": "262144"}
    assert job_facts(job("j", ("DONE", 9.0)), [100]) == {}
    assert jobs_facts([job("b", ("DONE", 9.0)), job("a", ("DONE", 99.0))]) == {"jobs.order": "newest first"}
    assert jobs_facts([job("a", ("DONE", 9.0))]) == {}


def test_nodes_say_at_their_boot_what_they_are() -> None:
    place = f"google-cloud-dataproc-metainfo/{UUID}"

    def said(**facts: str) -> str:
        return f"some line\n{json.dumps(facts)}\n"

    outputs = {
        f"{place}/c-m/dataproc-initialization-script-0_output": said(
            role="Master", user="root", kinit="/usr/bin/kinit"
        ),
        f"{place}/c-w-0/dataproc-initialization-script-0_output": said(role="Worker", user="root", kinit="none"),
        f"{place}/c-w-0/dataproc-initialization-script-1_output": "no facts {",
    }
    found = boot_facts(outputs, UUID)
    assert found["init.first_output"] == "dataproc-initialization-script-0_output"
    assert found["init.place"] == "google-cloud-dataproc-metainfo/UUID/NODE"
    assert (found["boot.user"], found["boot.kinit"]) == ("root", "/usr/bin/kinit, none")
    assert (found["boot.master.kinit"], found["boot.worker.kinit"]) == ("/usr/bin/kinit", "none")
    assert boot_facts({}, UUID) == {}


def test_a_canary_that_came_only_so_far_says_only_so_much() -> None:
    assert canary_facts({}) == {}
    whole = {"creation_seconds": 131.4, "scale_in": {"nodes_left": ["c-w-2"]}}
    assert canary_facts(whole) == {"canary.creation_seconds": "131.4", "canary.nodes_left": "c-w-2"}
